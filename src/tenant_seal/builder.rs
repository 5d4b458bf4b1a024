//! Configuration: setters never fail, `build` checks everything once.

mod adopt;
mod claims;
mod data_keys;
mod lock;
mod tables;

use std::fmt;
use std::sync::Arc;

use aws_types::SdkConfig;
use tenantseal_core::audit::AuditSink;
use tenantseal_core::keys::{KeyService, KeyTable, Settings};
use tenantseal_core::tenant::AliasTemplate;
use tenantseal_core::trail::Audit;
use tenantseal_kms::partition::is_partition;
use tenantseal_kms::{KmsKeyService, RoleArn, Tenancy};

use super::TenantSeal;
#[cfg(feature = "s3")]
use super::buckets::Buckets;
use super::leaves::Ledger;
use crate::claims::ClaimsTable;
use crate::error::ConfigError;
use crate::schema::{InvalidSchema, TableSchema};

/// Configures a [`TenantSeal`]. Nothing is checked before [`TenantSealBuilder::build`].
#[must_use = "nothing is configured before `build`"]
#[derive(Default)]
pub struct TenantSealBuilder {
    keys: Option<Keys>,
    partition: Option<String>,
    regions: Option<Vec<String>>,
    alias_template: Option<String>,
    settings: Settings,
    schemas: Vec<Result<TableSchema, InvalidSchema>>,
    physical: Vec<(String, String)>,
    compact: Vec<String>,
    own_bytes: Vec<(String, String)>,
    lock: Option<String>,
    audit: Option<Arc<dyn AuditSink>>,
    claims: Option<ClaimsTable>,
    ledger: Option<Arc<dyn KeyTable>>,
    adopted: Vec<(String, String)>,
    without_control_plane: bool,
    #[cfg(feature = "s3")]
    buckets: Vec<tenantseal_blobs::Bucket>,
    #[cfg(feature = "s3")]
    s3: Option<tenantseal_blobs::aws_sdk_s3::Client>,
}

enum Keys {
    AssumeRole(String),
    Tenancy(Box<Tenancy>),
    Ambient { account: String },
    Service(Arc<dyn KeyService>),
}

impl TenantSealBuilder {
    /// Reaches the tenants' KMS keys by assuming this role of the key account, once per tenant.
    ///
    /// ```
    /// let builder = tenantseal::TenantSeal::builder().assume_role("arn:aws:iam::111111111111:role/TenantKeys");
    /// ```
    pub fn assume_role(mut self, role_arn: impl Into<String>) -> Self {
        self.keys = Some(Keys::AssumeRole(role_arn.into()));
        self
    }

    /// Reaches the tenants' KMS keys by the role and the aliases of `tenancy`, which also makes your IAM policies.
    ///
    /// Use it in place of [`assume_role`](Self::assume_role) and [`alias_template`](Self::alias_template) where a
    /// [`Tenancy`] exists already, or needs another [`Scope`](tenantseal_kms::Scope) than the default.
    ///
    /// ```
    /// use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
    ///
    /// let role = RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?;
    /// let tenancy = Tenancy::new(role, AliasTemplate::default());
    /// let builder = tenantseal::TenantSeal::builder().tenancy(tenancy);
    /// # Ok::<_, tenantseal::keys::InvalidRoleArn>(())
    /// ```
    pub fn tenancy(mut self, tenancy: Tenancy) -> Self {
        self.keys = Some(Keys::Tenancy(Box::new(tenancy)));
        self
    }

    /// Reaches the tenants' KMS keys, which lie in `account` (12 digits), with the credentials of the configuration.
    ///
    /// IAM then does not separate tenants in this process; the encryption context and this library still do.
    ///
    /// ```
    /// let builder = tenantseal::TenantSeal::builder().ambient_credentials("111111111111");
    /// ```
    pub fn ambient_credentials(mut self, account: impl Into<String>) -> Self {
        self.keys = Some(Keys::Ambient { account: account.into() });
        self
    }

    /// The AWS partition of the keys of [`ambient_credentials`](Self::ambient_credentials).
    ///
    /// Default: the partition of the Region, as far as this release knows it. A role's ARN names its own partition.
    ///
    /// ```
    /// let builder = tenantseal::TenantSeal::builder().ambient_credentials("111111111111").partition("aws-cn");
    /// ```
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// Calls KMS in the first of 1 to 8 Regions, and in the next one only while one is out: for tenants whose KMS keys
    /// are multi-Region keys with replicas there.
    ///
    /// The first is the Region of the SDK's configuration. [`KmsKeyService::assume_role_in`] says what counts as an
    /// outage, and docs/OPERATIONS.md what the policies need.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.regions(["eu-west-1", "eu-central-1"]);
    /// ```
    pub fn regions(mut self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.regions = Some(regions.into_iter().map(Into::into).collect());
        self
    }

