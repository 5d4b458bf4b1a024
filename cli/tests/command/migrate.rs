//! `migrate`: an adoption from its first step to its last, and what each step refuses.

use std::process::Output;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::schema::{Lock, TableSchema};
use tenantseal::{Item, Tenant, TenantId, TenantSeal};

use crate::world::{ROLE, World};

const LEDGER: &str = "ledger";

fn schema() -> TableSchema {
    let crm = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    crm.plain("company").encrypt("email").encrypt("notes").build().unwrap()
}

fn item(tenant: &str) -> Item {
    let values = [("tenant_id", tenant), ("contact_id", "c-1"), ("email", "ada@secret.example"), ("notes", "met")];
    values.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

/// A service that adopts the table.
fn tenant(world: &World, tenant: &str) -> Tenant {
    let ledger = DynamoDbKeyTable::new(&world.service, LEDGER);
    let builder = TenantSeal::builder().assume_role(ROLE).table(schema()).ledger(ledger);
    let seal = builder.adopt("crm", ["email", "notes"]).build(&world.service).unwrap();
    seal.tenant(&TenantId::parse(tenant).unwrap())
}

async fn world() -> World {
    let world = World::start().await;
    world.create_crm_table().await;
    DynamoDbKeyTable::new(&world.operator, LEDGER).create_table().await.unwrap();
    let lock = Lock::of([&schema()]).unwrap().to_string();
    std::fs::write(world.path().join("tenantseal.lock.json"), lock).unwrap();
    world
}

async fn migrate(world: &World, step: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["migrate", step, "--table", "crm", "--ledger", LEDGER];
    all.extend(["--profile", "operator", "--service-profile", "service"]);
    all.extend(arguments);
    world.run(&all).await
}

/// The answers, one a tenant.
async fn told(world: &World, step: &str, arguments: &[&str]) -> Vec<Value> {
    let output = migrate(world, step, &[arguments, &["--json", "--yes"]].concat()).await;
    assert!(output.status.success(), "{step}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_adoption_goes_from_open_to_sealed_and_back() {
    let world = world().await;
    for (step, tenants, stage) in [
        ("status", &["--all"][..], "none"),
        ("open", &["--all", "--attribute", "email", "--attribute", "notes"], "plain"),
        ("seal", &["--tenant", "acme"], "sealing"),
        ("back", &["--tenant", "acme"], "plain"),
        ("seal", &["--tenant", "acme"], "sealing"),
    ] {
        let told = told(&world, step, tenants).await;
        assert_eq!(told.len(), if tenants[0] == "--all" { 2 } else { 1 }, "{step}");
        for tenant in told {
            assert_eq!((&tenant["stage"], &tenant["may_close"]), (&stage.into(), &false.into()), "{step}: {tenant}");
        }
        let reads = tenant(&world, "acme").open("crm", item("acme")).await;
        assert_eq!(reads.is_ok(), step != "status", "{step}");
    }
    let globex = &told(&world, "status", &["--tenant", "globex"]).await[0];
    assert_eq!((&globex["stage"], &globex["attributes"]), (&"plain".into(), &serde_json::json!(["email", "notes"])));
    let refused = migrate(&world, "close", &["--tenant", "acme"]).await;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("no sealing pass has ended") && text.contains("tenantseal sweep migrate"), "{text}");
}

#[tokio::test]
async fn steps_say_what_they_would_do_and_ask_before_they_cannot_be_undone() {
    let world = world().await;
    let dry =
        migrate(&world, "open", &["--tenant", "acme", "--attribute", "email", "--attribute", "notes", "--dry-run"])
            .await;
    assert_eq!(String::from_utf8(dry.stdout).unwrap(), "would let email, notes be plaintext for acme in crm\n");
    assert_eq!(told(&world, "status", &["--tenant", "acme"]).await[0]["stage"], "none");
    told(&world, "open", &["--tenant", "acme", "--attribute", "email", "--days", "7"]).await;
    let status = &told(&world, "status", &["--tenant", "acme"]).await[0];
    assert_eq!(status["attributes"], serde_json::json!(["email"]));
    assert_eq!(status["expires"].as_u64().unwrap() - status["issued"].as_u64().unwrap(), 7 * 86_400);
    // Without a terminal there is nobody to confirm it.
    let asked = migrate(&world, "seal", &["--tenant", "acme"]).await;
    assert_eq!(asked.status.code(), Some(3), "{asked:?}");
    assert_eq!(told(&world, "status", &["--tenant", "acme"]).await[0]["stage"], "plain");
    for (arguments, text) in [
        (&["--attribute", "company", "--tenant", "acme"][..], "no record encrypts `company`"),
        (&["--tenant", "acme", "--days", "91"], "91"),
        (&["--tenant", "acme"], "which attributes are adopted?"),
        (&[], "--all"),
    ] {
        let refused = migrate(&world, "open", arguments).await;
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains(text), "{text}");
    }
    let no_ledger = ["migrate", "status", "--table", "crm", "--tenant", "acme", "--profile", "operator"];
    let no_ledger = world.run(&no_ledger).await;
    assert!(String::from_utf8(no_ledger.stderr).unwrap().contains("give --ledger"), "{:?}", no_ledger.status);
}
