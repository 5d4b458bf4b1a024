//! The key service on AWS KMS, which always names a key by the tenant's alias.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_types::SdkConfig;
use tenantseal_core::context::EncryptionContext;
use tenantseal_core::crypto::{DataKey, WrappedDataKey};
use tenantseal_core::format::{KekId, KeyArn, is_account_id};
use tenantseal_core::keys::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, UnwrappedDataKey};
use tenantseal_core::telemetry;
use tenantseal_core::tenant::{Alias, AliasTemplate, TenantId};

use crate::Tenancy;
use crate::partition::{self, is_partition};
use crate::regions::{Failed, InvalidRegions, RegionList, Regions};
use crate::sessions::TenantSessions;

const GENERATE: &str = "GenerateDataKey";
const DECRYPT: &str = "Decrypt";
/// Length of a KMS key id in characters: a UUID, or `mrk-` and 32 digits.
pub(crate) const KEY_ID: usize = 36;

/// The key service on AWS KMS: data keys under each tenant's KMS key.
///
/// Every call names the key by the tenant's alias, Decrypt too: `kms:RequestAlias` is absent from a call that names no
/// alias, and the policies refuse such calls (KMS developer guide, "kms:RequestAlias").
pub struct KmsKeyService {
    kms: Regions<Place>,
    access: Access,
}

/// KMS in one Region.
#[derive(Debug)]
struct Place {
    kms: aws_sdk_kms::Client,
    region: String,
}

/// The credentials for KMS, and so how calls name the key.
enum Access {
    /// A session of the key account's role, scoped to the tenant. A bare alias resolves in that account.
    AssumedRole(Box<TenantSessions>),
    /// The credentials of the configuration. The alias ARN names the key's account.
    Ambient { aliases: AliasTemplate, account: String, partition: String },
}

impl KmsKeyService {
    /// Calls KMS in STS sessions, one per tenant: assumes the role of `tenancy` with the credentials of `config`.
    ///
    /// IAM isolates the tenants: [`Tenancy`] has the policies. The keys lie in the Region of `config`.
    ///
    /// ```no_run
    /// use tenantseal_core::{AliasTemplate, Vault};
    /// use tenantseal_kms::{KmsKeyService, RoleArn, Tenancy};
    ///
    /// # fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let role = RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?;
    /// let tenancy = Tenancy::new(role, AliasTemplate::parse("alias/customer-{tenant}")?);
    /// let vault = Vault::builder(KmsKeyService::assume_role(config, tenancy)?).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKmsConfig`] names what is missing.
    pub fn assume_role(config: &SdkConfig, tenancy: Tenancy) -> Result<Self, InvalidKmsConfig> {
        let region = checked_region(config)?;
        Ok(Self::assuming(config, tenancy, &RegionList::own(region)))
    }

