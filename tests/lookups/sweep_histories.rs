//! Writers against the sweep, one request at a time: whatever happens in between, no token ends wrong.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use futures_util::future::BoxFuture;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tenantseal::TenantSealBuilder;
use tenantseal::schema::{Form, Lookup, TableSchema};

use tenantseal::sweep::{ReindexReport, SkipReason};
use tokio::sync::Notify;

use super::history::{IDS, Step, run, step};
use super::scene::{TABLE, assert_right, attributes, builder, contact, key, put, stored, tokens, world};
use super::sweep::{acme, old, sealing, two_types};
use crate::common::{World, s};

/// What happens before a request of the sweep. Returns whether the request is sent; otherwise the sweep is killed.
type Before = dyn Fn(String) -> BoxFuture<'static, bool> + Send + Sync;

/// Holds each request of these operations until something has happened.
#[derive(Clone)]
pub(super) struct Gate {
    inner: SharedHttpClient,
    operations: &'static [&'static str],
    before: Arc<Before>,
    killed: Arc<Notify>,
}

impl Gate {
    fn new(before: impl Fn(String) -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self::of(&["Scan", "UpdateItem"], before)
    }

    pub(super) fn of(
        operations: &'static [&'static str],
        before: impl Fn(String) -> BoxFuture<'static, bool> + Send + Sync + 'static,
    ) -> Self {
        let inner = default_http_client_plugin_v2(BehaviorVersion::latest()).unwrap();
        let inner = inner.runtime_components(&RuntimeComponentsBuilder::new("test")).http_client().unwrap();
        Self { inner, operations, before: Arc::new(before), killed: Arc::default() }
    }

    /// Waits until the sweep is killed.
    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }
}

impl HttpClient for Gate {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Gated { inner: self.inner.http_connector(settings, components), gate: self.clone() })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(..)")
    }
}

#[derive(Debug)]
struct Gated {
    inner: SharedHttpConnector,
    gate: Gate,
}

impl HttpConnector for Gated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").and_then(|target| target.split('.').nth(1));
        let operation = target.unwrap_or_default().to_owned();
        if !self.gate.operations.contains(&operation.as_str()) {
            return self.inner.call(request);
        }
        let (inner, gate) = (self.inner.clone(), self.gate.clone());
        HttpConnectorFuture::new(async move {
            if !(gate.before)(operation).await {
                gate.killed.notify_one();
                std::future::pending::<()>().await;
            }
            inner.call(request).await
        })
    }
}

/// The lookups of the scene while they are built.
fn building() -> TableSchema {
    attributes()
        .lookup(Lookup::on("email", Form::EMAIL).index("by-email").building())
        .lookup(Lookup::on("phone", Form::DIGITS).tenant_index("by-phone").building())
        .lookup(
            Lookup::all_of([("last_name", Form::ALPHANUMERIC), ("born", Form::EXACT)])
                .named("person")
                .index("by-person")
                .building(),
        )
        .build()
        .unwrap()
}

/// A history: writers of before and of now, then writers of now between the requests of a sweep that is killed once.
#[derive(Debug, Clone)]
struct History {
    before: Vec<(Step, bool)>,
    meanwhile: Vec<(Step, bool)>,
    /// How many of them happen before each request of the sweep.
    between: Vec<usize>,
    killed_at: usize,
}

fn history() -> impl Strategy<Value = History> {
    let writes = |most| vec((step(), any::<bool>()), 0..most);
    (writes(10), writes(14), vec(0_usize..3, 24), 0_usize..14)
        .prop_map(|(before, meanwhile, between, killed_at)| History { before, meanwhile, between, killed_at })
}

