//! Every request of the typed repository with a canary in every sensitive field, when it succeeds and when it fails.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};
use tenantseal::records::attribute;
use tenantseal::{Error, Tenant};

use crate::common::wire::Reaction;
use crate::common::{Contact, key, s};
use crate::scene::{Scene, handled, service_error};

/// Encrypts `note`, and has a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, tenantseal::Record)]
#[seal(table = "parties", discriminator = "kind", value = "person")]
pub(crate) struct Person {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    note: String,
    #[seal(encrypt)]
    secrets: HashMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<String>,
    #[seal(version)]
    version: u64,
}

/// Stores `note` as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, tenantseal::Record)]
#[seal(table = "parties", discriminator = "kind", value = "firm")]
pub(crate) struct Firm {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    note: String,
}

/// Told from others by its key.
#[derive(Debug, Serialize, Deserialize, tenantseal::Record)]
#[seal(table = "lines", discriminator = "contact_id", value = "LINE#")]
pub(crate) struct Line {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    text: String,
}

impl Person {
    /// Never stored before.
    pub(crate) fn of(secret: &str) -> Self {
        let secrets = HashMap::from([(secret.to_owned(), secret.to_owned())]);
        let (tenant_id, contact_id) = ("acme".to_owned(), "p-1".to_owned());
        Self { tenant_id, contact_id, note: secret.to_owned(), secrets, company: None, version: 0 }
    }
}

/// The requests of the repository, in the words of its sources: what `Records` has.
fn requests() -> BTreeSet<String> {
    let mut paths = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/records")];
    let mut requests = BTreeSet::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = fs::read_to_string(path).unwrap();
        let mut is_theirs = false;
        for line in source.lines() {
            match line.strip_prefix("    pub ") {
                _ if line.starts_with("impl") => is_theirs = line.ends_with(" Records<T> {"),
                Some(declared) if is_theirs => {
                    let name = declared.strip_prefix("async ").unwrap_or(declared).strip_prefix("fn ");
                    requests.extend(name.map(|name| name.split(['<', '(']).next().unwrap().to_owned()));
                }
                _ => {}
            }
        }
    }
    // Contacts have no lookup; lookups.rs has the scenarios of those that have.
    assert!(requests.remove("find_by"));
    requests
}

/// Makes one request about `contact`. Gives what came back, and adds what its `Debug` shows to `shown`.
async fn ask(request: &str, acme: &Tenant, contact: &Contact, shown: &mut String) -> Result<Vec<Contact>, Error> {
    let records = acme.records::<Contact>();
    let mut show = |debug: &dyn std::fmt::Debug| shown.push_str(&format!("{debug:?} {debug:#?}\n"));
    show(&records);
    Ok(match request {
        "put" => {
            let put = records.put(contact).condition(attribute("company").not_equals("x")).returning_old();
            show(&put);
            put.await?;
            vec![records.put(contact).returning_new().await?]
        }
        "get" => Vec::from_iter(records.get("c-1").consistent().await?),
        "take" => Vec::from_iter(records.take("c-1").await?),
        "delete" => {
            let delete = records.delete("c-1").condition(attribute("company").not_equals("x"));
            show(&delete);
            delete.await.map(|()| Vec::new())?
        }
        "update" => {
            let update = records.update("c-1").set("email", &contact.email).set_if_not_exists("notes", &contact.notes);
            let update = update.set("api_keys", &contact.api_keys).set("company", &contact.company).returning_new();
            show(&update);
            vec![update.await?]
        }
        "check" => {
            let transaction = acme.transact_write().with(records.put(contact)).with(records.delete("c-3"));
            let update = records.update("c-2").set("email", &contact.email).set("api_keys", &contact.api_keys);
            let update = update.set("company", &contact.company).upsert();
            let transaction = transaction.with(update).with(records.check("c-4", attribute("email").not_exists()));
            show(&transaction);
            transaction.await?;
            let read = acme.transact_get((records.get("c-1"), records.get("c-9")));
            show(&read);
            Vec::from_iter(read.await?.0)
        }
        "put_many" => {
            let put = records.put_many([contact]);
            show(&put);
            put.await.map(|()| Vec::new())?
        }
        "delete_many" => records.delete_many(["c-1", "c-9"]).await.map(|()| Vec::new())?,
        "get_many" => records.get_many(["c-1", "c-9"]).await?.into_iter().flatten().collect(),
        "query" => {
            let query = records.query().begins_with("c-1").filter(attribute("company").not_equals("x"));
            show(&query);
            query.stream().try_collect().await?
        }
        "scan" => {
            let scan = records.scan().filter(attribute("contact_id").equals("c-1"));
            show(&scan);
            scan.stream().try_collect().await?
        }
        "seal" => vec![records.open(records.seal(contact).await?).await?],
        "open" => {
            let stored = acme.seal("crm", crate::common::item(contact)).await?;
            vec![records.open(stored).await?]
        }
        unknown => panic!("{unknown} has no scenario"),
    })
}