    /// Takes data keys from your own implementation, or from [`InMemoryKeyService`](tenantseal_core::keys::InMemoryKeyService)
    /// in unit tests.
    ///
    /// ```
    /// use tenantseal::keys::InMemoryKeyService;
    ///
    /// let builder = tenantseal::TenantSeal::builder().key_service(InMemoryKeyService::new());
    /// ```
    pub fn key_service(mut self, service: impl KeyService + 'static) -> Self {
        self.keys = Some(Keys::Service(Arc::new(service)));
        self
    }

    /// The template of the tenants' aliases. Default: `alias/customer-{tenant}`.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.alias_template("alias/prod/tenant-{tenant}");
    /// ```
    pub fn alias_template(mut self, template: impl Into<String>) -> Self {
        self.alias_template = Some(template.into());
        self
    }

    /// Adds a static pair to the encryption context. The pair appears in CloudTrail.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.context("env", "prod");
    /// ```
    pub fn context(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.pairs.push((name.into(), value.into()));
        self
    }

    /// Names pairs that were configured before. Items sealed with them still open; new items are sealed without them.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.context("env", "prod").former_context([("stage", "production")]);
    /// ```
    pub fn former_context<N: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.settings.former.push(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// Reports each use of a data key to `sink`, before the key seals or opens anything. Uses of cached keys are reported too.
    ///
    /// ```
    /// use tenantseal::audit::{AuditSink, DataKeyUse};
    ///
    /// #[derive(Debug)]
    /// struct Trail;
    ///
    /// impl AuditSink for Trail {
    ///     fn record(&self, data_key: &DataKeyUse<'_>) {
    ///         println!("{data_key:?}");
    ///     }
    /// }
    ///
    /// let builder = tenantseal::TenantSeal::builder().audit(Trail);
    /// ```
    pub fn audit(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(sink));
        self
    }

    /// Shares data keys with every process that uses this table: 1 new data key per tenant and rotation period for the fleet,
    /// instead of 1 per process.
    ///
    /// See [`DynamoDbKeyTable`](tenantseal_kms::DynamoDbKeyTable). While the table fails, this process seals under data keys of
    /// its own.
    ///
    /// ```
    /// use tenantseal::keys::DynamoDbKeyTable;
    ///
    /// # fn example(config: &aws_types::SdkConfig) {
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.key_table(DynamoDbKeyTable::new(config, "tenantseal-keys"));
    /// # }
    /// ```
    pub fn key_table(mut self, table: impl KeyTable + 'static) -> Self {
        self.settings.key_table = Some(Arc::new(table));
        self
    }

    /// Whether tenants' clients pass operations that touch no items, such as `DescribeTable` and `DeleteTable`. Default: yes.
    ///
    /// These operations know no tenants. Where they pass, IAM alone decides what a tenant's client may do to the shared table.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.control_plane(false);
    /// ```
    pub fn control_plane(mut self, passes: bool) -> Self {
        self.without_control_plane = !passes;
        self
    }

    /// Adds a bucket of tenants' objects: see [`Tenant::blobs`](crate::Tenant::blobs). With a bucket, a table is not
    /// needed.
    ///
    /// ```
    /// use tenantseal::blobs::Bucket;
    ///
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.bucket(Bucket::new("documents").physical("prod-documents-7f3").prefix("{tenant}/"));
    /// ```
    #[cfg(feature = "s3")]
    pub fn bucket(mut self, bucket: tenantseal_blobs::Bucket) -> Self {
        self.buckets.push(bucket);
        self
    }

    /// The client for all buckets. Default: one of the configuration that [`build`](Self::build) gets.
    ///
    /// Give one of your own for other timeouts, retries or endpoints than those of DynamoDB: an object of 1 GiB takes
    /// longer than an item.
    ///
    /// ```
    /// # fn example(config: &aws_types::SdkConfig, builder: tenantseal::TenantSealBuilder) {
    /// use tenantseal::blobs::aws_sdk_s3;
    ///
    /// let patient = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    /// let builder = builder.s3_client(aws_sdk_s3::Client::from_conf(patient));
    /// # }
    /// ```
    #[cfg(feature = "s3")]
    pub fn s3_client(mut self, client: tenantseal_blobs::aws_sdk_s3::Client) -> Self {
        self.s3 = Some(client);
        self
    }

