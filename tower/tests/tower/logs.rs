//! What is logged and counted: reasons and issuers, and never a token, a subject or a tenant.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::local_issuer::Answer;
use crate::scene::{TestKey, World, claims_with, headers};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What must not be found: parts of tokens, subjects and tenants.
const CANARIES: [&str; 3] = ["canary-subject", "canary-tenant", "canary-other"];

/// `tracing` decides once per process whether a place logs, by whichever thread comes there first. So the test runs
/// itself once more, alone in a process.
#[test]
fn no_log_and_no_metric_has_a_token_a_subject_or_a_tenant() {
    const ALONE: &str = "TENANTSEAL_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return alone();
    }
    let itself = "logs::no_log_and_no_metric_has_a_token_a_subject_or_a_tenant";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let again = again.args(["--exact", itself]).env(ALONE, "1").output().unwrap();
    let printed = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && printed.contains("1 passed"), "{printed}");
}

fn alone() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tokens = tracing::subscriber::with_default(subscriber, || {
        metrics::with_local_recorder(&recorder, || runtime.block_on(refused_and_accepted()))
    });

    let text = log.text();
    assert!(text.contains("refused a token") && text.contains("reason=\"expired\""), "{text}");
    assert!(text.contains("an issuer's keys were not fetched") && text.contains("https://issuer.test"), "{text}");
    for token in &tokens {
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!text.contains(part), "{part} of a token is logged");
        }
    }
    let mut counted = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
        let DebugValue::Counter(count) = value else { continue };
        counted.insert((key.key().name().to_owned(), labels.join(",")), count);
    }
    let refused =
        |reason: &str| counted.get(&("tenantseal_tokens_refused_total".to_owned(), reason.to_owned())).copied();
    for (reason, count) in [("expired", 1), ("signature", 1), ("no_tenant", 1), ("malformed", 1), ("no_token", 1)] {
        assert_eq!(refused(reason), Some(count), "{reason} in {counted:?}");
    }
    let fetched =
        |outcome: &str| counted.get(&("tenantseal_key_sets_fetched_total".to_owned(), outcome.to_owned())).copied();
    assert_eq!((fetched("ok"), fetched("status")), (Some(1), Some(1)));
    let shown = format!("{text}{counted:?}");
    assert!(CANARIES.iter().all(|canary| !shown.contains(canary)), "{shown}");
    // The search can fail: a subject in a log would be found.
    assert!(format!("{shown} canary-subject").contains(CANARIES[0]));
}

/// Sends tokens of every fate through the layer's check, and gives them.
async fn refused_and_accepted() -> Vec<String> {
    let world = World::start().await;
    let token = |name: &str, value: serde_json::Value| {
        let mut claims = claims_with(&world.issuer, "sub", json!("canary-subject"));
        claims["tenant_id"] = json!("canary-tenant");
        claims[name] = value;
        claims
    };
    let good = world.key.sign(&token("other", json!("canary-other")));
    let expired = world.key.sign(&token("exp", json!(1)));
    let foreign = TestKey::p256_b().sign_with(&world.key.header(), &token("other", json!(1)));
    let no_tenant = world.key.sign(&token("tenant_id", json!("canary-tenant/../canary-other")));
    let malformed = format!("{good}.{good}");
    assert_eq!(world.verify(&good).await.unwrap().id().as_str(), "canary-tenant");
    for refused in [&expired, &foreign, &no_tenant, &malformed] {
        assert!(world.verify(refused).await.is_err());
    }
    assert!(world.tenants.verify(&http::HeaderMap::new()).await.is_err());
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(11));
    let unknown = TestKey::p256_b().sign(&token("other", json!(1)));
    assert!(world.tenants.verify(&headers(&unknown)).await.is_err());
    vec![good, expired, foreign, no_tenant, malformed, unknown]
}

#[tokio::test]
async fn no_debug_shows_a_token_a_claim_or_a_tenant() {
    let world = World::start().await;
    let tenant = world.verify(&world.token()).await.unwrap();
    let layer = world.tenants.layer();
    let shown = format!("{tenant:?} {:?} {layer:?} {:?}", world.tenants, layer.clone().end_streams_at_expiry());
    assert!(shown.contains("https://issuer.test"));
    for secret in ["acme", "user-1", "crm"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