#[tokio::test]
async fn no_request_of_the_repository_shows_a_canary_when_it_succeeds_or_fails() {
    let mut scene = Scene::set().await;
    let contact = scene.contact();
    let acme = scene.cold("acme");
    let mut shown = String::new();
    for request in requests() {
        let request = request.as_str();
        acme.records::<Contact>().put(&contact).await.unwrap();
        for tenant in [&acme, &scene.cold("acme")] {
            for found in ask(request, tenant, &contact, &mut shown).await.unwrap() {
                assert_eq!(found, contact, "{request}");
            }
        }
        acme.records::<Contact>().put(&contact).await.unwrap();
        if matches!(request, "seal" | "open") {
            continue;
        }
        for (status, code) in [
            (400, "ValidationException"),
            (400, "ConditionalCheckFailedException"),
            (400, "ProvisionedThroughputExceededException"),
            (500, "InternalServerError"),
        ] {
            handled().iter().for_each(|name| scene.react(name, move || Reaction::Answer(status, service_error(code))));
            let result = ask(request, &acme, &contact, &mut shown).await;
            scene.fails(&format!("{request}: {code}"), result);
            scene.behave();
        }
        for fault in [|| Reaction::Break, || Reaction::Answer(200, "<html>".to_owned())] {
            handled().iter().for_each(|name| scene.react(name, fault));
            scene.fails(&format!("{request}: no answer"), ask(request, &acme, &contact, &mut shown).await);
            scene.behave();
        }
        scene.world.stack.faults().on("GenerateDataKey").fail("AccessDeniedException", 400);
        scene.world.stack.faults().on("Decrypt").fail("AccessDeniedException", 400);
        if !matches!(request, "delete" | "delete_many") {
            let result = ask(request, &scene.cold("acme"), &contact, &mut shown).await;
            scene.fails(&format!("{request}: without a key"), result);
        }
        scene.behave();
    }
    scene.shows("Debug of the requests", shown);
    scene.assert_unseen();
}

