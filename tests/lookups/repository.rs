//! The typed repository finds records by encrypted attributes.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tenantseal::audit::{AuditSink, DataKeyUse, Purpose};
use tenantseal::error::{Error, Refusal};
use tenantseal::records::{Records, any_of, attribute, begins};
use tenantseal::{Record, Tenant, TenantSeal, TenantSealBuilder};

use super::scene::{TABLE, stored, tokens, world};
use crate::common::key_table::key_table;
use crate::common::wire::{Reaction, Wire};
use crate::common::{ROLE, World, id};

/// Hears of the uses of lookup keys.
struct Trail(Arc<Mutex<Vec<String>>>);

impl AuditSink for Trail {
    fn record(&self, used: &DataKeyUse<'_>) {
        if used.purpose == Purpose::Lookup {
            self.0.lock().unwrap().push(format!("{}: {}", used.table, used.operation));
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", lookup(name = "person", part(last_name, alphanumeric), part(born), index = "by-person"))]
pub(super) struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    status: String,
    #[seal(encrypt, lookup(email, index = "by-email"))]
    email: String,
    #[seal(encrypt, lookup(digits, tenant_index = "by-phone"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[seal(
        encrypt,
        lookup(alphanumeric, bits = 6),
        lookup(alphanumeric, prefix = 2, bits = 4, index = "by-name-2"),
        lookup(alphanumeric, prefix = 4, bits = 8, index = "by-name-4")
    )]
    last_name: String,
    #[seal(encrypt)]
    born: String,
    #[seal(encrypt, lookup(each, bits = 12))]
    tags: Vec<String>,
}

pub(super) fn contact(id: &str, email: &str, phone: Option<&str>, last_name: &str, born: &str) -> Contact {
    Contact {
        tenant_id: "acme".to_owned(),
        contact_id: id.to_owned(),
        status: "open".to_owned(),
        email: email.to_owned(),
        phone: phone.map(str::to_owned),
        last_name: last_name.to_owned(),
        born: born.to_owned(),
        tags: vec!["vip".to_owned(), id.to_owned()],
    }
}

pub(super) fn builder(world: &World) -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).record::<Contact>()
}

pub(super) fn acme(world: &World) -> Tenant {
    builder(world).build(&world.app).unwrap().tenant(&id("acme"))
}

pub(super) async fn people() -> (World, Tenant, Records<Contact>) {
    let world = world(&["acme"]).await;
    let acme = acme(&world);
    let contacts = acme.records::<Contact>();
    for person in [
        contact("c-1", "ada@x.org", Some("+49 30 1"), "Lovelace", "1815"),
        contact("c-2", "Eve@x.org", None, "Lovely", "1900"),
        contact("c-3", "ADA@x.org", Some("2"), "Li", "1815"),
    ] {
        contacts.put(&person).await.unwrap();
    }
    (world, acme, contacts)
}

pub(super) fn ids(mut found: Vec<Contact>) -> Vec<String> {
    found.sort_by(|one, other| one.contact_id.cmp(&other.contact_id));
    found.into_iter().map(|contact| contact.contact_id).collect()
}

#[tokio::test]
async fn a_record_is_found_by_what_nobody_else_can_read() {
    let (_world, _, contacts) = people().await;
    let eve = contacts.find_by("email", "eve@X.org").one().await.unwrap().unwrap();
    assert_eq!(eve, contact("c-2", "Eve@x.org", None, "Lovely", "1900"));
    assert_eq!(contacts.find_by("email", "bob@x.org").one().await.unwrap(), None);
    let several = contacts.find_by("email", "ada@x.org").one().await.unwrap_err();
    assert!(matches!(&several, Error::Several { lookup, .. } if lookup == "email"), "{several}");
    assert_eq!(ids(contacts.find_by("email", "ada@x.org").all().await.unwrap()), ["c-1", "c-3"]);
    assert_eq!(contacts.find_by("email", "ada@x.org").limit(1).all().await.unwrap().len(), 1);
    assert_eq!(ids(contacts.find_by("phone", "49301").all().await.unwrap()), ["c-1"]);
    assert_eq!(ids(contacts.find_by("phone", Some("49301")).all().await.unwrap()), ["c-1"]);
    assert_eq!(ids(contacts.find_by("person", ("LOVELACE", "1815")).all().await.unwrap()), ["c-1"]);
    assert!(contacts.find_by("person", ("Lovelace", "1900")).all().await.unwrap().is_empty());
}

