//! Why a configuration does not work.

use tenantseal_core::keys::InvalidSettings;
use tenantseal_core::tenant::InvalidAliasTemplate;
use tenantseal_kms::{InvalidKmsConfig, InvalidRoleArn};

use crate::schema::{Drift, InvalidLock, InvalidSchema};

/// Why a configuration does not work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody said where data keys come from.
    #[error("no key service: call `assume_role`, `tenancy`, `ambient_credentials` or `key_service`")]
    NoKeyService,
    /// There is no table, and no bucket.
    #[error("no tables: register a record type with `record::<T>()`")]
    NoTables,
    /// The SDK's configuration has no Region.
    #[error(
        "the SDK configuration has no Region: set AWS_REGION, or a Region in the profile or in the code that loads \
         the configuration"
    )]
    NoRegion,
    /// The SDK's configuration has no HTTP client and the SDK was built without one.
    #[error("the SDK configuration has no HTTP client: enable `default-https-client` or set one")]
    NoHttpClient,
    /// An account is not 12 digits.
    #[error("`{0}` is not an AWS account id: it has 12 digits")]
    Account(String),
    /// A partition has another name.
    #[error("`{0}` is not an AWS partition: use `aws`, or a name that begins with `aws-`")]
    Partition(String),
    /// A partition is configured for keys that are not reached with the configuration's own credentials.
    #[error("`partition` works only with `ambient_credentials`: a role's ARN already names the partition")]
    PartitionOfARole,
    /// `alias_template` is set beside `tenancy`, which has a template of its own.
    #[error(
        "`alias_template` works only with `assume_role` or `ambient_credentials`: with `tenancy`, give the template \
         to `Tenancy::new`"
    )]
    AliasTemplateOfATenancy,
    /// The role's ARN is malformed.
    #[error(transparent)]
    Role(#[from] InvalidRoleArn),
    /// The alias template is malformed.
    #[error(transparent)]
    AliasTemplate(#[from] InvalidAliasTemplate),
    /// The encryption context, a time or a limit is out of range.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// A record does not hold together, or two records disagree.
    #[error(transparent)]
    Schema(#[from] InvalidSchema),
    /// The lock file is malformed.
    #[error(transparent)]
    Lock(#[from] InvalidLock),
    /// The schemas are not those of the lock file.
    #[error(transparent)]
    Drift(#[from] Drift),
    /// `table_name` names a logical table that does not exist, or one name twice.
    #[error("`table_name`: table `{0}` is not registered, or named twice")]
    TableName(String),
    /// `table_name` gives an ARN that is not a table's.
    #[error("`table_name`: `{0}` is not `arn:<partition>:dynamodb:<region>:<account>:table/<name>`")]
    TableArn(String),
    /// `compact` names a logical table that does not exist.
    #[error("`compact`: table `{0}` is not registered")]
    CompactTable(String),
    /// `own_bytes` names what no registered record encrypts.
    #[error("`own_bytes`: no record of table `{table}` encrypts `{attribute}`")]
    OwnBytes {
        /// The logical table.
        table: String,
        /// The attribute.
        attribute: String,
    },
    /// `adopt` names what cannot be adopted.
    #[error("`adopt`: table `{table}`: {fault}")]
    Adopt {
        /// The logical table.
        table: String,
        /// What is wrong.
        fault: AdoptFault,
    },
    /// A lookup is `unique`, and there is no table for the claims of its values.
    #[error(
        "lookup `{lookup}` of table `{table}` is `unique`: call `claims` with a table for the claims of its values"
    )]
    UniqueWithoutClaims {
        /// The logical table.
        table: String,
        /// The lookup.
        lookup: String,
    },
    /// The claims table is one of the tables with items.
    #[error(
        "`claims`: `{0}` is the name of a table with items, or of the key table: give the claims a table of their own"
    )]
    ClaimsTable(String),
    /// A key service of one's own decides itself where it asks.
    #[error("`regions`: your own key service asks where it wants to: give the Regions to it, or leave `regions` out")]
    RegionsOfAKeyService,
    /// A compact table refers to a key table, and there is none.
    #[error("`compact`: table `{0}` needs a key table: call `key_table`")]
    CompactWithoutKeyTable(String),
    /// A bucket's configuration does not work.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    Bucket(#[from] tenantseal_blobs::InvalidBucket),
    /// Another fault of the configuration for KMS.
    #[error(transparent)]
    Kms(InvalidKmsConfig),
    /// With this variable the SDK prints KMS's answers, plaintext data keys included, when trace logging is on.
    #[error("LOG_SENSITIVE_BODIES=true makes the AWS SDK log plaintext data keys: unset it")]
    SensitiveBodiesLogged,
}

/// Why attributes cannot be adopted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptFault {
    /// There is no ledger, where leaves are.
    #[error("leaves are in a ledger: call `ledger`")]
    NoLedger,
    /// The table is not registered.
    #[error("it is not registered")]
    UnknownTable,
    /// No registered record encrypts the attribute.
    #[error("no record encrypts `{0}`, so it needs no adoption")]
    NotEncrypted(String),
    /// The attribute has a lookup, which would find some of the items.
    #[error(
        "`{0}` has a lookup, which would find sealed items alone: declare it as `building` when no tenant has a leave"
    )]
    Lookup(String),
}

impl From<InvalidKmsConfig> for ConfigError {
    fn from(error: InvalidKmsConfig) -> Self {
        match error {
            InvalidKmsConfig::NoRegion => Self::NoRegion,
            InvalidKmsConfig::Account(account) => Self::Account(account),
            InvalidKmsConfig::Partition(partition) => Self::Partition(partition),
            InvalidKmsConfig::SensitiveBodiesLogged => Self::SensitiveBodiesLogged,
            other => Self::Kms(other),
        }
    }
}
