//! What is stored of a contact, and what callers see of it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tenantseal::records::Records;
use tenantseal::{Record, Stamp, TenantId};
use uuid::Uuid;

use crate::error::AppError;

/// A contact as DynamoDB has it: the ids and the version are plaintext, everything else is ciphertext.
#[derive(Serialize, Deserialize, Record)]
#[seal(table = "contacts")]
pub(crate) struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    pub(crate) contact_id: String,
    #[seal(encrypt)]
    name: String,
    #[seal(encrypt)]
    email: String,
    #[seal(encrypt)]
    notes: Option<String>,
    /// By their names, which may be personal: no key of an object has one.
    #[seal(encrypt)]
    pub(crate) attachments: BTreeMap<String, Attachment>,
    #[seal(version)]
    pub(crate) version: u64,
}

/// The contact, as the last write left it.
pub(crate) async fn find(contacts: &Records<Contact>, id: Uuid) -> Result<Contact, AppError> {
    contacts.get(id.to_string()).consistent().await?.ok_or(AppError::Request(StatusCode::NOT_FOUND))
}

/// Where an attachment is, and which version of it counts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The key of its object. Each upload has a key of its own.
    pub(crate) object: String,
    /// Another object under this key is refused, whoever put it there.
    pub(crate) stamp: Stamp,
    /// Bytes of plaintext.
    pub(crate) len: u64,
}

/// What a caller sends of a contact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactBody {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) notes: Option<String>,
}

/// What a caller gets of a contact.
#[derive(Serialize)]
pub(crate) struct ContactView {
    id: String,
    version: u64,
    name: String,
    email: String,
    notes: Option<String>,
    /// The length of each attachment in bytes, by its name.
    attachments: BTreeMap<String, u64>,
}

impl Contact {
    /// A contact that was never stored.
    pub(crate) fn new(tenant: &TenantId, id: Uuid, body: ContactBody) -> Self {
        let ContactBody { name, email, notes } = body;
        let (tenant_id, contact_id) = (tenant.to_string(), id.to_string());
        Self { tenant_id, contact_id, name, email, notes, attachments: BTreeMap::new(), version: 0 }
    }

    /// The entity tag of this version.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        let Contact { contact_id: id, name, email, notes, attachments, version, .. } = contact;
        let attachments = attachments.into_iter().map(|(name, attachment)| (name, attachment.len)).collect();
        Self { id, version, name, email, notes, attachments }
    }
}