#[tokio::test]
async fn beginnings_ask_the_longest_prefix_that_fits() {
    let (world, _, contacts) = people().await;
    for (beginning, expected) in [
        ("l-i", &["c-3"][..]),
        ("lo", &["c-1", "c-2"]),
        ("LOVE", &["c-1", "c-2"]),
        ("lovelac", &["c-1"]),
        ("lovex", &[]),
    ] {
        let found = contacts.find_by("last_name", begins(beginning)).all().await.unwrap();
        assert_eq!(ids(found), expected, "{beginning}");
    }
    let (asked, told) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
    let wire = Wire::scripted({
        let asked = Arc::clone(&asked);
        move |sent, _| {
            let body = String::from_utf8_lossy(&sent.body);
            asked.lock().unwrap().extend(["by-name-2", "by-name-4"].into_iter().filter(|index| body.contains(index)));
            Reaction::Forward
        }
    });
    let trail = Trail(Arc::clone(&told));
    let seal = builder(&world).audit(trail).build(&world.over(wire)).unwrap();
    for beginning in ["lov", "love", "lovelace"] {
        let records = seal.tenant(&id("acme")).records::<Contact>();
        records.find_by("last_name", begins(beginning)).all().await.unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), ["by-name-2", "by-name-4", "by-name-4"]);
    // Each question is a use of the tenant's lookup key.
    assert_eq!(*told.lock().unwrap(), ["people: Query"; 3]);
    // A limit counts records, whatever shares their tokens.
    assert_eq!(contacts.find_by("last_name", begins("lo")).limit(2).all().await.unwrap().len(), 2);
    let short = contacts.find_by("last_name", begins("l")).all().await.unwrap_err().to_string();
    assert!(short.contains("lookup `last_name_2` of attribute `last_name` has nothing to look up"), "{short}");
}

#[tokio::test]
async fn any_of_several_values_finds_each_record_once() {
    let (_world, _, contacts) = people().await;
    let emails = ["ada@x.org", "ADA@X.ORG ", "eve@x.org", "1@x.org", "2@x.org", "3@x.org"];
    assert_eq!(ids(contacts.find_by("email", any_of(emails)).all().await.unwrap()), ["c-1", "c-2", "c-3"]);
    assert_eq!(contacts.find_by("email", any_of(emails)).limit(2).all().await.unwrap().len(), 2);
    assert!(contacts.find_by("email", any_of([""; 0])).all().await.unwrap().is_empty());
    let people = any_of([("Lovelace", "1815"), ("Li", "1815")]);
    assert_eq!(ids(contacts.find_by("person", people).all().await.unwrap()), ["c-1", "c-3"]);
}

#[tokio::test]
async fn filters_and_conditions_of_the_repository_use_lookups_too() {
    let (world, _, contacts) = people().await;
    let vip = attribute("tags").contains("c-3").and(attribute("email").equals("ada@x.org"));
    assert_eq!(ids(contacts.query().filter(vip).stream().try_collect().await.unwrap()), ["c-3"]);
    let named = attribute("last_name").begins_with("love");
    assert_eq!(ids(contacts.scan().filter(named.clone()).stream().try_collect().await.unwrap()), ["c-1", "c-2"]);
    assert_eq!(ids(contacts.find_by("email", "ada@x.org").filter(named).all().await.unwrap()), ["c-1"]);
    let closed = contacts.find_by("email", "ada@x.org").filter(attribute("status").equals("closed"));
    assert!(closed.all().await.unwrap().is_empty());

    let old = || attribute("email").equals("ada@x.org");
    contacts.update("c-1").set("email", "new@x.org").condition(old()).await.unwrap();
    let faster = contacts.update("c-1").set("email", "newer@x.org").condition(old()).await.unwrap_err();
    assert!(faster.is_condition_failed(), "{faster}");
    assert_eq!(ids(contacts.find_by("email", "new@x.org").all().await.unwrap()), ["c-1"]);
    contacts.delete("c-1").condition(attribute("email").not_equals("eve@x.org")).await.unwrap();
    assert!(stored(&world, "acme", "c-1").await.is_empty());
    let error = contacts.delete("c-2").condition(attribute("last_name").equals("Lovely")).await.unwrap_err();
    assert!(error.to_string().contains("no lookup of attribute `last_name` can decide"), "{error}");
}

#[tokio::test]
async fn what_find_by_cannot_ask_is_refused_by_name() {
    let (_world, _, contacts) = people().await;
    let unknown = contacts.find_by("mail", "x").one().await.unwrap_err();
    assert!(matches!(unknown, Error::Refused(Refusal::UnknownLookup { .. })), "{unknown}");
    let no_index = contacts.find_by("last_name", "Li").one().await.unwrap_err();
    assert!(matches!(no_index, Error::Refused(Refusal::LookupWithoutIndex { .. })), "{no_index}");
    let no_prefix = contacts.find_by("email", begins("ada")).one().await.unwrap_err();
    assert!(matches!(no_prefix, Error::Refused(Refusal::UnknownLookup { .. })), "{no_prefix}");
    let one_part = contacts.find_by("person", "Lovelace").one().await.unwrap_err();
    assert!(one_part.to_string().contains("a tuple of the values of `last_name`, `born`"), "{one_part}");
    let nothing = contacts.find_by("phone", None::<String>).one().await.unwrap_err().to_string();
    assert!(nothing.contains("has nothing to look up"), "{nothing}");
    let number = contacts.find_by("email", 7).one().await.unwrap_err().to_string();
    assert!(number.contains("lookup `email` of attribute `email` does not take"), "{number}");
    let global = contacts.find_by("email", "ada@x.org").consistent().one().await.unwrap_err();
    assert!(matches!(global, Error::DynamoDb(_)), "{global}");
}

