//! The figures from the journals and the stack's counts, and their bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Display};

use serde::Serialize;

use crate::chaos::Injected;
use crate::journal::{Fate, History};
use crate::keys;
use crate::stage::Stage;
use crate::verdict::Verdict;

/// Everything that is printed, as text or as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) run: Run,
    pub(crate) operations: BTreeMap<String, Kind>,
    /// Why operations failed, and how many.
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) writer_processes: u64,
    pub(crate) keys: Keys,
    pub(crate) memory: Memory,
    pub(crate) read_back: ReadBack,
    pub(crate) violations: Vec<String>,
}

/// The parameters of the run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) tenants: usize,
}

/// Operations of one kind.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Kind {
    acknowledged: u64,
    condition_failed: u64,
    not_sent: u64,
    unknown: u64,
    killed: u64,
    p50_micros: u64,
    p99_micros: u64,
    #[serde(skip)]
    micros: Vec<u64>,
}

/// Calls for data keys and sessions.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Keys {
    assume_role: u64,
    generate_data_key: u64,
    decrypt: u64,
    failed_by_faults: u64,
    /// Explained answers with data keys, summed over all tenants; each tenant has its own bound.
    generate_data_key_bound: u64,
    decrypt_bound: u64,
    assume_role_bound: u64,
    /// The tenant with the largest share of its explained answers used up.
    nearest: Nearest,
    items_sealed_or_opened: u64,
    /// The share of items that needed no KMS call.
    hit_rate: f64,
}

/// One tenant's answers, and how many of them are explained.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Nearest {
    tenant: String,
    made: u64,
    made_bound: u64,
    unwrapped: u64,
    unwrapped_bound: u64,
}

/// The resident memory of the writer that is not killed, in bytes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Memory {
    /// The most during the first third.
    pub(crate) after_warm_up: u64,
    /// The most during the last third.
    pub(crate) end: u64,
    bound: u64,
    /// One a second.
    pub(crate) samples: Vec<u64>,
}

/// The verdict on what is stored.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ReadBack {
    entries_written: usize,
    entries_stored: usize,
    either_of_two: usize,
    tokens_right: usize,
    values_searched: usize,
    foreign_reads_refused: usize,
}

/// The stack's counts after the writers ended: calls, and answers by tenant.
pub(crate) struct Counted {
    assume_role: u64,
    generate_data_key: u64,
    decrypt: u64,
    made: HashMap<String, u64>,
    unwrapped: HashMap<String, u64>,
}

impl Counted {
    pub(crate) fn from_stage(stage: &Stage) -> Self {
        let count = |operation| stage.stack.calls().count(operation);
        Self {
            assume_role: count("AssumeRole"),
            generate_data_key: count("GenerateDataKey"),
            decrypt: count("Decrypt"),
            made: keys::answers(&stage.stack, "GenerateDataKey"),
            unwrapped: keys::answers(&stage.stack, "Decrypt"),
        }
    }
}

impl Memory {
    /// 4/3 of the memory after the warm-up, plus 16 MB: allocators release late, and quiet tenants come for the first
    /// time.
    fn judged(samples: Vec<u64>) -> Self {
        let third = samples.len() / 3;
        let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
        let after_warm_up = most(&samples[..third]);
        let end = most(&samples[samples.len() - third..]);
        Self { after_warm_up, end, bound: after_warm_up / 3 * 4 + (16 << 20), samples }
    }
}

