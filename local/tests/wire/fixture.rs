//! An account with a role for tenants' data, and what the tests do with it again and again.

use std::fmt::Debug;

use aws_sdk_kms::{
    Client as Kms,
    config::{Credentials, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::generate_data_key::builders::GenerateDataKeyFluentBuilder,
    types::DataKeySpec,
};
use aws_sdk_sts::{Client as Sts, operation::assume_role::builders::AssumeRoleFluentBuilder};
use serde_json::{Value, json};
use tenantseal_local::{AccessKey, Account, Stack};

pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const OTHER_ACCOUNT: &str = "222222222222";
pub(crate) const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";

/// A stack whose role `TenantKeys` may use the keys behind all aliases `alias/customer-*`, and nothing else.
pub(crate) struct Fixture {
    pub(crate) stack: Stack,
    pub(crate) account: Account,
    pub(crate) admin: AccessKey,
    pub(crate) kms: Kms,
    pub(crate) sts: Sts,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let stack = Stack::start().await.unwrap();
        let account = stack.account(ACCOUNT).unwrap();
        let admin = account.user("admin").permission(allow("*")).create().unwrap();
        let tenants = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:us-east-1:111111111111:key/*",
            "Condition": { "StringLike": { "kms:RequestAlias": "alias/customer-*" } } });
        account.role("TenantKeys").trust(trust(&account.root_arn())).permission(document([tenants])).create().unwrap();
        // Every request of these clients is one call, however it ends.
        let config = stack.sdk_config(&admin).into_builder().retry_config(RetryConfig::disabled()).build();
        let (kms, sts) = (Kms::new(&config), Sts::new(&config));
        Self { stack, account, admin, kms, sts }
    }

    /// Creates a key with this policy, or the default one, and an alias.
    pub(crate) async fn key(&self, alias: &str, policy: Option<Value>) -> String {
        let policy = policy.map(|policy| policy.to_string());
        let key = self.kms.create_key().set_policy(policy).send().await.unwrap().key_metadata.unwrap();
        self.kms.create_alias().alias_name(alias).target_key_id(&key.key_id).send().await.unwrap();
        key.arn.unwrap()
    }

    /// Creates a tenant's key under the policy that the operations guide recommends.
    pub(crate) async fn tenant_key(&self, tenant: &str) -> String {
        self.key(&alias(tenant), Some(key_policy(tenant))).await
    }

    pub(crate) fn assume(&self, role: &str) -> AssumeRoleFluentBuilder {
        self.sts.assume_role().role_arn(role).role_session_name("acme-1")
    }

    /// KMS as the tenants' role, limited by this session policy.
    pub(crate) async fn session(&self, policy: Option<Value>) -> Kms {
        let request = self.assume(ROLE).set_policy(policy.map(|policy| policy.to_string()));
        self.client(credentials(request).await)
    }

    /// KMS as the tenants' role, limited to one tenant.
    pub(crate) async fn tenant(&self, tenant: &str) -> Kms {
        self.session(Some(session_policy(tenant))).await
    }

    pub(crate) fn client(&self, credentials: impl Into<Credentials>) -> Kms {
        Kms::new(&self.stack.sdk_config(credentials))
    }
}

pub(crate) async fn credentials(request: AssumeRoleFluentBuilder) -> Credentials {
    let session = request.send().await.unwrap().credentials.unwrap();
    Credentials::new(session.access_key_id, session.secret_access_key, Some(session.session_token), None, "session")
}

pub(crate) fn alias(tenant: &str) -> String {
    format!("alias/customer-{tenant}")
}

pub(crate) fn document<const N: usize>(statements: [Value; N]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements.to_vec() })
}

pub(crate) fn allow(action: &str) -> Value {
    document([json!({ "Effect": "Allow", "Action": action, "Resource": "*" })])
}

/// A trust policy for one principal, session tags included.
pub(crate) fn trust(principal: &str) -> Value {
    document([json!({
        "Effect": "Allow", "Principal": { "AWS": principal }, "Action": ["sts:AssumeRole", "sts:TagSession"] })])
}

/// The statement of a key policy that leaves everything to identity policies.
pub(crate) fn root_statement() -> Value {
    json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "kms:*", "Resource": "*" })
}

pub(crate) fn session_policy(tenant: &str) -> Value {
    document([json!({ "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "arn:aws:kms:us-east-1:111111111111:key/*",
        "Condition": { "StringEquals": { "kms:RequestAlias": alias(tenant), "kms:EncryptionContext:tenant": tenant } } })])
}

/// A key policy with an administration statement that has no cryptographic action, a data statement bound to role, alias and
/// context, and a denial of every other alias.
pub(crate) fn key_policy(tenant: &str) -> Value {
    let aliases = [alias(tenant), format!("{}/*", alias(tenant))];
    document([
        json!({ "Sid": "Administer", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Enable*", "kms:Disable*",
                "kms:CreateAlias", "kms:DeleteAlias", "kms:TagResource", "kms:UntagResource", "kms:RotateKeyOnDemand",
                "kms:ReplicateKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"],
            "Resource": "*" }),
        json!({ "Sid": "TenantData", "Effect": "Allow", "Principal": { "AWS": ROLE },
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
            "Condition": { "StringLike": { "kms:RequestAlias": aliases },
                "StringEquals": { "kms:EncryptionContext:tenant": tenant } } }),
        json!({ "Sid": "DenyOtherAliases", "Effect": "Deny", "Principal": { "AWS": "*" },
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"], "Resource": "*",
            "Condition": { "StringNotLike": { "kms:RequestAlias": aliases } } }),
    ])
}

/// A request for a data key in the encryption context of a tenant.
pub(crate) fn data_key(kms: &Kms, key_id: &str, tenant: &str) -> GenerateDataKeyFluentBuilder {
    kms.generate_data_key().key_id(key_id).key_spec(DataKeySpec::Aes256).encryption_context("tenant", tenant)
}

/// The error code with which a request is refused.
#[track_caller]
pub(crate) fn refusal<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    let error = result.expect_err("the request must be refused");
    error.code().unwrap_or_else(|| panic!("an error without a code: {error:?}")).to_owned()
}
