//! The entries that writers write. The key and the revision determine the content, so a reader can check that it is
//! whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tenantseal::{Record, TenantId};

use crate::Outcome;

/// The name of the pooled table.
pub(crate) const TABLE: &str = "soak";

/// The index of the secret's lookup.
pub(crate) const INDEX: &str = "by-secret";
/// The attribute that holds the tokens of the secret's lookup.
pub(crate) const TOKEN: &str = "_seal_by_secret";

/// In every encrypted value and nowhere else: finding it in the table means finding plaintext.
pub(crate) const CANARY: &str = "soak-canary";

/// One entry. A put writes all attributes, an update only `revision` and `secret`: reading it may then need two data
/// keys. Both write the token of the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[serde(deny_unknown_fields)]
#[seal(table = "soak")]
pub(crate) struct Entry {
    #[seal(partition_key, tenant)]
    pub(crate) tenant_id: String,
    #[seal(sort_key)]
    pub(crate) entry_id: String,
    /// Of the latest write.
    pub(crate) revision: u64,
    /// Of the latest put.
    base: u64,
    #[seal(encrypt, lookup(exact, index = "by-secret"))]
    pub(crate) secret: String,
    #[seal(encrypt)]
    tokens: BTreeMap<String, String>,
    #[seal(encrypt)]
    blob: ByteBuf,
}

impl Entry {
    /// The names of the encrypted attributes.
    pub(crate) const ENCRYPTED: [&'static str; 3] = ["secret", "tokens", "blob"];

    /// What a put writes.
    pub(crate) fn new(tenant_id: &str, entry_id: &str, revision: u64) -> Self {
        let secret = secret(tenant_id, entry_id, revision);
        let tokens = [("mail".to_owned(), format!("{secret}-mail")), ("chat".to_owned(), format!("{secret}-chat"))];
        // Usually small, sometimes a few KB.
        let blob = secret.repeat(if revision.is_multiple_of(16) { 64 } else { 2 });
        Self {
            tenant_id: tenant_id.to_owned(),
            entry_id: entry_id.to_owned(),
            revision,
            base: revision,
            secret,
            tokens: tokens.into(),
            blob: ByteBuf::from(blob),
        }
    }

    /// Whether every attribute has the content of this key and these revisions.
    pub(crate) fn is_whole(&self) -> bool {
        let Self { tenant_id, entry_id, revision, base, secret: stored, .. } = self;
        let put = Self::new(tenant_id, entry_id, *base);
        *stored == secret(tenant_id, entry_id, *revision) && self.tokens == put.tokens && self.blob == put.blob
    }
}

/// The encrypted text of one revision.
pub(crate) fn secret(tenant: &str, entry: &str, revision: u64) -> String {
    format!("{CANARY}-{tenant}-{entry}-{revision}")
}

/// The id of the tenant of this number.
pub(crate) fn tenant_id(number: usize) -> Outcome<TenantId> {
    Ok(TenantId::parse(&format!("t{number:05}"))?)
}
