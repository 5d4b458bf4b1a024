//! Sessions of the data role, with and without their limits. The library's own sessions always have both.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::types::Tag;
use tenantseal::TenantId;
use tenantseal::keys::Tenancy;
use tenantseal_kms::errors::AwsErrorClass;

use crate::aws;
use crate::errors::{Failure, Result};

/// The session tag that names the tenant (docs/OPERATIONS.md, "Policies").
const TENANT_TAG: &str = "TenantId";
/// The shortest session that STS grants.
const DURATION_SECONDS: i32 = 900;

/// STS's answers when it refuses a service a session for a tenant: access is denied, tags and session policy are too
/// long together with inherited tags, or an inherited tag cannot be passed again.
pub(crate) const REFUSALS: [AwsErrorClass; 3] =
    [AwsErrorClass::AccessDenied, AwsErrorClass::SessionPolicyTooLarge, AwsErrorClass::InvalidRequest];

/// The limits of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// The tenant in the session's name; without one, this command's name.
    pub(crate) named: Option<&'a TenantId>,
    /// The tenant that the session tag names.
    pub(crate) tag: Option<&'a TenantId>,
    /// The tenant whose session policy is passed.
    pub(crate) policy: Option<&'a TenantId>,
}

impl<'a> Limits<'a> {
    /// All limits, as in the library.
    pub(crate) fn for_tenant(tenant: &'a TenantId) -> Self {
        Self { named: Some(tenant), tag: Some(tenant), policy: Some(tenant) }
    }
}

/// Opens sessions as a service does.
#[derive(Debug)]
pub(crate) struct Sessions {
    config: SdkConfig,
    sts: aws_sdk_sts::Client,
    tenancy: Tenancy,
    region: String,
}

impl Sessions {
    /// Sessions of the role of `tenancy`, assumed with the credentials of `config`.
    pub(crate) fn new(config: SdkConfig, tenancy: Tenancy) -> Result<Self> {
        let region = aws::region(&config)?;
        Ok(Self { sts: aws_sdk_sts::Client::new(&config), config, tenancy, region })
    }

    /// The Region of the sessions.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// A KMS client with a session within `limits`. The outer error is the command's, the inner one STS's.
    pub(crate) async fn assume(
        &self,
        limits: Limits<'_>,
    ) -> Result<Result<aws_sdk_kms::Client, SdkError<AssumeRoleError>>> {
        self.assume_in(&self.region, limits).await
    }

    /// The same in another Region, as a service there would call it.
    pub(crate) async fn assume_in(
        &self,
        region: &str,
        limits: Limits<'_>,
    ) -> Result<Result<aws_sdk_kms::Client, SdkError<AssumeRoleError>>> {
        let usage = |error: &dyn std::error::Error| Failure::usage(error.to_string());
        let policy = limits.policy.map(|tenant| self.tenancy.session_policy(tenant, region)).transpose();
        let policy = policy.map_err(|error| usage(&error))?.map(|policy| policy.to_string());
        let tag = limits.tag.map(|tenant| Tag::builder().key(TENANT_TAG).value(tenant.as_str()).build()).transpose();
        let tag = tag.map_err(|error| usage(&error))?;
        let name = limits.named.map_or_else(|| "tenantseal-doctor".to_owned(), TenantId::session_name);
        let answer = self
            .sts
            .assume_role()
            .role_arn(self.tenancy.role().as_str())
            .role_session_name(name)
            .set_policy(policy)
            .set_tags(tag.map(|tag| vec![tag]))
            .duration_seconds(DURATION_SECONDS)
            .send()
            .await;
        Ok(answer.map(|answer| {
            let granted = answer.credentials.map(|granted| {
                let (id, secret, token) = (granted.access_key_id, granted.secret_access_key, granted.session_token);
                SharedCredentialsProvider::new(Credentials::new(id, secret, Some(token), None, "tenantseal-cli"))
            });
            let mut config = self.config.to_builder();
            config.set_credentials_provider(granted);
            config.set_region(Region::new(region.to_owned()));
            aws_sdk_kms::Client::new(&config.build())
        }))
    }
}