#[tokio::test]
async fn a_token_is_what_the_lookup_stores() {
    let (world, acme, _) = people().await;
    let stored = tokens(&stored(&world, "acme", "c-1").await);
    for (lookup, token) in [
        ("email", acme.token(TABLE, "email", " ada@x.org").await.unwrap()),
        ("last_name_2", acme.token(TABLE, "last_name_2", "Lothar").await.unwrap()),
        ("person", acme.token(TABLE, "person", ("Lovelace", "1815")).await.unwrap()),
    ] {
        assert_eq!(stored[lookup], [token], "{lookup}");
    }
    assert!(stored["tags"].contains(&acme.token(TABLE, "tags", "vip").await.unwrap()));
    let nothing = acme.token(TABLE, "email", "").await.unwrap_err();
    assert!(matches!(nothing, Error::Refused(Refusal::LookupValue { .. })), "{nothing}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", discriminator = "kind", value = "person")]
struct Person {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, index = "by-email"))]
    email: String,
}

/// Shares the lookup and the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", discriminator = "kind", value = "partner")]
struct Partner {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, index = "by-email"))]
    email: String,
}

/// Its addresses have no lookup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", discriminator = "kind", value = "firm")]
struct Firm {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    email: String,
}

#[tokio::test]
async fn a_record_type_finds_its_own_records_by_its_own_lookups() {
    let world = world(&["acme"]).await;
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app));
    let acme =
        builder.record::<Person>().record::<Firm>().record::<Partner>().build(&world.app).unwrap().tenant(&id("acme"));
    let (tenant_id, email) = ("acme".to_owned(), "ada@x.org".to_owned());
    let person = Person { tenant_id: tenant_id.clone(), contact_id: "p-1".to_owned(), email: email.clone() };
    let partner = Partner { tenant_id: tenant_id.clone(), contact_id: "a-1".to_owned(), email: email.clone() };
    acme.records::<Partner>().put(&partner).await.unwrap();
    let firm = Firm { tenant_id, contact_id: "f-1".to_owned(), email };
    acme.records::<Person>().put(&person).await.unwrap();
    acme.records::<Firm>().put(&firm).await.unwrap();
    assert!(tokens(&stored(&world, "acme", "f-1").await).is_empty());
    assert_eq!(acme.records::<Person>().find_by("email", "ada@x.org").one().await.unwrap(), Some(person));
    let lacks = acme.records::<Firm>().find_by("email", "ada@x.org").one().await.unwrap_err();
    assert!(matches!(lacks, Error::Refused(Refusal::UnknownLookup { .. })), "{lacks}");
    // An update that does not say the type could not know whether there is a token.
    let request = acme.dynamodb().update_item().table_name(TABLE).set_key(Some(super::scene::key("acme", "p-1")));
    let request =
        request.update_expression("SET email = :e").expression_attribute_values(":e", crate::common::s("x@x"));
    let error = crate::common::sealing_error(request.clone().send().await).to_string();
    assert!(error.contains("only some records of the table have a lookup on attribute `email`"), "{error}");
    let request =
        request.condition_expression("kind = :k").expression_attribute_values(":k", crate::common::s("person"));
    request.send().await.unwrap();
    assert!(acme.records::<Person>().find_by("email", "X@x").one().await.unwrap().is_some());
    acme.records::<Firm>().update("f-1").set("email", "y@x").await.unwrap();
    assert!(tokens(&stored(&world, "acme", "f-1").await).is_empty());
}

#[tokio::test]
async fn a_record_that_does_not_open_is_an_error_beside_those_that_were_dropped() {
    let (world, _, contacts) = people().await;
    contacts.put(&contact("c-4", "ada@x.org", None, "King", "1815")).await.unwrap();
    let token = stored(&world, "acme", "c-1").await["_seal_by_email"].clone();
    // In the order of an index: one that is dropped, one that does not open, and two that are found.
    for (id, name, value) in [("c-2", "_seal_by_email", token), ("c-3", "email", crate::common::s("plaintext"))] {
        let mut item = stored(&world, "acme", id).await;
        item.insert(name.to_owned(), value);
        super::scene::put(&world.plain, item).await;
    }
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    let mut stream = contacts.find_by("email", "ada@x.org").stream();
    while let Some(next) = stream.next().await {
        match next {
            Ok(contact) => found.push(contact),
            Err(error) => failed.push(error.item().unwrap().key()["contact_id"].clone()),
        }
    }
    assert_eq!(ids(found), ["c-1", "c-4"]);
    assert_eq!(failed, [crate::common::s("c-3")]);
}
