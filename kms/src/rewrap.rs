//! Wraps data keys anew by KMS ReEncrypt, which never shows their plaintext.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_types::SdkConfig;
use tenantseal_core::context::EncryptionContext;
use tenantseal_core::crypto::WrappedDataKey;
use tenantseal_core::format::KekId;
use tenantseal_core::keys::{CurrentKek, KeyServiceError, KeyServiceErrorKind, RewrapService, RewrappedDataKey};
use tenantseal_core::tenant::TenantId;

use crate::errors::classify;
use crate::service::{KEY_ID, checked_region, kek, pairs};
use crate::sessions::TenantSessions;
use crate::{InvalidKmsConfig, Tenancy, config};

const DESCRIBE: &str = "DescribeKey";
const REWRAP: &str = "ReEncrypt";

/// Wraps data keys of tenants' former KMS keys anew, in sessions of the role that [`Tenancy::rewrapped_by`] names.
///
/// ReEncrypt needs two permissions, on the former key and on the current one. Both are called by the tenant's aliases and
/// in its encryption context (KMS API reference, "ReEncrypt").
pub struct KmsRewrapService {
    kms: aws_sdk_kms::Client,
    sessions: TenantSessions,
    /// The aliases: those of the data role, whose keys these are.
    tenancy: Tenancy,
}

impl KmsRewrapService {
    /// Assumes the re-wrap role of `tenancy` with the credentials of `config`, once for each tenant. The keys lie in the
    /// Region of `config`.
    ///
    /// # Errors
    ///
    /// [`InvalidKmsConfig`] names what is missing.
    pub fn assume_role(config: &SdkConfig, tenancy: Tenancy) -> Result<Self, InvalidKmsConfig> {
        let region = checked_region(config)?.to_owned();
        let rewrap = tenancy.for_rewrap().ok_or(InvalidKmsConfig::NoRewrapRole)?;
        let sessions = TenantSessions::new(config, rewrap, region);
        Ok(Self { kms: aws_sdk_kms::Client::new(&config::single_attempts(config)), sessions, tenancy })
    }

    /// Runs `call` in the tenant's session, and once more in a new one when AWS refuses a cached one.
    async fn in_session<T, F>(
        &self,
        tenant: &TenantId,
        call: impl Fn(aws_sdk_kms::config::Builder) -> F,
    ) -> Result<T, KeyServiceError>
    where
        F: Future<Output = Result<T, KeyServiceError>>,
    {
        let credentials = self.sessions.credentials(tenant).await?;
        let answer = match call(with(credentials.clone())).await {
            Err(error) if error.kind() == KeyServiceErrorKind::Credentials => {
                self.sessions.forget(tenant, &credentials);
                call(with(self.sessions.credentials(tenant).await?)).await
            }
            result => result,
        };
        if answer.is_ok() {
            self.sessions.mark_proven(tenant);
        }
        answer
    }
}

#[async_trait]
impl RewrapService for KmsRewrapService {
    async fn current_kek(&self, tenant: &TenantId) -> Result<CurrentKek, KeyServiceError> {
        let alias = self.tenancy.alias(tenant);
        let answer = self
            .in_session(tenant, |config| {
                let request = self.kms.describe_key().key_id(alias.to_string()).customize().config_override(config);
                async move { request.send().await.map_err(|error| classify(tenant, DESCRIBE, error)) }
            })
            .await?;
        let request_id = answer.request_id().map(str::to_owned);
        let arn = answer.key_metadata.and_then(|key| key.arn);
        let kek = kek(arn.as_deref());
        let kek = kek.ok_or_else(|| KeyServiceError::new(tenant, DESCRIBE, KeyServiceErrorKind::Unexpected))?;
        Ok(CurrentKek::new(kek, request_id))
    }

    async fn rewrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        former: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<RewrappedDataKey, KeyServiceError> {
        let alias = self.tenancy.alias(tenant);
        let error = |kind| KeyServiceError::new(tenant, REWRAP, kind);
        let arn = former.aws().filter(|arn| arn.key_id().len() <= KEY_ID);
        let arn = arn.ok_or_else(|| error(KeyServiceErrorKind::IncorrectKey))?;
        let source = alias.for_key(arn.key_id());
        let answer = self
            .in_session(tenant, |config| {
                let request = self
                    .kms
                    .re_encrypt()
                    .source_key_id(source.to_string())
                    .destination_key_id(alias.to_string())
                    .ciphertext_blob(Blob::new(wrapped.as_bytes()))
                    .set_source_encryption_context(Some(pairs(context)))
                    .set_destination_encryption_context(Some(pairs(context)));
                let request = request.customize().config_override(config);
                async move { request.send().await.map_err(|error| classify(tenant, REWRAP, error)) }
            })
            .await
            .map_err(|error| match error.kind() {
                KeyServiceErrorKind::NotFound => error.with_missing_alias(source.clone(), former),
                _ => error,
            })?;
        let unexpected = || error(KeyServiceErrorKind::Unexpected);
        let request_id = answer.request_id().map(str::to_owned);
        let by = kek(answer.source_key_id.as_deref()).ok_or_else(unexpected)?;
        let current = kek(answer.key_id.as_deref()).ok_or_else(unexpected)?;
        let wrapped = answer.ciphertext_blob.ok_or_else(unexpected)?.into_inner();
        let wrapped = WrappedDataKey::new(wrapped).map_err(|source| unexpected().with_source(source))?;
        Ok(RewrappedDataKey::new(by, current, wrapped, request_id))
    }
}

fn with(credentials: Credentials) -> aws_sdk_kms::config::Builder {
    aws_sdk_kms::Config::builder().credentials_provider(SharedCredentialsProvider::new(credentials))
}

impl fmt::Debug for KmsRewrapService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KmsRewrapService(..)")
    }
}
