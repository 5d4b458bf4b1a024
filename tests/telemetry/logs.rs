//! Spans and events say which tenant, which operation and which KMS request.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::common::{Contact, World, contact, id};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    /// The one line with all of these.
    fn line(&self, parts: &[&str]) -> String {
        let lines = self.lines();
        let mut found = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        found.next().unwrap_or_else(|| panic!("no line with {parts:?}:\n{}", lines.join("\n"))).clone()
    }
}

/// Runs a test under a log of its own: everything happens on its thread.
fn logged<F: Future>(test: impl FnOnce(Log) -> F) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("tenantseal=trace")
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(test(log)));
}

#[test]
fn spans_name_tenant_operation_table_and_request() {
    logged(|log| async move {
        let world = World::start(&["acme"]).await;
        let records = world.tenant("acme").records::<Contact>();
        records.put(&contact("acme", "c-1")).await.unwrap();
        records.get("c-1").await.unwrap();
        let put = r#"tenantseal{tenant="acme" operation="PutItem" table="crm"}"#;
        let get = r#"tenantseal{tenant="acme" operation="GetItem" table="crm"}"#;
        for operation in ["AssumeRole", "GenerateDataKey"] {
            let call = format!(r#"key_call{{tenant="acme" operation="{operation}" attempt=1"#);
            let line = log.line(&[put, &call, "close"]);
            let call = &line[line.rfind("key_call{").unwrap()..];
            assert!(call.contains(r#"outcome="ok""#) && call.contains(r#"request_id=""#), "{line}");
        }
        log.line(&[put, r#"cache="miss""#]);
        log.line(&[get, r#"cache="hit""#]);
        log.line(&[put, "close"]);
        log.line(&[get, "close"]);
        assert!(log.lines().iter().all(|line| !line.contains("c-1")), "{:?}", log.lines());
    });
}

#[test]
fn revocations_outages_and_circuits_are_events() {
    logged(|log| async move {
        let world = World::start(&["acme"]).await;
        let retries = RetryConfig::standard().with_max_attempts(1);
        let app = world.app.clone().into_builder().retry_config(retries).build();
        let seal = world.builder().data_key_revalidation(Duration::from_millis(50)).build(&app).unwrap();
        let records = seal.tenant(&id("acme")).records::<Contact>();
        let again = || async {
            std::thread::sleep(Duration::from_millis(60));
            records.put(&contact("acme", "c-1")).await
        };
        again().await.unwrap();
        world.stack.faults().on("Decrypt").fail("ThrottlingException", 400);
        again().await.unwrap();
        log.line(&["WARN", r#"tenant="acme""#, "outage grace"]);
        for _ in 0..3 {
            seal.revoke(&id("acme")).await;
            world.stack.faults().on("GenerateDataKey").fail("ThrottlingException", 400);
            again().await.unwrap_err();
        }
        log.line(&["WARN", r#"reason="by_hand""#]);
        log.line(&["WARN", r#"tenant="acme""#, "circuit is open"]);
        world.stack.faults().clear();
        tokio::time::timeout(Duration::from_secs(20), async {
            while again().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .unwrap();
        log.line(&["INFO", r#"tenant="acme""#, "circuit is closed"]);
        world.stack.faults().on("Decrypt").fail("DisabledException", 400);
        again().await.unwrap_err();
        log.line(&["WARN", r#"tenant="acme""#, "the tenant is revoked"]);
    });
}
