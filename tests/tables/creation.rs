//! The registry's table and the key table are created in one way: repeated, and waited for as long as AWS may take and no longer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use tenantseal::keys::{DynamoDbKeyTable, KeyTable, KeyTableError, KeyTableErrorKind};
use tenantseal_tenants::{DynamoDbRegistry, Registry, RegistryError};

use crate::common::key_table::RECOVERABLE;
use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{World, id};

const NAME: &str = "of-our-own";
/// How long AWS is given.
const PATIENCE: Duration = Duration::from_secs(300);
/// The same without the first pauses, which are shorter than a second.
const SLEPT: Duration = Duration::from_secs(298);

/// Who waits between two questions waits for nothing; what bounds a connection or a request (three seconds and more) does.
#[derive(Debug, Clone, Default)]
struct Hurry(Arc<Mutex<Duration>>);

impl Hurry {
    fn slept(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

impl AsyncSleep for Hurry {
    fn sleep(&self, duration: Duration) -> Sleep {
        if duration >= Duration::from_secs(3) {
            return Sleep::new(tokio::time::sleep(duration));
        }
        // What is shorter is the SDK's own, which looks at the speed of each answer, or one of the first pauses.
        if duration >= Duration::from_secs(1) {
            *self.0.lock().unwrap() += duration;
        }
        Sleep::new(tokio::task::yield_now())
    }
}

/// The two tables that the library has for itself.
enum Own {
    Registry(DynamoDbRegistry),
    Keys(DynamoDbKeyTable),
}

impl Own {
    fn both(config: &SdkConfig) -> [Self; 2] {
        [Self::Registry(DynamoDbRegistry::new(config, NAME)), Self::Keys(DynamoDbKeyTable::new(config, NAME))]
    }

    /// Creates the table as its owner is told to.
    async fn create(&self) -> Result<(), Failed> {
        match self {
            Self::Registry(table) => {
                table.create_table().await.map_err(Failed::Registry)?;
                table.enable_recovery().await.map_err(Failed::Registry)
            }
            Self::Keys(table) => {
                let failed = |error: KeyTableError| Failed::Keys(error.kind().clone(), text(&error));
                table.create_table().await.map_err(failed)?;
                table.enable_recovery().await.map_err(failed)
            }
        }
    }

    async fn is_usable(&self) {
        match self {
            Self::Registry(table) => assert_eq!(table.get(&id("acme")).await.unwrap(), None),
            Self::Keys(table) => assert_eq!(table.get("acme", "key#1").await.unwrap(), None),
        }
    }
}

#[derive(Debug)]
enum Failed {
    Registry(RegistryError),
    Keys(KeyTableErrorKind, String),
}

impl Failed {
    /// The table was not ready in time: named, and worth another try.
    fn is_late(&self) -> bool {
        match self {
            Self::Registry(error) => {
                error.is_retryable() && error.to_string().contains(NAME) && error.to_string().contains("300 s")
            }
            Self::Keys(kind, text) => *kind == KeyTableErrorKind::Unavailable && text.contains("300 s"),
        }
    }

    fn is_denied(&self) -> bool {
        match self {
            Self::Registry(RegistryError::Aws(error)) => {
                error.is_denied() && error.action() == "dynamodb:DescribeTable"
            }
            Self::Registry(_) => false,
            Self::Keys(kind, _) => *kind == KeyTableErrorKind::Denied,
        }
    }
}

/// An error with its causes.
fn text(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn refusal(code: &str) -> Reaction {
    Reaction::Answer(400, format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}}"#))
}

/// The server's own answer, with this status of the table.
fn status(status: &'static str) -> Reaction {
    Reaction::Alter(Box::new(move |answer| answer.replace("\"ACTIVE\"", &format!("\"{status}\""))))
}

/// The server of the local stack has no backups.
fn backups(sent: &Sent) -> Option<Reaction> {
    sent.operation.ends_with("ContinuousBackups").then(|| Reaction::Answer(200, RECOVERABLE.to_owned()))
}

/// Both tables on a stack of its own each, over an HTTP client that does what `script` says.
async fn each<F: Future<Output = ()>>(
    script: impl Fn(&Sent, usize) -> Reaction + Send + Sync + Clone + 'static,
    test: impl Fn(Own, Wire, Hurry) -> F,
) {
    for at in 0..2 {
        let world = World::start(&[]).await;
        let (wire, hurry) = (Wire::scripted(script.clone()), Hurry::default());
        let config = world.over(wire.clone()).into_builder().sleep_impl(hurry.clone()).build();
        let own = Own::both(&config).into_iter().nth(at).unwrap();
        let tested = tokio::time::timeout(Duration::from_secs(60), test(own, wire, hurry)).await;
        tested.expect("the wait has no end");
    }
}

#[tokio::test]
async fn a_new_table_is_waited_for_whatever_is_said_of_it_at_first() {
    let script = |sent: &Sent, before: usize| match (sent.operation.as_str(), before) {
        ("DescribeTable", 0..3) => refusal("ResourceNotFoundException"),
        ("DescribeTable", 3..5) => status("CREATING"),
        ("UpdateContinuousBackups", 0..4) => refusal("ContinuousBackupsUnavailableException"),
        ("UpdateContinuousBackups", 4) => refusal("TableNotFoundException"),
        _ => backups(sent).unwrap_or(Reaction::Forward),
    };
    each(script, |own, wire, hurry| async move {
        own.create().await.unwrap();
        own.is_usable().await;
        assert_eq!(wire.bodies("UpdateContinuousBackups").len(), 6);
        assert!(hurry.slept() < PATIENCE, "{:?}", hurry.slept());
        own.create().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_table_that_does_not_become_active_is_given_up_in_time() {
    let script = |sent: &Sent, _| match sent.operation.as_str() {
        "DescribeTable" => status("CREATING"),
        _ => backups(sent).unwrap_or(Reaction::Forward),
    };
    each(script, |own, _, hurry| async move {
        let error = own.create().await.unwrap_err();
        assert!(error.is_late(), "{error:?}");
        assert!(hurry.slept() >= SLEPT && hurry.slept() < PATIENCE + Duration::from_secs(30), "{:?}", hurry.slept());
    })
    .await;
}

#[tokio::test]
async fn backups_that_do_not_become_available_are_given_up_in_time() {
    let script = |sent: &Sent, _| match sent.operation.as_str() {
        "UpdateContinuousBackups" => refusal("ContinuousBackupsUnavailableException"),
        _ => Reaction::Forward,
    };
    each(script, |own, _, hurry| async move {
        let error = own.create().await.unwrap_err();
        assert!(error.is_late(), "{error:?}");
        assert!(hurry.slept() >= SLEPT, "{:?}", hurry.slept());
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_still_being_deleted_is_created_afterwards() {
    let script = |sent: &Sent, before: usize| match (sent.operation.as_str(), before) {
        ("CreateTable", 0) => refusal("ResourceInUseException"),
        ("DescribeTable", 0..3) => {
            let table = format!(r#"{{"Table": {{"TableName": "{NAME}", "TableStatus": "DELETING"}}}}"#);
            Reaction::Answer(200, table)
        }
        _ => backups(sent).unwrap_or(Reaction::Forward),
    };
    each(script, |own, _, _| async move {
        own.create().await.unwrap();
        own.is_usable().await;
    })
    .await;
}

#[tokio::test]
async fn who_may_not_describe_the_table_is_told_so_at_once() {
    let script = |sent: &Sent, _| match sent.operation.as_str() {
        "DescribeTable" => refusal("AccessDeniedException"),
        _ => backups(sent).unwrap_or(Reaction::Forward),
    };
    each(script, |own, _, hurry| async move {
        let error = own.create().await.unwrap_err();
        assert!(error.is_denied(), "{error:?}");
        assert_eq!(hurry.slept(), Duration::ZERO);
    })
    .await;
}

#[tokio::test]
async fn recovery_of_a_table_that_does_not_exist_is_not_waited_for() {
    let world = World::start(&[]).await;
    let wire = Wire::scripted(|sent, _| match sent.operation.as_str() {
        "UpdateContinuousBackups" => refusal("TableNotFoundException"),
        _ => Reaction::Forward,
    });
    let hurry = Hurry::default();
    let config = world.over(wire).into_builder().sleep_impl(hurry.clone()).build();
    let error = DynamoDbRegistry::new(&config, "nowhere").enable_recovery().await.unwrap_err();
    assert!(matches!(&error, RegistryError::TableNotFound(table) if table == "nowhere"), "{error}");
    assert_eq!(hurry.slept(), Duration::ZERO);
}

/// Answers nothing before this time has passed, and then what the script says.
#[derive(Debug, Clone)]
struct Slowly(Wire, Duration);

impl HttpClient for Slowly {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(SlowConnector(self.0.http_connector(settings, components), self.1))
    }
}

#[derive(Debug)]
struct SlowConnector(SharedHttpConnector, Duration);

impl HttpConnector for SlowConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, delay) = (self.0.call(request), self.1);
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(delay).await;
            answer.await
        })
    }
}

/// What answers slowly is waited for no longer than what answers at once, however seldom it can be asked.
#[tokio::test]
async fn the_time_that_slow_answers_take_counts_towards_the_end_of_the_wait() {
    // Less than an attempt may take.
    const DELAY: Duration = Duration::from_secs(4);
    let active = format!(
        r#"{{"Table": {{"TableName": "{NAME}", "TableStatus": "ACTIVE",
        "AttributeDefinitions": [{{"AttributeName": "tenant", "AttributeType": "S"}}, {{"AttributeName": "entry", "AttributeType": "S"}}],
        "KeySchema": [{{"AttributeName": "tenant", "KeyType": "HASH"}}, {{"AttributeName": "entry", "KeyType": "RANGE"}}]}}}}"#
    );
    for (waits_for, described) in [("CreateTable", active.replace("ACTIVE", "CREATING")), ("backups", active)] {
        for at in 0..2 {
            let world = World::start(&[]).await;
            let described = described.clone();
            let wire = Wire::scripted(move |sent, _| match sent.operation.as_str() {
                "DescribeTable" => Reaction::Answer(200, described.clone()),
                _ => refusal("ContinuousBackupsUnavailableException"),
            });
            let config = world.over(Slowly(wire.clone(), DELAY));
            let own = Own::both(&config).into_iter().nth(at).unwrap();
            tokio::time::pause();
            let begun = tokio::time::Instant::now();
            let error = own.create().await.unwrap_err();
            let waited = begun.elapsed();
            tokio::time::resume();
            assert!(error.is_late(), "{waits_for}: {error:?}");
            assert!(waited >= PATIENCE && waited < PATIENCE + 4 * DELAY, "{waits_for}: {waited:?}");
            assert!(wire.sent().len() > 50, "{waits_for}: it was asked {} times", wire.sent().len());
        }
    }
}
