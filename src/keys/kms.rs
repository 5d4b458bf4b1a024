//! Data keys from AWS KMS, always by the tenant's alias.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_kms::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::operation::generate_data_key::GenerateDataKeyError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use aws_types::SdkConfig;

use super::credentials::TenantSessions;
use super::failure::{LIMIT_EXCEEDED, classified};
use super::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, Tenancy, UnwrappedDataKey, http};
use crate::context::EncryptionContext;
use crate::crypto::{DataKey, WrappedKey};
use crate::format::KeyArn;
use crate::tenant::{AliasTemplate, TenantId};

const GENERATE: &str = "GenerateDataKey";
const DECRYPT: &str = "Decrypt";

/// Data keys under each tenant's KMS key.
///
/// Every call names the key by the tenant's alias, Decrypt too: `kms:RequestAlias` is absent from a call that names no alias, and
/// the policies refuse such calls (KMS developer guide, "kms:RequestAlias").
pub struct KmsKeyService {
    kms: aws_sdk_kms::Client,
    access: Access,
}

/// With whose credentials KMS is called, and so how the key is named.
enum Access {
    /// A session of the key account's role, scoped to the tenant. A bare alias resolves in that account.
    AssumedRole(Box<TenantSessions>),
    /// The credentials of the configuration. The alias ARN says in which account the key is.
    Ambient { aliases: AliasTemplate, arn_prefix: String },
}

impl KmsKeyService {
    /// Assumes the role of `tenancy` once per tenant. `config` names the Region and the credentials that may assume it.
    pub(crate) fn assume_role(config: &SdkConfig, tenancy: Tenancy, region: &str) -> Self {
        let sessions = TenantSessions::new(config, tenancy, region.to_owned());
        Self { kms: kms_client(config), access: Access::AssumedRole(Box::new(sessions)) }
    }

    /// Calls KMS with the credentials of `config` itself, for keys of `account` (12 digits).
    pub(crate) fn ambient(config: &SdkConfig, aliases: AliasTemplate, account: &str, region: &str) -> Self {
        let partition = match region.split('-').next() {
            Some("cn") => "aws-cn",
            Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let arn_prefix = format!("arn:{partition}:kms:{region}:{account}:");
        Self { kms: kms_client(config), access: Access::Ambient { aliases, arn_prefix } }
    }

    /// How a call for `tenant` names its key.
    fn key_id(&self, tenant: &TenantId) -> String {
        match &self.access {
            Access::AssumedRole(sessions) => sessions.tenancy().alias(tenant).to_string(),
            Access::Ambient { aliases, arn_prefix } => format!("{arn_prefix}{}", aliases.alias(tenant)),
        }
    }

    /// Runs `call` with the tenant's credentials; once more with new ones when AWS refuses those that were cached.
    async fn with_credentials<T, F>(
        &self,
        tenant: &TenantId,
        call: impl Fn(Option<Credentials>) -> F,
    ) -> Result<T, KeyServiceError>
    where
        F: Future<Output = Result<T, KeyServiceError>>,
    {
        let Access::AssumedRole(sessions) = &self.access else { return call(None).await };
        let credentials = sessions.credentials(tenant).await?;
        match call(Some(credentials.clone())).await {
            Err(error) if error.kind() == KeyServiceErrorKind::Credentials => {
                sessions.forget(tenant, &credentials).await;
                call(Some(sessions.credentials(tenant).await?)).await
            }
            result => result,
        }
    }
}

#[async_trait]
impl KeyService for KmsKeyService {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        let answer = self
            .with_credentials(tenant, |credentials| {
                let request = self
                    .kms
                    .generate_data_key()
                    .key_id(self.key_id(tenant))
                    .key_spec(DataKeySpec::Aes256)
                    .set_encryption_context(Some(pairs(context)));
                let request = request.customize().config_override(with(credentials));
                async move { request.send().await.map_err(|error| classified(tenant, GENERATE, error)) }
            })
            .await?;
        let unexpected = || KeyServiceError::new(tenant, GENERATE, KeyServiceErrorKind::Unexpected);
        let data_key = data_key(answer.plaintext).ok_or_else(unexpected)?;
        let wrapped = answer.ciphertext_blob.ok_or_else(unexpected)?.into_inner();
        let wrapped = WrappedKey::new(wrapped).map_err(|source| unexpected().with_source(source))?;
        let kek = key_arn(answer.key_id.as_deref()).ok_or_else(unexpected)?;
        tracing::debug!(tenant = tenant.as_str(), operation = GENERATE, "made a data key");
        Ok(GeneratedDataKey { data_key, wrapped, kek })
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        _kek: &KeyArn,
        wrapped: &WrappedKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        let answer = self
            .with_credentials(tenant, |credentials| {
                let request = self
                    .kms
                    .decrypt()
                    .key_id(self.key_id(tenant))
                    .ciphertext_blob(Blob::new(wrapped.as_bytes()))
                    .set_encryption_context(Some(pairs(context)));
                let request = request.customize().config_override(with(credentials));
                async move { request.send().await.map_err(|error| classified(tenant, DECRYPT, error)) }
            })
            .await?;
        let unexpected = || KeyServiceError::new(tenant, DECRYPT, KeyServiceErrorKind::Unexpected);
        let data_key = data_key(answer.plaintext).ok_or_else(unexpected)?;
        let kek = key_arn(answer.key_id.as_deref()).ok_or_else(unexpected)?;
        tracing::debug!(tenant = tenant.as_str(), operation = DECRYPT, "unwrapped a data key");
        Ok(UnwrappedDataKey { data_key, kek })
    }

    async fn forget(&self, tenant: &TenantId) {
        if let Access::AssumedRole(sessions) = &self.access {
            sessions.evict(tenant).await;
        }
    }
}

impl fmt::Debug for KmsKeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KmsKeyService(..)")
    }
}

fn kms_client(config: &SdkConfig) -> aws_sdk_kms::Client {
    let config = http::quiet(config);
    let config = aws_sdk_kms::config::Builder::from(&config).retry_classifier(PermanentLimits).build();
    aws_sdk_kms::Client::from_conf(config)
}

fn with(credentials: Option<Credentials>) -> aws_sdk_kms::config::Builder {
    let mut config = aws_sdk_kms::Config::builder();
    if let Some(credentials) = credentials {
        config.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)));
    }
    config
}

fn pairs(context: &EncryptionContext) -> std::collections::HashMap<String, String> {
    context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Takes the key out of the SDK's blob without a copy; the bytes are zeroized.
fn data_key(plaintext: Option<Blob>) -> Option<DataKey> {
    DataKey::take(plaintext?.into_inner()).ok()
}

fn key_arn(key_id: Option<&str>) -> Option<KeyArn> {
    KeyArn::parse(key_id?).ok()
}

/// The SDK takes LimitExceededException for throttling and retries it; in KMS it is a quota or a length, and permanent.
#[derive(Debug)]
struct PermanentLimits;

impl ClassifyRetry for PermanentLimits {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let code = error.as_operation_error().and_then(|error| {
            let generate = error.downcast_ref::<GenerateDataKeyError>().and_then(ProvideErrorMetadata::code);
            generate.or_else(|| error.downcast_ref::<DecryptError>().and_then(ProvideErrorMetadata::code))
        });
        match code {
            Some(LIMIT_EXCEEDED) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "permanent limits of KMS"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_before(RetryClassifierPriority::http_status_code_classifier())
    }
}
