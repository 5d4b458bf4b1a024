//! The registry of tenants: the trait and its 2 implementations.

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

/// Stores one current entry per tenant, and every earlier version of it.
///
/// A registry does nothing else: all implementations share the order and the repetition of steps.
#[async_trait]
pub trait Registry: Debug + Send + Sync {
    /// Reads a tenant's current entry as the last successful [`Registry::put`] left it (a consistent read).
    async fn get(&self, tenant: &TenantId) -> Result<Option<Entry>, RegistryError>;

    /// Compare-and-swap: stores `entry` as the current one and appends it to the history, if the stored version is the
    /// previous one. Version 1 requires that no entry exists.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Conflict`] when another writer was first. Nothing is stored then.
    async fn put(&self, entry: &Entry) -> Result<(), RegistryError>;

    /// Lists up to `limit` current entries after `after`, in the order of tenant ids.
    async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Page, RegistryError>;

    /// Reads every version of a tenant's entry, oldest first. Empty for an unknown tenant.
    async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, RegistryError>;
}

impl dyn Registry + '_ {
    /// Reads a tenant's entry, and checks that it is this tenant's.
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

/// One page of the list of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Pass this as `after` for the next page, if there may be more.
    pub next: Option<TenantId>,
}

/// Why the registry could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Another writer changed the entry. Read it again.
    #[error("the registry's entry of tenant `{0}` was changed by someone else meanwhile: look at it and try again")]
    Conflict(TenantId),
    /// The table does not exist.
    #[error(
        "the registry's table `{0}` does not exist: create it with `DynamoDbRegistry::create_table`, or name the right one"
    )]
    TableNotFound(String),
    /// The table exists but is not ready.
    #[error("the registry's table `{table}`: {what}; run it again")]
    NotReady {
        /// The table.
        table: String,
        /// What is missing, and after how long.
        what: String,
    },
    /// The stored item is no valid entry.
    #[error("the registry's entry of tenant `{tenant}` cannot be read: {what}")]
    Malformed {
        /// The tenant.
        tenant: String,
        /// The fault.
        what: String,
    },
    /// The database failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The failure of another implementation.
    #[error("the registry failed")]
    Other(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl RegistryError {
    /// Whether the same call may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::NotReady { .. } => true,
            Self::Aws(error) => error.is_retryable(),
            _ => false,
        }
    }
}
