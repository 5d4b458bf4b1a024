//! Configuration: setters never fail, `build` checks everything once.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use tenantseal_core::audit::AuditSink;
use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::is_account_id;
use tenantseal_core::keys::{InvalidSettings, KeyService, KeyTable, Settings};
use tenantseal_core::tenant::{AliasTemplate, InvalidAliasTemplate};
use tenantseal_core::trail::Audit;
use tenantseal_kms::partition::is_partition;
use tenantseal_kms::{InvalidRoleArn, KmsKeyService, RoleArn, Tenancy};

use super::TenantSeal;
use crate::client::{Tables, table_name};
use crate::schema::{InvalidSchema, Record, TableSchema};

/// Configures a [`TenantSeal`]. Nothing is checked before [`TenantSealBuilder::build`].
#[must_use = "nothing is configured before `build`"]
#[derive(Default)]
pub struct TenantSealBuilder {
    keys: Option<Keys>,
    partition: Option<String>,
    alias_template: Option<String>,
    settings: Settings,
    schemas: Vec<Result<TableSchema, InvalidSchema>>,
    physical: Vec<(String, String)>,
    compact: Vec<String>,
    own_bytes: Vec<(String, String)>,
    audit: Option<Arc<dyn AuditSink>>,
    without_control_plane: bool,
}

enum Keys {
    AssumeRole(String),
    Ambient { account: String },
    Service(Arc<dyn KeyService>),
}

impl TenantSealBuilder {
    /// Reaches the tenants' keys by assuming this role, once per tenant: the role in the key account.
    pub fn assume_role(mut self, role_arn: impl Into<String>) -> Self {
        self.keys = Some(Keys::AssumeRole(role_arn.into()));
        self
    }

    /// Reaches the tenants' keys with the credentials of the configuration, for keys in `account` (12 digits).
    ///
    /// Then IAM does not keep tenants apart in this process; the encryption context and this library still do.
    pub fn ambient_credentials(mut self, account: impl Into<String>) -> Self {
        self.keys = Some(Keys::Ambient { account: account.into() });
        self
    }

    /// The partition of AWS in which the keys of [`ambient_credentials`](Self::ambient_credentials) are. Unless configured that of the
    /// Region, as far as this release knows it; a role's ARN says it itself.
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// Takes data keys from an implementation of your own, or from [`InMemoryKeyService`](tenantseal_core::keys::InMemoryKeyService) in
    /// unit tests.
    pub fn key_service(mut self, service: impl KeyService + 'static) -> Self {
        self.keys = Some(Keys::Service(Arc::new(service)));
        self
    }

    /// How a tenant's alias is named; `alias/customer-{tenant}` unless configured.
    pub fn alias_template(mut self, template: impl Into<String>) -> Self {
        self.alias_template = Some(template.into());
        self
    }

    /// Adds a static pair to the encryption context, for example `env` and `prod`. It appears in CloudTrail.
    pub fn context(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.pairs.push((name.into(), value.into()));
        self
    }

    /// Names pairs that were configured before: items sealed with them still open, new items are not sealed with them.
    pub fn former_context<N: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.settings.former.push(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// Registers a record type. Several types may share one table.
    pub fn record<T: Record>(mut self) -> Self {
        self.schemas.push(TableSchema::of::<T>());
        self
    }

    /// Registers a table without a struct.
    pub fn table(mut self, schema: TableSchema) -> Self {
        self.schemas.push(Ok(schema));
        self
    }

    /// Stores the logical table `logical` in the physical table `physical`: for prefixes per stage, or a table restored under a
    /// new name. Items are bound to the logical name.
    ///
    /// Given as an ARN, it is that table of that account and Region: requests name it by its ARN, and by nothing else.
    pub fn table_name(mut self, logical: impl Into<String>, physical: impl Into<String>) -> Self {
        self.physical.push((logical.into(), physical.into()));
        self
    }

    /// How long one data key seals new items: a day unless configured, two at most.
    pub fn data_key_rotation(mut self, period: Duration) -> Self {
        self.settings.rotation = Some(period);
        self
    }

    /// How long a data key is used before KMS is asked again whether the tenant still allows it: 15 minutes unless configured.
    ///
    /// With [`outage_grace`](Self::outage_grace) this is the longest that a revoked tenant's items stay readable in a running
    /// process: at most a day together.
    pub fn data_key_revalidation(mut self, period: Duration) -> Self {
        self.settings.revalidation = Some(period);
        self
    }

    /// How much longer data keys are used while KMS is throttling or unavailable: 15 minutes unless configured; nothing is allowed.
    pub fn outage_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(grace);
        self
    }