impl Keys {
    /// Checks each tenant against its explained answers; `failed` calls and `items` are totals.
    fn judged(
        counted: &Counted,
        histories: &[History],
        injected: &Injected,
        items: u64,
        violations: &mut Vec<String>,
    ) -> Self {
        let Counted { assume_role, generate_data_key, decrypt, made, unwrapped } = counted;
        let (bounds, lives) = keys::explained(histories, injected, made);
        let mut nearest = (0.0, Nearest::default());
        let (mut generate_data_key_bound, mut decrypt_bound) = (0, 0);
        let tenants: BTreeSet<_> = made.keys().chain(unwrapped.keys()).collect();
        for tenant in tenants {
            let keys::Bound { made: made_bound, unwrapped: unwrapped_bound } =
                bounds.get(tenant).copied().unwrap_or_default();
            let of = |answers: &HashMap<String, u64>| answers.get(tenant).copied().unwrap_or_default();
            let (made, unwrapped) = (of(made), of(unwrapped));
            if made > made_bound || unwrapped > unwrapped_bound {
                violations.push(format!(
                    "KMS made {made} data keys for {tenant} and unwrapped {unwrapped}: more than the {made_bound} and {unwrapped_bound} that are explained"
                ));
            }
            let part = |answers: u64, bound: u64| answers as f64 / bound.max(1) as f64;
            let most = part(made, made_bound).max(part(unwrapped, unwrapped_bound));
            if most > nearest.0 {
                let tenant = tenant.clone();
                nearest = (most, Nearest { tenant, made, made_bound, unwrapped, unwrapped_bound });
            }
            generate_data_key_bound += made_bound;
            decrypt_bound += unwrapped_bound;
        }
        // A session is requested again when a clock jumped past its end, or its tenant was suspended.
        let injections = |fault: &str| injected.faults.get(fault).copied().unwrap_or_default();
        let jumps = injections("the servers' clock jumps") + injections("the writers' clocks jump");
        let assume_role_bound = lives * (1 + jumps) + injected.suspensions.len() as u64 * 2;
        let failed_by_faults = injected.failed().values().sum();
        if *assume_role > assume_role_bound + failed_by_faults {
            violations.push(format!(
                "{assume_role} calls to STS: more than {assume_role_bound}, and {failed_by_faults} failed by faults"
            ));
        }
        let asked = generate_data_key + decrypt;
        Self {
            assume_role: *assume_role,
            generate_data_key: *generate_data_key,
            decrypt: *decrypt,
            failed_by_faults,
            generate_data_key_bound,
            decrypt_bound,
            assume_role_bound,
            nearest: nearest.1,
            items_sealed_or_opened: items,
            hit_rate: if items == 0 { 0.0 } else { 1.0 - asked as f64 / items as f64 },
        }
    }
}

impl Report {
    pub(crate) fn new(
        run: Run,
        histories: &[History],
        injected: &Injected,
        counted: &Counted,
        samples: Vec<u64>,
        verdict: Verdict,
    ) -> Self {
        let mut operations: BTreeMap<String, Kind> = BTreeMap::new();
        let mut failures: BTreeMap<String, u64> = BTreeMap::new();
        let mut items = 0;
        for operation in histories.iter().flat_map(|history| history.operations.values()) {
            operations.entry(operation.kind.clone()).or_default().count(operation, &mut failures);
            if let Some(Fate::Acknowledged(some)) = operation.fate {
                items += some as u64;
            }
        }
        for kind in operations.values_mut() {
            kind.micros.sort_unstable();
            let at = |percent: usize| kind.micros.get(kind.micros.len().saturating_sub(1) * percent / 100).copied();
            (kind.p50_micros, kind.p99_micros) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
        }
        let Verdict { mut violations, written, read_back, open, tokens, searched, foreign } = verdict;
        let keys = Keys::judged(counted, histories, injected, items, &mut violations);
        let memory = Memory::judged(samples);
        if memory.end > memory.bound {
            violations.push(format!("memory grew from {} to {} bytes", memory.after_warm_up, memory.end));
        }
        if operations.values().all(|kind| kind.acknowledged == 0) {
            violations.push("nothing was acknowledged: nothing was tested".to_owned());
        }
        let read_back = ReadBack {
            entries_written: written,
            entries_stored: read_back,
            either_of_two: open,
            tokens_right: tokens,
            values_searched: searched,
            foreign_reads_refused: foreign,
        };
        let writer_processes = histories.iter().map(|history| history.lives).sum();
        let faults = injected.faults.clone();
        Self { run, operations, failures, faults, writer_processes, keys, memory, read_back, violations }
    }
}

