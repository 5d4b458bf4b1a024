//! Metrics say what really happened, without tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tenantseal::TenantSeal;

use crate::common::key_table::{key_table, to_key_table};
use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id};

/// The metrics of one test, by name and labels: what a counter counts, or how many values a histogram has.
pub(crate) struct Seen(BTreeMap<String, u64>);

impl Seen {
    pub(crate) fn of(snapshotter: &Snapshotter) -> Self {
        let seen = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let labels: Vec<String> =
                key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let count = match value {
                DebugValue::Counter(count) => count,
                DebugValue::Histogram(values) => values.len() as u64,
                DebugValue::Gauge(_) => panic!("there are no gauges"),
            };
            (format!("{}{{{}}}", key.key().name(), labels.join(",")), count)
        });
        Self(seen.collect())
    }

    pub(crate) fn get(&self, metric: &str) -> u64 {
        self.0.get(&format!("tenantseal_{metric}")).copied().unwrap_or_default()
    }

    /// The sum over all labels that begin so.
    fn sum(&self, metric: &str) -> u64 {
        let of = |name: &str| name.starts_with(&format!("tenantseal_{metric}"));
        self.0.iter().filter(|(name, _)| of(name)).map(|(_, count)| count).sum()
    }
}

/// Runs a test under a recorder of its own: everything happens on its thread.
pub(crate) fn recorded<F: Future>(test: impl FnOnce(Snapshotter) -> F) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(snapshotter)));
}

async fn put(seal: &TenantSeal) -> Result<(), tenantseal::Error> {
    seal.tenant(&id("acme")).records::<Contact>().put(&contact("acme", "c-1")).await
}

#[test]
fn calls_look_ups_waits_and_ages_are_counted() {
    recorded(|snapshotter| async move {
        let world = World::start(&["acme"]).await;
        let (writer, reader) = (world.seal(), world.seal());
        for _ in 0..3 {
            put(&writer).await.unwrap();
            reader.tenant(&id("acme")).records::<Contact>().get("c-1").await.unwrap();
        }
        let seen = Seen::of(&snapshotter);
        for operation in ["AssumeRole", "GenerateDataKey", "Decrypt"] {
            let calls = world.stack.calls().count(operation);
            assert!(calls > 0);
            assert_eq!(seen.get(&format!("key_calls_total{{operation={operation},outcome=ok}}")), calls);
            assert_eq!(seen.get(&format!("key_call_seconds{{operation={operation}}}")), calls);
        }
        for purpose in ["seal", "open"] {
            assert_eq!(seen.get(&format!("data_key_lookups_total{{purpose={purpose},cache=miss}}")), 1);
            assert_eq!(seen.get(&format!("data_key_lookups_total{{purpose={purpose},cache=hit}}")), 2);
            assert_eq!(seen.get(&format!("data_key_wait_seconds{{purpose={purpose}}}")), 1);
            assert_eq!(seen.get(&format!("data_key_age_seconds{{purpose={purpose}}}")), 3);
        }
        assert!(seen.0.keys().all(|name| !name.contains("acme")), "{:?}", seen.0.keys());
    });
}