#[tokio::test]
async fn no_conflict_shows_a_canary() {
    let mut scene = Scene::set().await;
    let acme = scene.cold("acme");
    let (people, contacts) = (acme.records::<Person>(), acme.records::<Contact>());
    let (person, contact) = (Person::of(&scene.canaries[0]), scene.contact());
    let stored = people.put(&person).returning_new().await.unwrap();
    assert_eq!(stored, Person { version: 1, ..person.clone() });
    contacts.put(&contact).await.unwrap();

    let all = ReturnValuesOnConditionCheckFailure::AllOld;
    scene.fails("put: a conflict", people.put(&person).await);
    let shown = all.clone();
    let put = people.put(&person).customize(move |put| put.return_values_on_condition_check_failure(shown));
    scene.fails("put: a conflict that shows the item", put.await);
    scene.fails("update: a conflict", people.update("p-1").set("note", &person.note).expect_version(9).await);
    scene.fails("delete: a conflict", people.delete("p-1").expect_version(9).await);
    let condition = || attribute("email").not_exists();
    let shown = all.clone();
    let put = contacts.put(&contact).condition(condition());
    let put = put.customize(move |put| put.return_values_on_condition_check_failure(shown));
    scene.fails("put: a condition that shows the item", put.await);
    let shown = all.clone();
    let update = contacts.update("c-1").set("email", &contact.email).condition(condition());
    let update = update.customize(move |update| update.return_values_on_condition_check_failure(shown));
    scene.fails("update: a condition that shows the item", update.await);
    let shown = all.clone();
    let delete = contacts.delete("c-1").condition(condition());
    let delete = delete.customize(move |delete| delete.return_values_on_condition_check_failure(shown));
    scene.fails("delete: a condition that shows the item", delete.await);
    let put = contacts.put(&contact).condition(condition());
    let put = put.customize(move |put| put.return_values_on_condition_check_failure(all));
    let cancelled = acme.transact_write().with(people.put(&person)).with(put).await;
    scene.fails("a transaction: a conflict, and a condition that shows the item", cancelled);
    for code in ["TransactionConflict", "ThrottlingError", "ItemCollectionSizeLimitExceeded"] {
        let exception = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        let answer = format!(r#"{{"__type":"{exception}","CancellationReasons":[{{"Code":"{code}"}}]}}"#);
        scene.react("TransactWriteItems", move || Reaction::Answer(400, answer.clone()));
        scene.fails(code, acme.transact_write().with(contacts.put(&contact)).await);
        scene.behave();
    }
    scene.assert_covered(include_str!("../../src/error/writes.rs"), "Reason", &[]);
    scene.assert_unseen();
}

/// DynamoDB's part is played by someone who answers that nothing was processed.
#[tokio::test]
async fn no_batch_that_is_never_processed_shows_a_canary() {
    let mut scene = Scene::set().await;
    let contact = scene.contact();
    let acme = scene.cold("acme");
    let contacts = acme.records::<Contact>();
    contacts.put(&contact).await.unwrap();
    let stored = scene.world.stored("acme", "c-1").await;
    let b = |name: &str| aws_smithy_types::base64::encode(stored[name].as_b().unwrap());
    let own = r#""tenant_id":{"S":"acme"},"contact_id":{"S":"c-1"}"#;
    let item = format!(r#"{{{own},"email":{{"B":"{}"}},"_seal":{{"B":"{}"}}}}"#, b("email"), b("_seal"));
    let writes = format!(r#"{{"UnprocessedItems":{{"crm":[{{"PutRequest":{{"Item":{item}}}}}]}}}}"#);
    let reads = format!(r#"{{"Responses":{{}},"UnprocessedKeys":{{"crm":{{"Keys":[{{{own}}}]}}}}}}"#);
    scene.react("BatchWriteItem", move || Reaction::Answer(200, writes.clone()));
    scene.react("BatchGetItem", move || Reaction::Answer(200, reads.clone()));
    tokio::time::pause();
    scene.fails("unprocessed puts", contacts.put_many([&contact]).await);
    scene.fails("unprocessed keys", contacts.get_many(["c-1"]).await);
    scene.assert_unseen();
}

/// What someone who writes to the table makes of an item that says of which type it is.
#[tokio::test]
async fn no_item_with_a_forged_discriminator_shows_a_canary() {
    let mut scene = Scene::set().await;
    let acme = scene.cold("acme");
    let people = acme.records::<Person>();
    let person = Person::of(&scene.canaries[0]);
    people.put(&person).await.unwrap();
    let plain = scene.world.plain.clone();
    let get = plain.get_item().table_name("parties").set_key(Some(key("acme", "p-1")));
    let stored = get.send().await.unwrap().item.unwrap();
    for kind in [Some(s("firm")), Some(s("other")), Some(AttributeValue::B(Blob::new("person"))), None] {
        let mut forged = stored.clone();
        forged.remove("kind");
        forged.extend(kind.map(|kind| ("kind".to_owned(), kind)));
        plain.put_item().table_name("parties").set_item(Some(forged.clone())).send().await.unwrap();
        scene.fails("forged: get", people.get("p-1").await);
        scene.fails("forged: get of the other type", acme.records::<Firm>().get("p-1").await);
        scene.fails("forged: open", people.open(forged).await);
    }
    scene.assert_unseen();
}
