//! Where the tenants are written down: the seam, and its two implementations.

mod dynamodb;
mod memory;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use dynamodb::DynamoDbRegistry;
pub use memory::InMemoryRegistry;

use super::aws_error::AwsError;
use super::entry::Entry;
use tenantseal_core::tenant::TenantId;

/// Keeps one current entry per tenant, and every earlier version of it.
///
/// This is all that a registry has to do; the order of the steps and their repetition is done above it, the same for every implementation.
#[async_trait]
pub trait Registry: Debug + Send + Sync {
    /// The current entry of a tenant, as the latest successful [`Registry::put`] left it (a consistent read).
    async fn get(&self, tenant: &TenantId) -> Result<Option<Entry>, RegistryError>;

    /// Makes `entry` the current one and adds it to the history, if the stored version is the one before it; version 1 if there is none.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Conflict`] when somebody else was faster. Nothing is stored then.
    async fn put(&self, entry: &Entry) -> Result<(), RegistryError>;

    /// Up to `limit` current entries in the order of their tenants' ids, those after `after`.
    async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Page, RegistryError>;

    /// Every version of a tenant's entry, oldest first. Empty for an unknown tenant.
    async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, RegistryError>;
}

impl dyn Registry + '_ {
    /// The current entry of a tenant, if there is one, once it is known to be that tenant's.
    pub(super) async fn entry_of(&self, tenant: &TenantId) -> Result<Option<Entry>, RegistryError> {
        match self.get(tenant).await? {
            Some(entry) if entry.tenant != *tenant => {
                let what = "it is that of another tenant".to_owned();
                Err(RegistryError::Malformed { tenant: tenant.to_string(), what })
            }
            entry => Ok(entry),
        }
    }
}

/// A part of the list of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Ask for those after this one, if there may be more.
    pub next: Option<TenantId>,
}

/// Why the registry could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Somebody else has written the entry meanwhile. Read it again.
    #[error("the registry's entry of tenant `{0}` was changed by someone else meanwhile: look at it and try again")]
    Conflict(TenantId),
    /// The table does not exist.
    #[error(
        "the registry's table `{0}` does not exist: create it with `DynamoDbRegistry::create_table`, or name the right one"
    )]
    TableNotFound(String),
    /// The table has been created, and cannot be used yet.
    #[error("the registry's table `{table}`: {what}; run it again")]
    NotReady {
        /// The table.
        table: String,
        /// What was waited for, and for how long.
        what: String,
    },
    /// What is stored is no entry.
    #[error("the registry's entry of tenant `{tenant}` cannot be read: {what}")]
    Malformed {
        /// The tenant.
        tenant: String,
        /// What is wrong with it.
        what: String,
    },
    /// The database failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Another implementation's own failure.
    #[error("the registry failed")]
    Other(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl RegistryError {
    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::NotReady { .. } => true,
            Self::Aws(error) => error.is_retryable(),
            _ => false,
        }
    }
}