    /// Checks the configuration. `config` supplies the Region, credentials and HTTP client of every AWS client.
    ///
    /// ```
    /// use tenantseal::keys::InMemoryKeyService;
    /// use tenantseal::schema::TableSchema;
    /// use tenantseal::{TenantId, TenantSeal};
    ///
    /// # fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let crm = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").encrypt("email").build()?;
    /// let seal = TenantSeal::builder().key_service(InMemoryKeyService::new()).table(crm).build(config)?;
    /// let acme = seal.tenant(&TenantId::parse("acme")?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names what is missing or contradictory.
    pub fn build(self, config: &SdkConfig) -> Result<TenantSeal, ConfigError> {
        let Self { keys, alias_template, mut settings, schemas, physical, compact, own_bytes, .. } = self;
        let Self { audit, claims, partition, regions, without_control_plane, ledger, adopted, .. } = self;
        match &partition {
            Some(wrong) if !is_partition(wrong) => return Err(ConfigError::Partition(wrong.clone())),
            Some(_) if !matches!(keys, Some(Keys::Ambient { .. })) => return Err(ConfigError::PartitionOfARole),
            _ => {}
        }
        if let (Some(Keys::Service(_)), Some(_)) = (&keys, &regions) {
            return Err(ConfigError::RegionsOfAKeyService);
        }
        if let (Some(Keys::Tenancy(_)), Some(_)) = (&keys, &alias_template) {
            return Err(ConfigError::AliasTemplateOfATenancy);
        }
        if let (None, Some(table)) = (&settings.key_table, compact.first()) {
            return Err(ConfigError::CompactWithoutKeyTable(table.clone()));
        }
        let mut tables = tables::collect(schemas, physical, compact, own_bytes)?;
        lock::check(self.lock.as_deref(), &tables)?;
        let is_adopting = adopt::apply(adopted, &mut tables, ledger.is_some())?;
        settings.lookups = tables::lookups(&tables);
        claims::check(&tables, claims.as_ref(), settings.key_table.as_deref())?;
        #[cfg(feature = "s3")]
        let buckets = Buckets::new(self.buckets, self.s3, config)?;
        #[cfg(feature = "s3")]
        let has_buckets = !buckets.is_empty();
        #[cfg(not(feature = "s3"))]
        let has_buckets = false;
        if tables.is_empty() && !has_buckets {
            return Err(ConfigError::NoTables);
        }
        let aliases =
            alias_template.map_or(Ok(AliasTemplate::default()), |template| AliasTemplate::parse(&template))?;
        let keys = keys.ok_or(ConfigError::NoKeyService)?;
        let service = keys.service(config, aliases, partition.as_deref(), regions)?;
        let region = match (&settings.key_table, config.region()) {
            (Some(_), None) => return Err(ConfigError::NoRegion),
            (_, region) => region.map_or("", AsRef::as_ref),
        };
        let (time, retries) = (tenantseal_kms::config::time(config), tenantseal_kms::config::retries(config));
        let keys = settings.build(service, region, time.clone(), retries)?;
        let ledger = Ledger::new(ledger, is_adopting, time.clone());
        let audit = Audit::new(audit, time);
        TenantSeal::new(
            tables,
            keys,
            audit,
            (claims, ledger),
            !without_control_plane,
            config,
            #[cfg(feature = "s3")]
            buckets,
        )
    }
}

impl Keys {
    fn service(
        self,
        config: &SdkConfig,
        aliases: AliasTemplate,
        partition: Option<&str>,
        regions: Option<Vec<String>>,
    ) -> Result<Arc<dyn KeyService>, ConfigError> {
        let tenancy = match self {
            Self::Service(service) => return Ok(service),
            Self::Ambient { account } => {
                return Ok(Arc::new(match regions {
                    None => KmsKeyService::ambient_credentials(config, aliases, &account, partition)?,
                    Some(regions) => {
                        KmsKeyService::ambient_credentials_in(config, aliases, &account, partition, regions)?
                    }
                }));
            }
            Self::AssumeRole(role) => Tenancy::new(RoleArn::parse(&role)?, aliases),
            Self::Tenancy(tenancy) => *tenancy,
        };
        Ok(Arc::new(match regions {
            None => KmsKeyService::assume_role(config, tenancy)?,
            Some(regions) => KmsKeyService::assume_role_in(config, tenancy, regions)?,
        }))
    }
}

impl fmt::Debug for TenantSealBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSealBuilder(..)")
    }
}
