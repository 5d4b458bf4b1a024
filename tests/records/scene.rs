//! Records of several types in one table.

use serde::{Deserialize, Serialize};
use tenantseal::{Tenant, TenantSeal, TenantSealBuilder};

use crate::common::{ROLE, World, id};

/// Encrypts `note`, and has a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, tenantseal::Record)]
#[seal(table = "crm", discriminator = "kind", value = "person")]
pub(crate) struct Person {
    #[seal(partition_key, tenant)]
    pub(crate) tenant_id: String,
    #[seal(sort_key)]
    pub(crate) contact_id: String,
    #[seal(encrypt)]
    pub(crate) note: String,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    pub(crate) logins: u32,
    #[seal(version)]
    pub(crate) version: u64,
}

/// Stores `note` as it is, and the discriminator is a field of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, tenantseal::Record)]
#[seal(table = "crm", discriminator = "kind", value = "firm")]
pub(crate) struct Firm {
    #[seal(partition_key, tenant)]
    pub(crate) tenant_id: String,
    #[seal(sort_key)]
    pub(crate) contact_id: String,
    pub(crate) kind: String,
    pub(crate) note: String,
    #[seal(encrypt)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) company: Option<String>,
}

/// The value by which a test recognises what must not be stored.
pub(crate) const SECRET: &str = "the-note-of-a-person";

pub(crate) fn person(contact_id: &str) -> Person {
    let (note, email) = (SECRET.to_owned(), Some("ada@example.org".to_owned()));
    Person { tenant_id: "acme".to_owned(), contact_id: contact_id.to_owned(), note, email, logins: 1, version: 0 }
}

pub(crate) fn firm(contact_id: &str) -> Firm {
    Firm {
        tenant_id: "acme".to_owned(),
        contact_id: contact_id.to_owned(),
        kind: "firm".to_owned(),
        note: "a public note".to_owned(),
        email: None,
        company: Some("Example Ltd".to_owned()),
    }
}

pub(crate) fn builder() -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).record::<Person>().record::<Firm>()
}

/// Tenant `acme` of persons and firms.
pub(crate) fn acme(world: &World) -> Tenant {
    builder().build(&world.app).unwrap().tenant(&id("acme"))
}