    /// How long a tenant whose alias has never worked in this process is told to try again: 5 minutes unless configured, because a
    /// new alias takes that long. Afterwards AccessDenied and NotFound are final.
    pub fn onboarding_grace(mut self, grace: Duration) -> Self {
        self.settings.onboarding = Some(grace);
        self
    }

    /// The most data keys kept in memory, 100,000 unless configured; the tenants that were not used for longest go first.
    pub fn data_key_capacity(mut self, keys: u64) -> Self {
        self.settings.capacity = Some(keys);
        self
    }

    /// The most data keys kept of one tenant, 1,000 unless configured; its own least recently used go first.
    pub fn data_keys_per_tenant(mut self, keys: usize) -> Self {
        self.settings.share = Some(keys);
        self
    }

    /// The most calls to KMS and STS in flight: 256 unless configured.
    pub fn key_calls_in_flight(mut self, calls: usize) -> Self {
        self.settings.calls = Some(calls);
        self
    }

    /// The most of them for one tenant: 8 unless configured.
    pub fn key_calls_per_tenant(mut self, calls: usize) -> Self {
        self.settings.calls_per_tenant = Some(calls);
        self
    }

    /// Tells `sink` each use of a data key, those of cached keys too: before it seals or opens anything.
    pub fn audit(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(sink));
        self
    }

    /// Shares data keys with every process that uses this table: one new data key per tenant and rotation period, and not per process.
    ///
    /// See [`DynamoDbKeyTable`](tenantseal_kms::DynamoDbKeyTable). While the table fails, this process seals under data keys of its own.
    pub fn key_table(mut self, table: impl KeyTable + 'static) -> Self {
        self.settings.key_table = Some(Arc::new(table));
        self
    }

    /// Whether tenants' clients pass operations that touch no items, such as `DescribeTable` and `DeleteTable`: they do unless
    /// configured.
    ///
    /// These operations know no tenants: where they pass, IAM alone decides what a tenant's client may do to the table of all.
    pub fn control_plane(mut self, passes: bool) -> Self {
        self.without_control_plane = !passes;
        self
    }

    /// Leaves key records out of the items of the logical table `table`, which then refer to the key table: about 250 bytes less per
    /// item. **Who loses the key table loses these items.**
    ///
    /// It says how new items are stored; items stored otherwise open all the same, so it can be switched on and off.
    pub fn compact(mut self, table: impl Into<String>) -> Self {
        self.compact.push(table.into());
        self
    }

    /// Says that the encrypted `attribute` of the logical table `table` may hold any bytes: file contents, hashes, tokens of your own.
    ///
    /// Without it a binary value of 30 bytes and more that begins with `0x11` or `0x13`, as sealed values do, is refused as
    /// [sealed already](crate::SealError::AlreadySealed): one random value in 128. Of other types nothing is ever refused.
    pub fn own_bytes(mut self, table: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.own_bytes.push((table.into(), attribute.into()));
        self
    }

    /// Checks the configuration. `config` gives the Region, the credentials and the HTTP client of every AWS client.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names what is missing or contradicts itself.
    pub fn build(self, config: &SdkConfig) -> Result<TenantSeal, ConfigError> {
        let Self { keys, alias_template, settings, schemas, physical, compact, own_bytes, .. } = self;
        let Self { audit, partition, without_control_plane, .. } = self;
        match &partition {
            Some(wrong) if !is_partition(wrong) => return Err(ConfigError::Partition(wrong.clone())),
            Some(_) if !matches!(keys, Some(Keys::Ambient { .. })) => return Err(ConfigError::PartitionOfARole),
            _ => {}
        }
        if let (None, Some(table)) = (&settings.key_table, compact.first()) {
            return Err(ConfigError::CompactWithoutKeyTable(table.clone()));
        }
        let tables = tables(schemas, physical, compact, own_bytes)?;
        let aliases =
            alias_template.map_or(Ok(AliasTemplate::default()), |template| AliasTemplate::parse(&template))?;
        let service = keys.ok_or(ConfigError::NoKeys)?.service(config, aliases, partition.as_deref())?;
        let region = match (&settings.key_table, config.region()) {
            (Some(_), None) => return Err(ConfigError::NoRegion),
            (_, region) => region.map_or("", AsRef::as_ref),
        };
        let (time, retries) = (tenantseal_kms::config::time(config), tenantseal_kms::config::retries(config));
        let keys = settings.build(service, region, time.clone(), retries)?;
        TenantSeal::new(tables, keys, Audit::new(audit, time), !without_control_plane, config)
    }
}

