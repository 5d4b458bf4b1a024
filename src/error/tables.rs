//! How tables differ from their schemas.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tenantseal_kms::errors::{AwsErrorClass, AwsFailure, kind as failure_kind};

/// Tables that differ from their schemas, or that DynamoDB did not describe.
#[derive(Debug, Clone)]
pub struct TablesError {
    pub(crate) faults: Vec<TableFault>,
}

impl TablesError {
    /// Every fault, table by table; at least one.
    pub fn faults(&self) -> &[TableFault] {
        &self.faults
    }

    /// Whether the check found no fault, but did not finish because DynamoDB throttles or cannot be reached. Call it again.
    pub fn is_retryable(&self) -> bool {
        self.faults.iter().all(|fault| matches!(fault.kind, TableFaultKind::Unanswered { is_retryable: true, .. }))
    }
}

impl fmt::Display for TablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl StdError for TablesError {}

/// One fault of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    pub(crate) table: String,
    pub(crate) kind: TableFaultKind,
}

impl TableFault {
    /// The table's physical name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What is wrong.
    pub fn kind(&self) -> &TableFaultKind {
        &self.kind
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}`: {}", self.table, self.kind)
    }
}

/// Another schema does not open what was sealed by this one.
const PUT_AGAIN: &str =
    "Stored items were sealed under the old schema: scan them with it, then put them again with the new one";

fn sort_key(declared: &str, actual: Option<&str>) -> String {
    match actual {
        Some(actual) => format!("its sort key is `{actual}`, not `{declared}`: declare that one"),
        None => format!("it has no sort key: do not declare `{declared}` as one"),
    }
}

/// What can be wrong with a table. `declared` is what its schema says, `actual` what DynamoDB says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFaultKind {
    /// There is no such table.
    #[error("it does not exist in this account and Region: create it, or name the right one with `table_name`")]
    NotFound,
    /// The table has a sort key, and the schema has none: sealed values of two items can be exchanged.
    #[error(
        "its sort key `{actual}` is not declared, so sealed values can be swapped between a tenant's items: mark the \
         field with `#[seal(sort_key)]`, or call `.sort_key(\"{actual}\")`. {}",
        PUT_AGAIN
    )]
    UndeclaredSortKey {
        /// The table's sort key.
        actual: String,
    },
    /// The sort key has another name, or the table has none.
    #[error("{}. {}", sort_key(declared, actual.as_deref()), PUT_AGAIN)]
    SortKey {
        /// The schema's.
        declared: String,
        /// The table's, when it has one.
        actual: Option<String>,
    },
    /// The partition key has another name.
    #[error("its partition key is `{actual}`, not `{declared}`: declare that one. {}", PUT_AGAIN)]
    PartitionKey {
        /// The schema's.
        declared: String,
        /// The table's.
        actual: String,
    },
    /// A key that shows the tenant or the record type is no string.
    #[error("its key `{attribute}` must be a string (S) to show the tenant or the record type: create another table")]
    NotAString {
        /// The key.
        attribute: String,
    },
    /// An index has an encrypted attribute among its keys, so DynamoDB refuses items, or sorts ciphertext; or a vector index has one.
    #[error(
        "its index `{index}` has the encrypted attribute `{attribute}` as a key: delete the index, or declare the \
         attribute `plain`. {}",
        PUT_AGAIN
    )]
    EncryptedIndexKey {
        /// The index.
        index: String,
        /// The key.
        attribute: String,
    },
    /// The table lacks the index that a lookup asks.
    #[error(
        "it has no index `{index}`, which lookup `{lookup}` asks: create it on the attribute `{stored}` of type S, or \
         declare the lookup without it"
    )]
    NoLookupIndex {
        /// The lookup.
        lookup: String,
        /// The index.
        index: String,
        /// The attribute with the tokens, which is the index's key.
        stored: String,
    },
    /// The index of a lookup has other keys, so queries of it are refused.
    #[error(
        "its index `{index}` of lookup `{lookup}` has other keys than `{stored}` of type S needs: create another index"
    )]
    LookupIndexKeys {
        /// The lookup.
        lookup: String,
        /// The index.
        index: String,
        /// The attribute with the tokens.
        stored: String,
    },
    /// The index of a lookup does not project what records are opened and compared by: they would not be found.
    #[error(
        "its index `{index}` of lookup `{lookup}` does not project `{attribute}`, so records are not found: create \
         another index that projects it, or ALL"
    )]
    LookupIndexProjection {
        /// The lookup.
        lookup: String,
        /// The index.
        index: String,
        /// The attribute.
        attribute: String,
    },
    /// There is no claims table of this name.
    #[error(
        "it does not exist in this account and Region, and unique lookups keep their claims there: call \
         `ClaimsTable::create_table`"
    )]
    NoClaimsTable,
    /// The table has other key attributes than a claims table has.
    #[error(
        "its primary key is not the strings `tenant` (partition) and `entry` (sort), so it is no claims table: give \
         `claims` another name"
    )]
    NotAClaimsTable,
    /// Point-in-time recovery of the claims table is off.
    #[error(
        "point-in-time recovery is off, and without this table's claims a value can be stored twice: call \
         `ClaimsTable::enable_recovery`"
    )]
    NoClaimsRecovery,
    /// An index projects an encrypted attribute, and not what it opens by.
    #[error(
        "its index `{index}` projects the encrypted attribute `{encrypted}` and not `{attribute}`, so that does not \
         open: create another index that projects it, or ALL"
    )]
    IndexProjection {
        /// The index.
        index: String,
        /// An encrypted attribute that it projects.
        encrypted: String,
        /// `_seal` or the discriminator.
        attribute: String,
    },
    /// The time to live is encrypted, so no item ever expires.
    #[error(
        "its TTL attribute `{attribute}` is encrypted, so nothing expires: declare it `plain`, or choose another TTL \
         attribute. {}",
        PUT_AGAIN
    )]
    EncryptedTimeToLive {
        /// The attribute.
        attribute: String,
    },
    /// DynamoDB did not say how the table is.
    #[error("it could not be checked: {said}; allow `{action}`, and check credentials, Region and endpoint")]
    Unanswered {
        /// The permission that the question needs.
        action: &'static str,
        /// What went wrong.
        said: String,
        /// Whether it may pass by itself.
        is_retryable: bool,
    },
}

impl TableFaultKind {
    /// Why DynamoDB did not answer a question about a table.
    pub(crate) fn from_sdk<E>(action: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match AwsErrorClass::from_error(error) {
            Some(AwsErrorClass::TableNotFound) => Self::NotFound,
            _ => Self::Unanswered {
                action,
                said: AwsFailure::from_sdk(error).to_string(),
                is_retryable: failure_kind(error).is_outage(),
            },
        }
    }
}
