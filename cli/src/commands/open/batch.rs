//! Opens a batch of lines, and writes those that open.

use std::collections::BTreeSet;
use std::time::Duration;

use tenantseal::changes::{Change, ChangeError, Changes, JsonLine, RecordFault};
use tenantseal::{Error, TenantId, TenantSeal};

use super::input::Batch;
use super::refused::{Refusals, Refused, shown};
use crate::errors::{Exit, Failure, Result, chain};

/// How often a batch is tried again without any progress, and how long it waits at most in between.
const ATTEMPTS: u32 = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What is opened, and how.
pub(super) struct Filter {
    pub(super) seal: TenantSeal,
    /// The logical table.
    pub(super) table: String,
    /// `None` for all.
    pub(super) tenants: Option<BTreeSet<TenantId>>,
    pub(super) strict: bool,
    pub(super) without_old_images: bool,
}

/// What became of the lines.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) lines: u64,
    pub(super) opened: u64,
    pub(super) refused: u64,
    pub(super) left_out: u64,
    /// Whether a refused line ended it.
    pub(super) is_cut_short: bool,
}

/// A line that may be read.
type Parsed<'b> = Result<JsonLine<'b>, String>;

impl Filter {
    /// The lines of the batch that open, each with its line break.
    pub(super) async fn open(&self, batch: &Batch, tally: &mut Tally, refusals: &mut Refusals) -> Result<Vec<u8>> {
        let lines: Vec<Parsed<'_>> = batch.lines().map(|line| self.parse(line)).collect();
        let changes = self.changes(&lines).await?;
        let (mut out, mut outcomes) = (Vec::new(), changes.iter());
        for (number, line) in (batch.first..).zip(&lines) {
            tally.lines += 1;
            let before = tally.refused;
            match line {
                Ok(line) => {
                    let outcomes: Vec<_> = outcomes.by_ref().take(line.record_count()).collect();
                    self.write(number, line, &outcomes, &mut out, tally, refusals)?;
                }
                Err(why) => {
                    let (kind, why) = ("line", why.clone());
                    refusals.list(&Refused { line: number, record: None, tenant: None, kind, key: None, why })?;
                    tally.refused += 1;
                }
            }
            if self.strict && tally.refused > before {
                tally.is_cut_short = true;
                break;
            }
        }
        refusals.flush()?;
        Ok(out)
    }

    fn parse<'b>(&self, line: Option<&'b [u8]>) -> Parsed<'b> {
        let line = line.ok_or_else(|| "the line is longer than 4 MiB".to_owned())?;
        let line = JsonLine::parse(line).map_err(|fault: RecordFault| fault.to_string())?;
        Ok(if self.without_old_images { line.without_old_images() } else { line })
    }

    /// Opens the changes of all lines. It waits while a key service is out of reach: what may open later is not refused.
    async fn changes(&self, lines: &[Parsed<'_>]) -> Result<Changes> {
        let (mut attempt, mut fewest) = (0, usize::MAX);
        loop {
            let stored: Vec<_> = lines.iter().flatten().flat_map(JsonLine::changes).collect();
            let wanted = |tenant: &TenantId| self.tenants.as_ref().is_none_or(|wanted| wanted.contains(tenant));
            let opened = self.seal.open_changes(&self.table, stored).only(wanted).await;
            let changes = opened.map_err(|error| Failure::usage(error.to_string()))?;
            unaccounted(&changes)?;
            let Some(error) = changes.first_retryable() else { return Ok(changes) };
            let passing = changes.iter().filter_map(|outcome| outcome.as_ref().err());
            let passing = passing.filter(|error| error.is_retryable()).count();
            attempt = if passing < fewest { 0 } else { attempt + 1 };
            fewest = fewest.min(passing);
            if attempt == ATTEMPTS {
                let why = format!("{error}; nothing of its batch is written");
                return Err(Failure::new(Exit::Unreachable, why).help("run it again when the service answers"));
            }
            tokio::time::sleep(Duration::from_secs(1 << attempt.min(6)).min(LONGEST_WAIT)).await;
        }
    }

    /// Writes one line, as far as its records open.
    fn write(
        &self,
        number: u64,
        line: &JsonLine<'_>,
        outcomes: &[&Result<Change, ChangeError>],
        out: &mut Vec<u8>,
        tally: &mut Tally,
        refusals: &mut Refusals,
    ) -> Result<()> {
        for (at, outcome) in outcomes.iter().enumerate() {
            if matches!(outcome, Err(error) if error.is_left_out()) {
                tally.left_out += 1;
                continue;
            }
            let refused = refusals_of(outcome);
            tally.refused += u64::from(!refused.is_empty());
            for refused in refused {
                let record = line.is_event().then_some(at);
                refusals.list(&Refused { line: number, record, ..refused })?;
            }
        }
        let is_open = |change: &&Change| !change.is_refused();
        let opened: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().ok().filter(is_open)).collect();
        let is_empty = !opened.is_empty() && opened.iter().all(Option::is_none);
        if !is_empty && line.write(&opened, out) {
            out.push(b'\n');
            tally.opened += 1;
        }
        Ok(())
    }
}

/// Nothing is opened when its account cannot be written: that ends the command.
fn unaccounted(changes: &Changes) -> Result<()> {
    let images = changes.iter().flatten().flat_map(|change| [change.new_image(), change.old_image()]);
    let mut refusals = images.filter_map(tenantseal::changes::Image::refusal);
    match refusals.any(|error| matches!(error.cause(), Error::Audit)) {
        true => Err(Failure::new(Exit::Findings, "the audit cannot be written, so nothing more is opened")
            .help("make room for the file of --audit")),
        false => Ok(()),
    }
}

/// What of a record does not open, but for its place.
fn refusals_of(outcome: &Result<Change, ChangeError>) -> Vec<Refused<'_>> {
    let refused = |tenant, kind, key, why| Refused { line: 0, record: None, tenant, kind, key, why };
    let said = |error: &(dyn std::error::Error + 'static)| chain(error).map(ToString::to_string).collect::<Vec<_>>();
    match outcome {
        Err(error) => vec![refused(error.tenant(), "record", error.keys().map(shown), error.to_string())],
        Ok(change) => {
            let images = [("new_image", change.new_image()), ("old_image", change.old_image())];
            let images = images.into_iter().filter_map(|(kind, image)| Some((kind, image.refusal()?)));
            let listed = images.map(|(kind, error)| {
                refused(Some(change.tenant()), kind, Some(shown(change.keys())), said(error.cause()).join(": "))
            });
            listed.collect()
        }
    }
}