/// Runs the sweep, with these writes in between. The killed one is resumed.
async fn sweep(world: &World, history: &History) -> ReindexReport {
    let left: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(history.meanwhile.iter().cloned().collect()));
    let requests = Arc::new(Mutex::new(0));
    let writer = acme(&sealing(world, building()));
    let (between, killed_at) = (history.between.clone(), history.killed_at);
    let writes = Arc::clone(&left);
    let before = move |_| {
        let (writer, writes, requests, between) =
            (writer.clone(), Arc::clone(&writes), Arc::clone(&requests), between.clone());
        let next: BoxFuture<'static, bool> = Box::pin(async move {
            let number = {
                let mut requests = requests.lock().unwrap();
                *requests += 1;
                *requests - 1
            };
            for _ in 0..between[number % between.len()] {
                let next = writes.lock().unwrap().pop_front();
                if let Some((step, alone)) = next {
                    run(&writer, &step, alone).await;
                }
            }
            number != killed_at
        });
        next
    };
    let gate = Gate::new(before);
    let seal = builder(world, building()).build(&world.over(gate.clone())).unwrap();
    let mut report = None;
    loop {
        let seen = Mutex::new(None);
        let mut sweep = seal.reindex(TABLE).segments(1).page_items(2);
        sweep = sweep.progress(|at| *seen.lock().unwrap() = Some(serde_json::to_string(at).unwrap()));
        if let Some(report) = report.take() {
            sweep = sweep.resume(report);
        }
        let ended = tokio::select! {
            report = sweep.run() => Some(report.unwrap()),
            () = gate.killed() => None,
        };
        match ended {
            Some(report) => return report,
            None => report = seen.lock().unwrap().take().map(|report: String| serde_json::from_str(&report).unwrap()),
        }
    }
}

/// Checks that no token is wrong. While a lookup is built, `if_not_exists` may have taken one away.
async fn check(world: &World, may_lack: bool) {
    let acme = acme(&sealing(world, building()));
    for contact in IDS {
        let stored = stored(world, "acme", contact).await;
        if stored.is_empty() {
            continue;
        }
        if !may_lack {
            assert_right(&acme, &stored).await;
            continue;
        }
        let opened = acme.open(TABLE, stored.clone()).await.unwrap();
        assert!(opened.len() > 2 || tokens(&stored).is_empty(), "{contact} came back with nothing but tokens");
        let right = tokens(&acme.seal(TABLE, opened).await.unwrap());
        for (name, token) in tokens(&stored) {
            assert_eq!(right.get(&name), Some(&token), "{contact} has a wrong token of `{name}`");
        }
    }
}

async fn clear(world: &World) {
    for contact in IDS {
        let delete = world.plain.delete_item().table_name(TABLE).set_key(Some(key("acme", contact)));
        delete.send().await.unwrap();
    }
}

#[test]
fn no_history_of_writers_and_a_killed_sweep_ends_wrong() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(world(&["acme"]));
    let (old, new) = (acme(&old(&world)), acme(&sealing(&world, building())));
    let cases = std::env::var("TENANTSEAL_HISTORIES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(120);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&history(), |history| {
        runtime.block_on(async {
            clear(&world).await;
            for (at, (step, alone)) in history.before.iter().enumerate() {
                run(if at % 2 == 0 { &old } else { &new }, step, *alone).await;
            }
            let report = sweep(&world, &history).await;
            assert!(report.is_complete(), "{report}");
            assert!(report.skipped().all(|(reason, _)| reason == SkipReason::Busy), "{report}");
            let is_conditional = |(step, _): &(Step, bool)| matches!(step, Step::Update(_, set, _) if set.iter().any(|(.., missing)| *missing));
            check(&world, history.meanwhile.iter().any(is_conditional)).await;
            let quiet = sealing(&world, building());
            quiet.reindex(TABLE).run().await.unwrap();
            check(&world, false).await;
            assert!(quiet.reindex(TABLE).run().await.unwrap().changed_nothing());
        });
        Ok(())
    });
    outcome.unwrap();
}

/// Sweeps one contact; before the sweep writes it, `write` happens.
async fn overtaken(
    world: &World,
    seal: TenantSealBuilder,
    write: impl Fn(aws_sdk_dynamodb::Client) -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> ReindexReport {
    let (plain, once) = (world.plain.clone(), Arc::new(Mutex::new(true)));
    let gate = Gate::new(move |operation| {
        let is_first = operation == "UpdateItem" && std::mem::take(&mut *once.lock().unwrap());
        let write = is_first.then(|| write(plain.clone()));
        Box::pin(async move {
            if let Some(write) = write {
                write.await;
            }
            true
        })
    });
    let seal = seal.build(&world.over(gate)).unwrap();
    seal.reindex(TABLE).segments(1).run().await.unwrap()
}

fn set_attribute(
    db: aws_sdk_dynamodb::Client,
    name: &'static str,
    value: aws_sdk_dynamodb::types::AttributeValue,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let update = db.update_item().table_name(TABLE).set_key(Some(key("acme", "c-0")));
        let update = update.update_expression("SET #n = :v").expression_attribute_names("#n", name);
        update.expression_attribute_values(":v", value).send().await.unwrap();
    })
}