    /// The same for multi-Region keys: calls KMS in the first of 1 to 8 Regions, and in the next one only while one is
    /// out.
    ///
    /// The first Region is that of `config`. One is out when it does not answer within a second (the last has the rest
    /// of the attempt's time), or fails with a status of 500 and more. Throttling and refusals are no outage: a tenant
    /// that a Region refuses is not served by a farther one, until that Region or a nearer one has a key for it again.
    /// One STS session of a tenant reaches all Regions. The policies must cover them: [`Tenancy::over`].
    ///
    /// ```no_run
    /// use tenantseal_core::AliasTemplate;
    /// use tenantseal_kms::{KmsKeyService, RoleArn, Tenancy};
    ///
    /// # fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let role = RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?;
    /// let tenancy = Tenancy::new(role, AliasTemplate::default());
    /// let service = KmsKeyService::assume_role_in(config, tenancy, ["eu-west-1", "eu-central-1"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKmsConfig`] names what is missing, or which Region does not do.
    pub fn assume_role_in(
        config: &SdkConfig,
        tenancy: Tenancy,
        regions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, InvalidKmsConfig> {
        let regions = regions.into_iter().map(Into::into).collect();
        let regions = RegionList::parse(checked_region(config)?, regions)?;
        Ok(Self::assuming(config, tenancy, &regions))
    }

    fn assuming(config: &SdkConfig, tenancy: Tenancy, regions: &RegionList) -> Self {
        let sessions = TenantSessions::in_regions(config, tenancy, regions);
        Self { kms: places(config, regions), access: Access::AssumedRole(Box::new(sessions)) }
    }

    /// Calls KMS with the credentials of `config` itself, for keys of `account` (12 digits). Without `partition`, the
    /// Region decides it.
    ///
    /// These credentials reach all tenants' keys, so this library isolates the tenants, but IAM does not.
    ///
    /// ```no_run
    /// use tenantseal_core::{AliasTemplate, Vault};
    /// use tenantseal_kms::KmsKeyService;
    ///
    /// # fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let aliases = AliasTemplate::default();
    /// let service = KmsKeyService::ambient_credentials(config, aliases, "111111111111", None)?;
    /// let vault = Vault::builder(service).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKmsConfig`] names what is missing or malformed.
    pub fn ambient_credentials(
        config: &SdkConfig,
        aliases: AliasTemplate,
        account: &str,
        partition: Option<&str>,
    ) -> Result<Self, InvalidKmsConfig> {
        let regions = RegionList::own(checked_region(config)?);
        Self::ambient(config, aliases, account, partition, &regions)
    }

    /// The same for multi-Region keys in 1 to 8 Regions: see [`assume_role_in`](Self::assume_role_in).
    ///
    /// # Errors
    ///
    /// [`InvalidKmsConfig`] names what is missing or malformed, or which Region does not do.
    pub fn ambient_credentials_in(
        config: &SdkConfig,
        aliases: AliasTemplate,
        account: &str,
        partition: Option<&str>,
        regions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, InvalidKmsConfig> {
        let regions = regions.into_iter().map(Into::into).collect();
        let regions = RegionList::parse(checked_region(config)?, regions)?;
        Self::ambient(config, aliases, account, partition, &regions)
    }

    fn ambient(
        config: &SdkConfig,
        aliases: AliasTemplate,
        account: &str,
        partition: Option<&str>,
        regions: &RegionList,
    ) -> Result<Self, InvalidKmsConfig> {
        if !is_account_id(account) {
            return Err(InvalidKmsConfig::Account(account.to_owned()));
        }
        let partition = partition.unwrap_or_else(|| partition::for_region(regions.near()));
        if !is_partition(partition) {
            return Err(InvalidKmsConfig::Partition(partition.to_owned()));
        }
        let (account, partition) = (account.to_owned(), partition.to_owned());
        Ok(Self { kms: places(config, regions), access: Access::Ambient { aliases, account, partition } })
    }

    /// The alias of the tenant's current key.
    fn alias(&self, tenant: &TenantId) -> Alias {
        match &self.access {
            Access::AssumedRole(sessions) => sessions.tenancy().alias(tenant),
            Access::Ambient { aliases, .. } => aliases.alias(tenant),
        }
    }

    /// How a call in a Region names the key behind an alias.
    fn key_id(&self, region: &str, alias: &Alias) -> String {
        match &self.access {
            Access::AssumedRole(_) => alias.to_string(),
            Access::Ambient { account, partition, .. } => format!("arn:{partition}:kms:{region}:{account}:{alias}"),
        }
    }

    async fn decrypt(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        alias: &Alias,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        let ask = |place: &Place, credentials, time| {
            let request = place
                .kms
                .decrypt()
                .key_id(self.key_id(&place.region, alias))
                .ciphertext_blob(Blob::new(wrapped.as_bytes()))
                .set_encryption_context(Some(pairs(context)));
            let request = request.customize().config_override(with(credentials, time));
            async move { request.send().await.map_err(|error| Failed::of(tenant, DECRYPT, error)) }
        };
        let of_tenant = *alias == self.alias(tenant);
        let answer = self.ask(tenant, DECRYPT, of_tenant, ask).await?;
        let unexpected = || KeyServiceError::new(tenant, DECRYPT, KeyServiceErrorKind::Unexpected);
        let request_id = answer.request_id().map(str::to_owned);
        let plaintext = answer.plaintext.ok_or_else(unexpected)?;
        // Whoever may make data keys may wrap one of another length: only this key record is invalid then.
        let data_key = DataKey::take(plaintext.into_inner()).map_err(|source| {
            KeyServiceError::new(tenant, DECRYPT, KeyServiceErrorKind::InvalidCiphertext).with_source(source)
        })?;
        let kek = kek(answer.key_id.as_deref()).ok_or_else(unexpected)?;
        Ok(UnwrappedDataKey::new(data_key, kek).with_request_id(request_id))
    }

    /// Asks KMS in a Region that answers, with the tenant's credentials.
    async fn ask<T, F>(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        of_tenant: bool,
        call: impl Fn(&Place, Option<Credentials>, Option<TimeoutConfig>) -> F,
    ) -> Result<T, KeyServiceError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let call = &call;
        let in_region = |place, time: Option<TimeoutConfig>| {
            self.with_credentials(tenant, move |credentials| call(place, credentials, time.clone()))
        };
        self.kms.ask(tenant, operation, of_tenant, in_region).await
    }

    /// Runs `call` with the tenant's credentials, and once more with new ones when AWS refuses cached ones.
    async fn with_credentials<T, F>(
        &self,
        tenant: &TenantId,
        call: impl Fn(Option<Credentials>) -> F,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let Access::AssumedRole(sessions) = &self.access else { return call(None).await };
        let credentials = async || sessions.credentials(tenant).await.map_err(Failed::Unsent);
        let first = credentials().await?;
        let answer = match call(Some(first.clone())).await {
            Err(failed) if failed.error().kind() == KeyServiceErrorKind::Credentials => {
                telemetry::record_refused_credentials(failed.error().operation());
                sessions.forget(tenant, &first);
                call(Some(credentials().await?)).await
            }
            result => result,
        };
        if answer.is_ok() {
            sessions.mark_proven(tenant);
        }
        answer
    }
}

#[async_trait]
impl KeyService for KmsKeyService {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        let ask = |place: &Place, credentials, time| {
            let request = place
                .kms
                .generate_data_key()
                .key_id(self.key_id(&place.region, &self.alias(tenant)))
                .key_spec(DataKeySpec::Aes256)
                .set_encryption_context(Some(pairs(context)));
            let request = request.customize().config_override(with(credentials, time));
            async move { request.send().await.map_err(|error| Failed::of(tenant, GENERATE, error)) }
        };
        let answer = self.ask(tenant, GENERATE, true, ask).await?;
        let unexpected = || KeyServiceError::new(tenant, GENERATE, KeyServiceErrorKind::Unexpected);
        let request_id = answer.request_id().map(str::to_owned);
        let data_key = data_key(answer.plaintext).ok_or_else(unexpected)?;
        let wrapped = answer.ciphertext_blob.ok_or_else(unexpected)?.into_inner();
        let wrapped = WrappedDataKey::new(wrapped).map_err(|source| unexpected().with_source(source))?;
        let kek = kek(answer.key_id.as_deref()).ok_or_else(unexpected)?;
        Ok(GeneratedDataKey::new(data_key, wrapped, kek).with_request_id(request_id))
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        _kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.decrypt(tenant, context, &self.alias(tenant), wrapped).await
    }

    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        // A key id fits the alphabet of aliases. But a key record may name one that is too long for the alias, or
        // another provider's.
        let arn = kek.aws().filter(|arn| arn.key_id().len() <= KEY_ID);
        let arn = arn.ok_or_else(|| KeyServiceError::new(tenant, DECRYPT, KeyServiceErrorKind::IncorrectKey))?;
        let alias = self.alias(tenant).for_key(arn.key_id());
        self.decrypt(tenant, context, &alias, wrapped).await.map_err(|error| match error.kind() {
            KeyServiceErrorKind::NotFound => error.with_missing_alias(alias, kek),
            _ => error,
        })
    }

    async fn forget(&self, tenant: &TenantId) {
        self.kms.forget(tenant);
        if let Access::AssumedRole(sessions) = &self.access {
            sessions.evict(tenant);
        }
    }
}

