//! Tables whose partition key has more than the tenant: what the caller gives comes after the tenant's prefix.

use serde::{Deserialize, Serialize};
use tenantseal::error::Refusal;
use tenantseal::records::Records;
use tenantseal::{Error, Record, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Guest {
    #[seal(partition_key, tenant = "TENANT#{tenant}#")]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    email: String,
}

fn guest(partition: &str, contact_id: &str) -> Guest {
    Guest { tenant_id: partition.to_owned(), contact_id: contact_id.to_owned(), email: "ada@example.org".to_owned() }
}

fn guests(world: &World, wire: &Wire) -> Records<Guest> {
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Guest>();
    seal.build(&world.over(wire.clone())).unwrap().tenant(&id("acme")).records()
}

#[tokio::test]
async fn a_key_of_a_prefixed_table_is_the_text_after_the_prefix() {
    let (world, wire) = (World::start(&["acme"]).await, Wire::open());
    let guests = guests(&world, &wire);
    let ada = guest("TENANT#acme#H#1", "g-1");
    guests.put(&ada).await.unwrap();
    assert_eq!(guests.get(("H#1", "g-1")).await.unwrap(), Some(ada.clone()));
    let all: Vec<Guest> = guests.query().partition("H#1").stream().try_collect().await.unwrap();
    assert_eq!(all, [ada]);
    guests.update(("H#1", "g-1")).set("email", "eve@example.org").await.unwrap();
    guests.delete(("H#1", "g-1")).await.unwrap();
    assert_eq!(guests.get(("H#1", "g-1")).await.unwrap(), None);
}

#[tokio::test]
async fn the_tenants_prefix_given_twice_is_refused_before_any_call() {
    let (world, wire) = (World::start(&["acme"]).await, Wire::open());
    let guests = guests(&world, &wire);
    let twice = || ("TENANT#acme#H#1", "g-1");
    let refused: [Error; 5] = [
        guests.get(twice()).await.unwrap_err(),
        guests.update(twice()).set("email", "x").await.unwrap_err(),
        guests.delete(twice()).await.unwrap_err(),
        guests.query().partition("TENANT#acme#").stream().try_collect::<Vec<_>>().await.unwrap_err(),
        guests.query().partition("TENANT#acme#H#1").count().await.unwrap_err(),
    ];
    for error in refused {
        assert!(
            matches!(&error, Error::Refused(Refusal::TenantTwice { attribute }) if attribute == "tenant_id"),
            "{error}"
        );
    }
    assert!(wire.sent().is_empty());
    // Another text that only looks alike is the caller's.
    assert_eq!(guests.get(("TENANT#acm", "g-1")).await.unwrap(), None);
}