impl Kind {
    fn count(&mut self, operation: &crate::journal::Operation, failures: &mut BTreeMap<String, u64>) {
        let (counter, why) = match &operation.fate {
            Some(Fate::Acknowledged(_)) => (&mut self.acknowledged, None),
            Some(Fate::ConditionFailed) => (&mut self.condition_failed, None),
            Some(Fate::NotSent(why)) => (&mut self.not_sent, Some(why.as_str())),
            Some(Fate::Unknown(why)) => (&mut self.unknown, Some(why.as_str())),
            Some(Fate::Violation(_)) => (&mut self.unknown, Some("violation")),
            None => (&mut self.killed, None),
        };
        *counter += 1;
        if let Some(why) = why {
            *failures.entry(why.to_owned()).or_default() += 1;
        }
        if operation.fate.as_ref().is_some_and(|fate| matches!(fate, Fate::Acknowledged(_))) {
            self.micros.push(u64::try_from(operation.took.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { seed, seconds, tenants } = self.run;
        let Self { operations, failures, faults, writer_processes, keys, memory, read_back, .. } = self;
        writeln!(
            f,
            "soak: {tenants} tenants, {seconds} s, {writer_processes} writer processes; repeat with --seed {seed}\n"
        )?;
        let heading = ["acknowledged", "condition", "not sent", "unknown", "killed", "p50 ms", "p99 ms"];
        writeln!(f, "{:<18}{}", "operation", heading.map(|name| format!("{name:>13}")).concat())?;
        let mut total = [0; 5];
        for (name, kind) in operations {
            let Kind { acknowledged, condition_failed, not_sent, unknown, killed, p50_micros, p99_micros, .. } = kind;
            let counts = [acknowledged, condition_failed, not_sent, unknown, killed];
            counts.iter().zip(&mut total).for_each(|(count, total)| *total += **count);
            let counts = counts.map(|count| format!("{count:>13}")).concat();
            let ms = [p50_micros, p99_micros].map(|micros| format!("{:>13.1}", *micros as f64 / 1000.0)).concat();
            writeln!(f, "{name:<18}{counts}{ms}")?;
        }
        writeln!(f, "{:<18}{}", "together", total.map(|count| format!("{count:>13}")).concat())?;
        list(f, "failed, because of", failures.iter().map(|(name, count)| (name.as_str(), count)))?;
        list(f, "faults injected", faults.iter().map(|(name, count)| (*name, count)))?;
        let Keys { assume_role, generate_data_key, decrypt, failed_by_faults, .. } = keys;
        let Keys { generate_data_key_bound, decrypt_bound, assume_role_bound, .. } = keys;
        let Keys { nearest, items_sealed_or_opened, hit_rate, .. } = keys;
        writeln!(
            f,
            "\nkeys      GenerateDataKey {generate_data_key} (explained {generate_data_key_bound}), Decrypt {decrypt} (explained {decrypt_bound})"
        )?;
        let Nearest { tenant, made, made_bound, unwrapped, unwrapped_bound } = nearest;
        writeln!(
            f,
            "          nearest to its bound: {tenant}, {made} made of {made_bound}, {unwrapped} unwrapped of {unwrapped_bound}"
        )?;
        writeln!(
            f,
            "          AssumeRole {assume_role} (bound {assume_role_bound}); {failed_by_faults} of all calls failed by faults"
        )?;
        writeln!(
            f,
            "          {items_sealed_or_opened} items sealed or opened: {:.1} % without KMS",
            hit_rate * 100.0
        )?;
        let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let Memory { after_warm_up, end, bound, .. } = memory;
        writeln!(
            f,
            "memory    {:.1} MiB after the warm-up, {:.1} MiB at the end (bound {:.1})",
            mb(*after_warm_up),
            mb(*end),
            mb(*bound)
        )?;
        let ReadBack { entries_written, entries_stored, either_of_two, tokens_right, .. } = read_back;
        let ReadBack { values_searched, foreign_reads_refused, .. } = read_back;
        writeln!(
            f,
            "stored    {entries_written} entries judged, {entries_stored} there and read back, {either_of_two} of them in either of two states"
        )?;
        writeln!(
            f,
            "          {tokens_right} stored tokens right, {values_searched} stored values searched for plaintext, {foreign_reads_refused} reads of others' items tried"
        )?;
        if self.violations.is_empty() {
            return writeln!(f, "\nno violation");
        }
        writeln!(f, "\n{} VIOLATIONS", self.violations.len())?;
        self.violations.iter().take(20).try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    mut counts: impl Iterator<Item = (&'a str, &'a u64)>,
) -> fmt::Result {
    writeln!(f, "\n{title}")?;
    counts.try_for_each(|(name, count)| writeln!(f, "{count:>8}  {name}"))
}