/// The header may be exchanged without the values that rely on it: what does not open any more gets no token.
#[tokio::test]
async fn an_item_whose_header_changes_meanwhile_is_read_again() {
    let world = world(&["acme"]).await;
    put(&acme(&old(&world)).dynamodb(), contact("acme", "c-0", [("email", s("ada@x.org"))])).await;
    let schema = attributes().lookup(Lookup::on("email", Form::EMAIL).building()).build().unwrap();
    let forged = aws_sdk_dynamodb::types::AttributeValue::B(b"no header".to_vec().into());
    let report = overtaken(&world, builder(&world, schema), move |db| set_attribute(db, "_seal", forged.clone())).await;
    let skipped: Vec<_> = report.skipped().map(|(reason, _)| reason).collect();
    assert_eq!((report.rewritten(), skipped), (0, vec![SkipReason::Unopened]));
    assert!(tokens(&stored(&world, "acme", "c-0").await).is_empty());
}

/// Whether an item has the lookup depends on its record type.
#[tokio::test]
async fn an_item_whose_record_type_changes_meanwhile_is_read_again() {
    let world = world(&["acme"]).await;
    let before = sealing(&world, attributes().plain("kind").build().unwrap());
    put(&acme(&before).dynamodb(), contact("acme", "c-0", [("email", s("ada@x.org")), ("kind", s("contact"))])).await;
    let report = overtaken(&world, two_types(&world), |db| set_attribute(db, "kind", s("ticket"))).await;
    assert_eq!((report.right(), report.rewritten()), (1, 0), "{report}");
    assert!(tokens(&stored(&world, "acme", "c-0").await).is_empty());
}

/// As a deletion and the sweep's write meet.
#[tokio::test]
async fn an_item_that_is_deleted_meanwhile_does_not_come_back() {
    let world = world(&["acme"]).await;
    let filled = contact("acme", "c-0", [("email", s("ada@x.org"))]);
    let with_email = attributes().lookup(Lookup::on("email", Form::EMAIL)).build().unwrap();
    put(&acme(&sealing(&world, with_email)).dynamodb(), filled).await;
    let schema = attributes().lookup(Lookup::on("email", Form::EMAIL).retired()).build().unwrap();
    let report = overtaken(&world, builder(&world, schema), |db| {
        Box::pin(async move {
            let delete = db.delete_item().table_name(TABLE).set_key(Some(key("acme", "c-0")));
            delete.send().await.unwrap();
        })
    });
    let report = report.await;
    assert_eq!((report.deleted(), report.rewritten()), (1, 0), "{report}");
    assert!(stored(&world, "acme", "c-0").await.is_empty());
}

/// The token of a value that is gone is taken away, unless a new value has come meanwhile.
#[tokio::test]
async fn a_value_that_comes_meanwhile_keeps_its_token() {
    let world = world(&["acme"]).await;
    let schema = || attributes().lookup(Lookup::on("email", Form::EMAIL).building()).build().unwrap();
    let writer = acme(&sealing(&world, schema()));
    let mut left = contact("acme", "c-0", []);
    left.insert("_seal_by_email".to_owned(), s("acme.of-a-value-that-is-gone"));
    put(&world.plain, left).await;
    let db = writer.dynamodb();
    let report =
        overtaken(&world, builder(&world, schema()), move |_| set_attribute(db.clone(), "email", s("ada@x.org")));
    let report = report.await;
    assert_eq!((report.right(), report.rewritten()), (1, 0), "{report}");
    let stored = stored(&world, "acme", "c-0").await;
    assert_eq!(tokens(&stored).len(), 1);
    assert_right(&writer, &stored).await;
}
