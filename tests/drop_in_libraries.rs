//! A mapper from the registry and a program written for the plain SDK, unchanged on a tenant's client: the applications of
//! `examples/modyne` and `examples/migrate_existing`, once on the SDK's client and once on a tenant's.

#[path = "../examples/migrate_existing/after.rs"]
mod after;
#[path = "../examples/migrate_existing/before.rs"]
mod before;
#[path = "../examples/modyne/crm.rs"]
mod crm;
#[path = "../examples/migrate_existing/program.rs"]
mod program;
#[path = "../examples/shared/stored.rs"]
#[allow(dead_code, reason = "the examples print more than a test")]
mod stored;

use std::error::Error;

use self::stored::{Stored, compare, secrets, stored};
use crate::common::tap::find;
use crate::common::{ROLE, Taps, World, id, sealing_error};
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use tenantseal::TenantSeal;
use tenantseal::schema::TableSchema;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// An application, run on one client in an empty table.
struct Run {
    printed: String,
    stored: Stored,
    key_calls: u64,
    taps: Taps,
}

impl Run {
    async fn of(
        application: impl AsyncFnOnce(Client) -> Result<String>,
        client: impl FnOnce(&SdkConfig) -> Result<Client>,
        world: &World,
        schemas: &[TableSchema],
    ) -> Self {
        let table = schemas[0].name();
        let _ = world.plain.delete_table().table_name(table).send().await;
        world.stack.calls().reset();
        let (taps, config) = world.tapped().await;
        let printed = application(client(&config).unwrap()).await.unwrap();
        let key_calls = world.key_calls();
        let stored = stored(&world.plain, schemas).await.unwrap();
        Self { printed, stored, key_calls, taps }
    }

    /// The first of these texts that crossed the wire to DynamoDB or back, in whatever form.
    fn shows<'a>(&self, texts: impl IntoIterator<Item = &'a String>) -> Option<&'a String> {
        let (sent, answered) = (self.taps.dynamodb.sent(), self.taps.dynamodb.answered());
        texts.into_iter().find(|text| find(&sent, text).is_some() || find(&answered, text).is_some())
    }
}

/// What the README says: the same answers, nothing sensitive outside the process, and keys only where something is sealed.
fn assert_dropped_in(schemas: &[TableSchema], plain: &Run, sealed: &Run) {
    assert!(plain.printed.lines().count() > 10, "{}", plain.printed);
    assert_eq!(plain.printed, sealed.printed);

    let secrets = secrets(schemas, &plain.stored);
    assert!(secrets.len() > 5, "{secrets:?}");
    for secret in &secrets {
        assert_eq!(plain.shows([secret]), Some(secret), "the search does not find what is there");
    }
    assert_eq!(sealed.shows(&secrets), None);
    assert!(compare(schemas, &plain.stored, &sealed.stored).unwrap() > 10);
    assert!(compare(schemas, &plain.stored, &plain.stored).is_err());

    assert_eq!((plain.key_calls, plain.taps.kms.requests(), plain.taps.sts.requests()), (0, 0, 0));
    assert_eq!((sealed.key_calls, sealed.taps.kms.requests(), sealed.taps.sts.requests()), (2, 1, 1));
}

#[tokio::test]
async fn a_program_written_for_the_plain_sdk_runs_unchanged() {
    let world = World::start(&["acme"]).await;
    let schemas = [after::schema().unwrap()];
    let program = async |dynamodb| program::run(&dynamodb).await;
    let plain = Run::of(program, before::client, &world, &schemas).await;
    let sealed = Run::of(program, after::client, &world, &schemas).await;
    assert_dropped_in(&schemas, &plain, &sealed);
}

#[tokio::test]
async fn modyne_runs_unchanged() {
    let world = World::start(&["acme"]).await;
    let schemas = crm::schemas().unwrap();
    let application = async |dynamodb| crm::run(&crm::Crm(dynamodb)).await;
    let tenants = |config: &SdkConfig| {
        let seal = TenantSeal::builder().assume_role(ROLE);
        let seal = seal.record::<crm::Stored<crm::Contact>>().record::<crm::Stored<crm::Note>>().build(config)?;
        Ok(seal.tenant(&id("acme")).dynamodb())
    };
    let plain = Run::of(application, |config| Ok(Client::new(config)), &world, &schemas).await;
    let sealed = Run::of(application, tenants, &world, &schemas).await;
    assert_dropped_in(&schemas, &plain, &sealed);
}

#[tokio::test]
async fn items_from_before_do_not_open_until_they_are_put_again() {
    let world = World::start(&["acme"]).await;
    let schemas = [after::schema().unwrap()];
    let program = async |dynamodb| program::run(&dynamodb).await;
    let before = Run::of(program, before::client, &world, &schemas).await.stored;
    let dynamodb = after::client(&world.app).unwrap();

    let scanned = dynamodb.scan().table_name("tickets").send().await;
    assert!(sealing_error(scanned).is_integrity());
    for item in before.values() {
        dynamodb.put_item().table_name("tickets").set_item(Some(item.clone())).send().await.unwrap();
    }
    compare(&schemas, &before, &stored(&world.plain, &schemas).await.unwrap()).unwrap();
    assert_eq!(stored(&dynamodb, &schemas).await.unwrap(), before);
}