impl Keys {
    fn service(
        self,
        config: &SdkConfig,
        aliases: AliasTemplate,
        partition: Option<&str>,
    ) -> Result<Arc<dyn KeyService>, ConfigError> {
        if let Self::Service(service) = self {
            return Ok(service);
        }
        // The SDK would print KMS's answers, data keys included, when trace logging is on as well.
        if std::env::var("LOG_SENSITIVE_BODIES").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(ConfigError::SensitiveBodiesLogged);
        }
        let region = config.region().ok_or(ConfigError::NoRegion)?.as_ref();
        Ok(match self {
            Self::AssumeRole(role) => {
                Arc::new(KmsKeyService::assume_role(config, Tenancy::new(RoleArn::parse(&role)?, aliases), region))
            }
            Self::Ambient { account } => {
                if !is_account_id(&account) {
                    return Err(ConfigError::Account(account));
                }
                Arc::new(KmsKeyService::ambient_credentials(config, aliases, &account, partition, region))
            }
            Self::Service(service) => service,
        })
    }
}

/// The schemas by physical table name, or ARN.
fn tables(
    schemas: Vec<Result<TableSchema, InvalidSchema>>,
    physical: Vec<(String, String)>,
    compact: Vec<String>,
    own_bytes: Vec<(String, String)>,
) -> Result<Tables, ConfigError> {
    let mut logical: BTreeMap<String, TableSchema> = BTreeMap::new();
    for schema in schemas {
        let schema = schema?;
        match logical.get_mut(schema.name()) {
            Some(other) => other.merge(schema)?,
            None => {
                logical.insert(schema.name().to_owned(), schema);
            }
        }
    }
    if logical.is_empty() {
        return Err(ConfigError::NoTables);
    }
    for name in compact {
        let table = logical.get_mut(&name).ok_or(ConfigError::CompactTable(name))?;
        table.set_record_place(KeyRecordPlacement::KeyTable);
    }
    for (name, attribute) in own_bytes {
        let encrypts = |table: &&mut TableSchema| table.may_encrypt(&attribute);
        match logical.get_mut(&name).filter(encrypts) {
            Some(table) => table.set_own_bytes(attribute),
            None => return Err(ConfigError::OwnBytes { table: name, attribute }),
        }
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (logical_name, physical_name) in physical {
        if !logical.contains_key(&logical_name) || names.insert(logical_name.clone(), physical_name).is_some() {
            return Err(ConfigError::TableName(logical_name));
        }
    }
    let mut tables = Tables::new();
    for (name, schema) in logical {
        let physical = names.remove(&name).unwrap_or(name);
        if physical.starts_with("arn:") && table_name(&physical) == physical {
            return Err(ConfigError::TableArn(physical));
        }
        match tables.entry(physical) {
            Entry::Vacant(free) => free.insert(Arc::new(schema)),
            Entry::Occupied(taken) => return Err(ConfigError::TableName(taken.key().clone())),
        };
    }
    Ok(tables)
}

impl fmt::Debug for TenantSealBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSealBuilder(..)")
    }
}

/// Why a configuration does not work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody said where data keys come from.
    #[error("no keys: call `assume_role`, `ambient_credentials` or `key_service`")]
    NoKeys,
    /// There is no table.
    #[error("no tables: register a record type with `record::<T>()`")]
    NoTables,
    /// The SDK's configuration has no Region.
    #[error(
        "the SDK configuration has no Region: set AWS_REGION, the profile's, or one when loading the configuration"
    )]
    NoRegion,
    /// The SDK's configuration has no HTTP client and the SDK was built without one.
    #[error("the SDK configuration has no HTTP client: enable `default-https-client` or set one")]
    NoHttpClient,
    /// An account is not 12 digits.
    #[error("`{0}` is not an AWS account id: it has 12 digits")]
    Account(String),
    /// A partition has another name.
    #[error("`{0}` is not a partition of AWS: its name is `aws` or begins with `aws-`")]
    Partition(String),
    /// A partition is configured for keys that are not reached with the configuration's own credentials.
    #[error("`partition` goes with `ambient_credentials` alone: a role's ARN names its own")]
    PartitionOfARole,
    /// The role's ARN is malformed.
    #[error(transparent)]
    Role(#[from] InvalidRoleArn),
    /// The alias template is malformed.
    #[error(transparent)]
    Alias(#[from] InvalidAliasTemplate),
    /// The encryption context, a time or a limit is out of range.
    #[error(transparent)]
    Keys(#[from] InvalidSettings),
    /// A record does not hold together, or two records disagree.
    #[error(transparent)]
    Schema(#[from] InvalidSchema),
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
    /// A compact table refers to a key table, and there is none.
    #[error("`compact`: table `{0}` needs a key table: call `key_table`")]
    CompactWithoutKeyTable(String),
    /// With this variable the SDK prints KMS's answers, plaintext data keys included, when trace logging is on.
    #[error("LOG_SENSITIVE_BODIES=true makes the AWS SDK log plaintext data keys: unset it")]
    SensitiveBodiesLogged,
}
