//! A table's names: callers of `Tenant` give the logical one, and no name means two tables.

use tenantseal::error::Refusal;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant, TenantSeal};

use crate::common::{ROLE, World, contact, id, item, s};

const ARN: &str = "arn:aws:dynamodb:us-east-1:333333333333:table";

/// The logical table `crm` is stored in `archive`, and `archive` in `old`. Only `crm` encrypts.
async fn acme() -> Tenant {
    let world = World::start(&[]).await;
    let crm = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").encrypt("email").build().unwrap();
    let archive = TableSchema::builder("archive").partition_key("tenant_id", "{tenant}").plain("email").build();
    let seal = TenantSeal::builder().key_service(InMemoryKeyService::default()).table(crm).table(archive.unwrap());
    let seal = seal.table_name("crm", "archive").table_name("archive", "old").build(&world.app).unwrap();
    seal.tenant(&id("acme"))
}

fn ada() -> Item {
    Item::from([("tenant_id".to_owned(), s("acme")), ("email".to_owned(), s("ada@example.org"))])
}

fn is_ambiguous<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result.unwrap_err(), Error::Refused(Refusal::AmbiguousTable(name)) if name == "archive")
}

#[tokio::test]
async fn a_logical_name_that_is_another_tables_physical_name_is_refused() {
    let acme = acme().await;
    let sealed = acme.seal("crm", ada()).await.unwrap();
    assert!(is_ambiguous(acme.seal("archive", ada()).await));
    assert!(is_ambiguous(acme.open("archive", sealed.clone()).await));
    assert!(is_ambiguous(acme.open_all("archive", vec![sealed.clone()]).await));
    assert!(is_ambiguous(acme.open_each("archive", vec![sealed]).await));
}

#[tokio::test]
async fn every_other_name_means_its_own_table() {
    let acme = acme().await;
    // `archive` is the physical name of `crm`, and an ARN has nothing but physical names.
    for crm in ["crm", &format!("{ARN}/archive")] {
        let sealed = acme.seal(crm, ada()).await.unwrap();
        assert_ne!(sealed["email"], s("ada@example.org"), "{crm}");
        assert_eq!(acme.open("crm", sealed).await.unwrap(), ada(), "{crm}");
    }
    for archive in ["old", &format!("{ARN}/old")] {
        assert_eq!(acme.seal(archive, ada()).await.unwrap()["email"], s("ada@example.org"), "{archive}");
    }
    for unknown in ["", "Crm", &format!("{ARN}/crm")] {
        assert!(matches!(acme.seal(unknown, ada()).await.unwrap_err(), Error::Refused(_)), "{unknown}");
    }
}

#[tokio::test]
async fn an_error_gives_the_logical_name_and_requests_the_physical_one() {
    let world = World::start(&["acme"]).await;
    let schema = TableSchema::builder("contacts").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let schema = schema.plain("company").encrypt("email").encrypt("notes").encrypt("api_keys").build().unwrap();
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema).table_name("contacts", "crm");
    let acme = seal.build(&world.app).unwrap().tenant(&id("acme"));
    acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1")))).send().await.unwrap();
    let refused = acme.dynamodb().get_item().table_name("contacts").key("tenant_id", s("acme")).send().await;
    let refused = refused.unwrap_err();
    assert!(matches!(Error::find_in(&refused), Some(Error::Refused(Refusal::UnknownTable(_)))), "{refused:?}");
    let mut sealed = world.stored("acme", "c-1").await;
    let error = acme.open("crm", item(&contact("acme", "c-1"))).await.unwrap_err();
    assert_eq!(error.item().unwrap().table(), "contacts");
    assert_eq!(acme.open(error.item().unwrap().table(), sealed.clone()).await.unwrap(), item(&contact("acme", "c-1")));
    sealed.insert("email".to_owned(), s("ada@example.org"));
    world.plant(sealed).await;
    let query = acme.dynamodb().query().table_name("crm").key_condition_expression("tenant_id = :t");
    let error = query.expression_attribute_values(":t", s("acme")).send().await.unwrap_err();
    assert_eq!(Error::find_in(&error).unwrap().item().unwrap().table(), "contacts");
}