#[test]
fn failures_retries_revalidations_evictions_and_circuits_are_counted() {
    recorded(|snapshotter| async move {
        let world = World::start(&["acme"]).await;
        let retries = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1));
        let app = world.app.clone().into_builder().retry_config(retries).build();
        let seal = world.builder().data_key_revalidation(Duration::from_millis(50)).build(&app).unwrap();
        put(&seal).await.unwrap();
        // On one thread, and not given to others: the keeper has no turn.
        std::thread::sleep(Duration::from_millis(60));
        put(&seal).await.unwrap();
        // And as often as the keeper had a turn meanwhile.
        assert!(Seen::of(&snapshotter).sum("revalidations_total") >= 1);
        seal.revoke(&id("acme")).await;

        world.stack.faults().on("GenerateDataKey").fail("ThrottlingException", 400);
        for _ in 0..3 {
            put(&seal).await.unwrap_err();
        }
        let calls = world.stack.calls().count("GenerateDataKey");
        world.stack.faults().clear();
        let seen = Seen::of(&snapshotter);
        assert_eq!(seen.get("key_calls_total{operation=GenerateDataKey,outcome=unavailable}"), calls - 1);
        assert_eq!(seen.get("key_call_retries_total{operation=GenerateDataKey}"), 3);
        assert_eq!(seen.get("circuits_opened_total{}"), 1);
        assert_eq!(seen.get("evicted_data_keys_total{reason=by_hand}"), 1);

        // Refused credentials are asked for again: two calls to KMS.
        let other = world.seal();
        put(&other).await.unwrap();
        other.revoke(&id("acme")).await;
        let before = world.stack.calls().count("GenerateDataKey");
        world.stack.faults().on("GenerateDataKey").times(1).fail("ExpiredTokenException", 400);
        put(&other).await.unwrap();
        assert_eq!(world.stack.calls().count("GenerateDataKey"), before + 2);
        let seen = Seen::of(&snapshotter);
        assert_eq!(seen.get("key_calls_total{operation=GenerateDataKey,outcome=credentials}"), 1);

        other.revoke(&id("acme")).await;
        put(&other).await.unwrap();
        world.stack.faults().on("Decrypt").fail("DisabledException", 400);
        let impatient = world.builder().data_key_revalidation(Duration::from_millis(50)).build(&app).unwrap();
        put(&impatient).await.unwrap();
        std::thread::sleep(Duration::from_millis(60));
        assert!(put(&impatient).await.unwrap_err().is_revoked());
        let seen = Seen::of(&snapshotter);
        assert_eq!(seen.get("revocations_total{}"), 1);
        assert_eq!(seen.get("evicted_data_keys_total{reason=revoked}"), 1);
    });
}

#[test]
fn calls_of_the_key_table_are_counted_by_their_outcome() {
    recorded(|snapshotter| async move {
        let world = World::with_key_table(&["acme"]).await;
        let process = || world.sharing().build(&world.app).unwrap();
        // Both find no pointer, and one is faster.
        world.stack.faults().on("GenerateDataKey").delay(Duration::from_millis(300));
        let (one, other) = (process(), process());
        let (one, other) = tokio::join!(put(&one), put(&other));
        one.and(other).unwrap();
        let counted = |seen: &Seen, operation: &str, outcome: &str| {
            seen.get(&format!("key_table_calls_total{{operation={operation},outcome={outcome}}}"))
        };
        let seen = Seen::of(&snapshotter);
        assert_eq!(counted(&seen, "get", "ok"), 2);
        assert_eq!(counted(&seen, "compare_and_swap", "ok"), 3, "two records, one pointer");
        assert_eq!(counted(&seen, "compare_and_swap", "found_other"), 1);
        assert_eq!(seen.get("key_table_call_seconds{operation=get}"), 2);

        put(&world.compact()).await.unwrap();
        assert_eq!(counted(&Seen::of(&snapshotter), "check", "ok"), 1);
        let config = world.over(Wire::scripted(|sent, _| match to_key_table(sent) {
            true => Reaction::Break,
            false => Reaction::Forward,
        }));
        let down = world.builder().key_table(std::sync::Arc::new(key_table(&config))).build(&config).unwrap();
        put(&down).await.unwrap();
        let seen = Seen::of(&snapshotter);
        assert_eq!(counted(&seen, "get", "unavailable"), 1);
        assert!(seen.0.keys().all(|name| !name.contains("acme")), "{:?}", seen.0.keys());
    });
}

#[test]
fn the_operations_guide_lists_exactly_the_metrics_that_there_are() {
    let names = |text: &'static str, quote: char| -> BTreeSet<&'static str> {
        text.split(quote).filter(|word| word.starts_with("tenantseal_") && !word.contains(' ')).collect()
    };
    let sources = [
        include_str!("../../core/src/telemetry.rs"),
        include_str!("../../core/src/telemetry/leaves.rs"),
        include_str!("../../core/src/telemetry/lookups.rs"),
        include_str!("../../tower/src/telemetry.rs"),
    ];
    let counted: BTreeSet<_> = sources.into_iter().flat_map(|source| names(source, '"')).collect();
    assert_eq!(counted, names(include_str!("../../docs/OPERATIONS.md"), '`'));
}
