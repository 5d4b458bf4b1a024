//! `sweep`: here, planned, by workers that a scheduler starts, and judged by exit codes.

use std::process::Output;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::schema::{Lock, TableSchema};
use tenantseal::{Item, TenantId, TenantSeal};

use crate::world::{ROLE, World};

const LEDGER: &str = "ledger";

fn schema() -> TableSchema {
    let crm = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    crm.plain("company").encrypt("email").build().unwrap()
}

fn contact(tenant: &str, number: usize) -> Item {
    let values =
        [("tenant_id", tenant.to_owned()), ("contact_id", format!("c-{number}")), ("email", "ada@x.org".into())];
    values.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
}

/// Ten sealed contacts of each tenant.
async fn world() -> World {
    let world = World::start().await;
    world.create_crm_table().await;
    DynamoDbKeyTable::new(&world.operator, LEDGER).create_table().await.unwrap();
    std::fs::write(world.path().join("tenantseal.lock.json"), Lock::of([&schema()]).unwrap().to_string()).unwrap();
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema()).build(&world.service).unwrap();
    for tenant in ["acme", "globex"] {
        let db = seal.tenant(&TenantId::parse(tenant).unwrap()).dynamodb();
        for number in 0..10 {
            db.put_item().table_name("crm").set_item(Some(contact(tenant, number))).send().await.unwrap();
        }
    }
    world
}

async fn plant(world: &World, item: Item) {
    let plain = aws_sdk_dynamodb::Client::new(&world.service);
    plain.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
}

const TABLE: [&str; 3] = ["--table", "crm", "--danger-without-recovery"];

async fn sweep(world: &World, arguments: &[&str]) -> Output {
    let profiles = ["--profile", "operator", "--service-profile", "service"];
    world.run(&[&["sweep"], arguments, &profiles].concat()).await
}

async fn with_ledger(world: &World, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = sweep(world, &[arguments, &["--ledger", LEDGER, "--json"]].concat()).await;
    let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (output.status.code(), serde_json::from_slice(text).unwrap_or_else(|_| panic!("{output:?}")))
}

#[tokio::test]
async fn a_sweep_here_needs_no_ledger_unless_it_seals() {
    let world = world().await;
    let counted = sweep(&world, &[&["count"], &TABLE[..]].concat()).await;
    let text = String::from_utf8(counted.stdout).unwrap();
    assert!(counted.status.success() && text.starts_with("count of crm: 20 items read, 20 right."), "{text}");
    let row = text.lines().find(|line| line.starts_with("email")).unwrap();
    assert!(row.contains("sealed, form 11") && row.ends_with("20"), "{text}");

    plant(&world, contact("acme", 99)).await;
    let verified = sweep(&world, &[&["verify"], &TABLE[..]].concat()).await;
    let text = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(verified.status.code(), Some(1), "{text}");
    assert!(text.contains("1 skipped that do not open") && !text.contains("c-99"), "{text}");
    let of_globex = sweep(&world, &[&["verify", "--tenant", "globex"], &TABLE[..]].concat()).await;
    assert!(of_globex.status.success());

    let refused = sweep(&world, &[&["reseal"], &TABLE[..]].concat()).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && text.contains("give --ledger"), "{text}");
}

#[tokio::test]
async fn a_planned_sweep_is_run_by_workers_and_judged_by_its_report() {
    let world = world().await;
    plant(&world, contact("acme", 99)).await;
    let plan = [&["plan", "verify", "--workers", "2", "--page-items", "2"], &TABLE[..]].concat();
    let (code, planned) = with_ledger(&world, &plan).await;
    let id = planned["sweep"].as_str().unwrap();
    assert!(code == Some(0) && id.contains("-verify-crm-"), "{planned}");
    assert_eq!(with_ledger(&world, &["report", id]).await.0, Some(1), "nothing is read yet");

    assert_eq!(with_ledger(&world, &["stop", id]).await.0, Some(0));
    assert_eq!(with_ledger(&world, &["run", id, "--index", "0"]).await.0, Some(5), "it was stopped");
    assert_eq!(with_ledger(&world, &["resume", id]).await.0, Some(0));
    let workers = [["run", id, "--index", "0"], ["run", id, "--index", "1"]];
    let (first, second) = tokio::join!(with_ledger(&world, &workers[0]), with_ledger(&world, &workers[1]));
    let mut codes = [first.0, second.0];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)], "one of them has met what does not open: {first:?} {second:?}");
    assert_eq!(with_ledger(&world, &["status", id]).await.0, Some(0));

    let out = world.path().join("swept");
    let (code, report) = with_ledger(&world, &["report", id, "--out", out.to_str().unwrap()]).await;
    assert_eq!((code, &report["tally"]["items"], &report["done"]), (Some(1), &21.into(), &8.into()), "{report}");
    let written = std::fs::read_to_string(out.with_extension("md")).unwrap();
    assert!(written.contains("1 items that do not open") && written.contains("c-99"), "{written}");
    assert!(!written.contains("ada@x.org"), "no values");
    let written: Value = serde_json::from_slice(&std::fs::read(out.with_extension("json")).unwrap()).unwrap();
    assert_eq!(written, report);
    let (code, _) = with_ledger(&world, &["run", "20260101-verify-crm-00000000"]).await;
    assert_eq!(code, Some(6));
}

#[tokio::test]
async fn one_sweep_at_a_time_writes_a_table_and_another_is_told_what_to_do() {
    let world = world().await;
    let (_, planned) = with_ledger(&world, &[&["plan", "reseal"], &TABLE[..]].concat()).await;
    let id = planned["sweep"].as_str().unwrap();
    let refused = sweep(&world, &[&["reseal", "--ledger", LEDGER], &TABLE[..]].concat()).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(3) && text.contains(&format!("tenantseal sweep stop {id}")), "{text}");
    let (code, done) = with_ledger(&world, &["run", id]).await;
    assert_eq!(code, Some(0), "{done}");
    let (code, report) = with_ledger(&world, &["report", id]).await;
    assert_eq!((code, &report["tally"]["rewritten"]), (Some(0), &20.into()));
    assert_eq!(with_ledger(&world, &[&["verify"], &TABLE[..]].concat()).await.0, Some(0));
}

/// The tenants' way from the guide: open, seal, sweep, close.
#[tokio::test]
async fn migrate_waits_for_the_fence_and_then_the_adoption_is_closed() {
    let world = world().await;
    plant(&world, contact("acme", 99)).await;
    let profiles = ["--profile", "operator", "--service-profile", "service", "--ledger", LEDGER, "--yes"];
    for (step, named) in [("open", &["--attribute", "email"][..]), ("seal", &[])] {
        let arguments = ["migrate", step, "--table", "crm", "--tenant", "acme"];
        assert!(world.run(&[&arguments[..], named, &profiles].concat()).await.status.success());
    }
    // A dry run does not wait, and proves nothing.
    let migrate = [&["migrate", "--tenant", "acme"], &TABLE[..]].concat();
    let (code, report) = with_ledger(&world, &[&migrate[..], &["--dry-run"]].concat()).await;
    assert_eq!((code, &report["tally"]["rewritten"], &report["tally"]["items"]), (Some(0), &1.into(), &11.into()));
    let (code, refused) = with_ledger(&world, &[&["migrate", "--tenant", "globex"], &TABLE[..]].concat()).await;
    assert_eq!(code, Some(3), "{refused}");
    let (code, unnamed) = with_ledger(&world, &[&["migrate"], &TABLE[..]].concat()).await;
    assert_eq!(code, Some(2), "{unnamed}");
}
