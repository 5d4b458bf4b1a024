//! Members who are told apart by e-mail address and telephone number.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};
use tenantseal::records::{ClaimsTable, Records};
use tenantseal::{Item, Record, Tenant, TenantSeal, TenantSealBuilder};

use crate::common::key_table::key_table;
use crate::common::{ROLE, World, id, s};
use crate::lookups::scene::{TABLE, tokens, world};

pub(super) const CLAIMS: &str = "tenantseal-claims";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people")]
pub(super) struct Member {
    #[seal(partition_key, tenant)]
    pub(super) tenant_id: String,
    #[seal(sort_key)]
    pub(super) contact_id: String,
    pub(super) status: String,
    #[seal(encrypt, lookup(email, unique, index = "by-email"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[seal(encrypt, lookup(digits, unique, name = "phone_2"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone: Option<String>,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notes: Option<String>,
    #[serde(default)]
    #[seal(plain)]
    pub(super) logins: u64,
}

pub(super) fn member(contact: &str, email: &str) -> Member {
    Member {
        tenant_id: "acme".to_owned(),
        contact_id: contact.to_owned(),
        status: "open".to_owned(),
        email: Some(email.to_owned()),
        phone: None,
        notes: Some(format!("notes on {contact}")),
        logins: 0,
    }
}

pub(super) fn claims(config: &SdkConfig) -> ClaimsTable {
    ClaimsTable::new(config, CLAIMS).danger_without_recovery()
}

pub(super) async fn claiming_world(tenants: &[&str]) -> World {
    let world = world(tenants).await;
    claims(&world.app).create_table().await.unwrap();
    world
}

pub(super) fn builder(config: &SdkConfig) -> TenantSealBuilder {
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(config)).record::<Member>();
    builder.claims(claims(config))
}

pub(super) fn tenant(world: &World, tenant: &str) -> Tenant {
    builder(&world.app).build(&world.app).unwrap().tenant(&id(tenant))
}

/// The stack, `acme` and its members.
pub(super) async fn members() -> (World, Tenant, Records<Member>) {
    let world = claiming_world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    let members = acme.records::<Member>();
    (world, acme, members)
}

/// The claims of a tenant: by entry, the sort key of the item that has it.
pub(super) async fn claimed(world: &World, tenant: &str) -> BTreeMap<String, String> {
    let query = world.plain.query().table_name(CLAIMS).consistent_read(true);
    let query = query.key_condition_expression("tenant = :t").expression_attribute_values(":t", s(tenant));
    let items = query.send().await.unwrap().items.unwrap();
    let claim = |item: &Item| {
        assert_eq!(item.len(), 3, "{item:?}");
        let key = item["key"].as_m().unwrap();
        assert_eq!((key.len(), &key["tenant_id"]), (2, &s(tenant)));
        (item["entry"].as_s().unwrap().clone(), key["contact_id"].as_s().unwrap().clone())
    };
    items.iter().map(claim).collect()
}

/// All items of the table, as DynamoDB stores them.
pub(super) async fn items(world: &World) -> Vec<Item> {
    world.plain.scan().table_name(TABLE).consistent_read(true).send().await.unwrap().items.unwrap()
}

/// Checks that no two items have one token, and that each token has the claim of its item.
pub(super) async fn assert_unique(world: &World) {
    let claimed = claimed(world, "acme").await;
    let mut owners = BTreeMap::new();
    for item in items(world).await {
        let contact = item["contact_id"].as_s().unwrap().clone();
        for (lookup, tokens) in tokens(&item) {
            let token = tokens[0].strip_prefix("acme.").unwrap();
            let entry = format!("people#{lookup}#{token}");
            assert_eq!(claimed.get(&entry), Some(&contact), "{entry} in {claimed:?}");
            assert_eq!(owners.insert(entry, contact.clone()), None, "a duplicate");
        }
    }
}

/// Deletes an item as a time to live does: its claims stay.
pub(super) async fn expire(world: &World, contact: &str) {
    let delete = world.plain.delete_item().table_name(TABLE).key("tenant_id", s("acme"));
    delete.key("contact_id", s(contact)).send().await.unwrap();
}

/// The entry of the only claim.
pub(super) async fn only_entry(world: &World) -> String {
    let claimed = claimed(world, "acme").await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.into_keys().next().unwrap()
}

/// Writes a claim as someone with access to the table would.
pub(super) async fn plant(world: &World, tenant: &str, entry: &str, key: AttributeValue) {
    let put = world.plain.put_item().table_name(CLAIMS).item("tenant", s(tenant)).item("entry", s(entry));
    put.item("key", key).send().await.unwrap();
}