impl fmt::Debug for KmsKeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KmsKeyService(..)")
    }
}

/// The Region of a configuration with which no data key is logged.
pub(crate) fn checked_region(config: &SdkConfig) -> Result<&str, InvalidKmsConfig> {
    // The SDK would print KMS's answers, data keys included, when trace logging is on as well.
    if std::env::var("LOG_SENSITIVE_BODIES").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(InvalidKmsConfig::SensitiveBodiesLogged);
    }
    Ok(config.region().ok_or(InvalidKmsConfig::NoRegion)?.as_ref())
}

/// Why a configuration makes no [`KmsKeyService`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKmsConfig {
    /// The SDK's configuration has no Region.
    #[error(
        "the SDK configuration has no Region: set AWS_REGION, or a Region in the profile or in the code that loads \
         the configuration"
    )]
    NoRegion,
    /// The tenancy names no role that wraps data keys anew.
    #[error("no role wraps data keys anew: name it with `Tenancy::rewrapped_by`")]
    NoRewrapRole,
    /// An account is not 12 digits.
    #[error("`{0}` is not an AWS account id: it has 12 digits")]
    Account(String),
    /// A partition has another name.
    #[error("`{0}` is not an AWS partition: use `aws`, or a name that begins with `aws-`")]
    Partition(String),
    /// With this variable the SDK prints KMS's answers, plaintext data keys included, when trace logging is on.
    #[error("LOG_SENSITIVE_BODIES=true makes the AWS SDK log plaintext data keys: unset it")]
    SensitiveBodiesLogged,
    /// The list of Regions does not do.
    #[error(transparent)]
    Regions(#[from] InvalidRegions),
}

fn places(config: &SdkConfig, regions: &RegionList) -> Regions<Place> {
    let place =
        |config: &SdkConfig, region: &str| Place { kms: aws_sdk_kms::Client::new(config), region: region.to_owned() };
    Regions::new(config, regions, place)
}

fn with(credentials: Option<Credentials>, time: Option<TimeoutConfig>) -> aws_sdk_kms::config::Builder {
    let mut config = aws_sdk_kms::Config::builder();
    config.set_timeout_config(time);
    if let Some(credentials) = credentials {
        config.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)));
    }
    config
}

pub(crate) fn pairs(context: &EncryptionContext) -> std::collections::HashMap<String, String> {
    context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Moves the key out of the SDK's blob without a copy; the bytes are zeroized.
fn data_key(plaintext: Option<Blob>) -> Option<DataKey> {
    DataKey::take(plaintext?.into_inner()).ok()
}

pub(crate) fn kek(key_id: Option<&str>) -> Option<KekId> {
    KeyArn::parse(key_id?).ok().map(KekId::from)
}
