//! The IAM and key policies that the design stands on, as values that print as JSON.
//!
//! Tenant ids and aliases have an alphabet without wildcards, quotes and `$`, so nothing here can be injected.

use std::fmt;

use serde_json::{Value, json};

use crate::schema::TenantTemplate;
use crate::tenant::{Alias, AliasTemplate, TenantId};

/// A policy document. Prints as compact JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Value);

impl Policy {
    /// STS allows this many characters in a session policy (AssumeRole, parameter `Policy`).
    pub const MAX_SESSION: usize = 2_048;
    /// KMS allows this many bytes in a key policy (PutKeyPolicy, parameter `Policy`).
    pub const MAX_KEY: usize = 32_768;

    fn new(statements: Value) -> Self {
        Self(json!({ "Version": "2012-10-17", "Statement": statements }))
    }

    /// The document, indented for people.
    pub fn pretty(&self) -> String {
        format!("{:#}", self.0)
    }

    /// Whether `json` is this document, however it is written.
    pub(crate) fn is_same(&self, json: &str) -> bool {
        serde_json::from_str::<Value>(json).is_ok_and(|value| value == self.0)
    }

    fn at_most(self, limit: usize) -> Result<Self, PolicyTooLarge> {
        let length = self.to_string().len();
        if length <= limit { Ok(self) } else { Err(PolicyTooLarge { length, limit }) }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A policy is longer than AWS allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the policy has {length} characters; AWS allows {limit}: shorten the alias template")]
pub struct PolicyTooLarge {
    length: usize,
    limit: usize,
}

/// The role in the key account that services assume, once per tenant: `arn:aws:iam::111111111111:role/TenantKeys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    arn: String,
    partition: String,
    account: String,
}

impl RoleArn {
    /// Parses a role ARN.
    ///
    /// # Errors
    ///
    /// [`InvalidRoleArn`] when `arn` does not have the shape of a role's ARN.
    pub fn parse(arn: &str) -> Result<Self, InvalidRoleArn> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else {
            return Err(InvalidRoleArn);
        };
        let name = resource.strip_prefix("role/").ok_or(InvalidRoleArn)?;
        // IAM's own alphabet for role names and paths; no wildcard and no `$`.
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b));
        let account_id = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let partitioned = partition == "aws" || partition.starts_with("aws-");
        if !(named && account_id && partitioned) {
            return Err(InvalidRoleArn);
        }
        Ok(Self { arn: arn.to_owned(), partition: partition.to_owned(), account: account.to_owned() })
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// The 12-digit account of the role, which owns the tenants' keys.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &str {
        &self.partition
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

/// A text is not the ARN of an IAM role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role ARN has the shape arn:<partition>:iam::<12-digit account>:role/<name>")]
pub struct InvalidRoleArn;

/// The session tag that names the tenant; the role's policy compares it with the alias.
pub(crate) const TENANT_TAG: &str = "TenantId";

/// The actions of the data role. Never Encrypt or ReEncrypt, with which it could wrap keys of its choice.
const DATA_ACTIONS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

/// The key account, the role in it and the aliases of its tenants: what every policy is made of.
#[derive(Debug, Clone)]
pub struct Tenancy {
    role: RoleArn,
    aliases: AliasTemplate,
}

impl Tenancy {
    /// The policies for the keys that `role` reaches under aliases made with `aliases`.
    pub fn new(role: RoleArn, aliases: AliasTemplate) -> Self {
        Self { role, aliases }
    }

    /// The role.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    /// The alias of a tenant's current key.
    pub fn alias(&self, tenant: &TenantId) -> Alias {
        self.aliases.alias(tenant)
    }

    fn keys(&self, region: &str) -> String {
        format!("arn:{}:kms:{region}:{}:key/*", self.role.partition, self.role.account)
    }

    /// The session policy for one tenant: of what the role may do, only this tenant's aliases and encryption context, in `region`.
    ///
    /// `kms:RequestAlias` compares the alias's name alone, so the resource names the account as well (KMS developer guide,
    /// "kms:RequestAlias").
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 2,048 characters that STS allows.
    pub fn session_policy(&self, tenant: &TenantId, region: &str) -> Result<Policy, PolicyTooLarge> {
        Policy::new(json!([{
            "Effect": "Allow",
            "Action": DATA_ACTIONS,
            "Resource": self.keys(region),
            "Condition": {
                "StringLike": { "kms:RequestAlias": self.alias(tenant).patterns() },
                "StringEquals": { "kms:EncryptionContext:tenant": tenant.as_str() },
            },
        }]))
        .at_most(Policy::MAX_SESSION)
    }

    /// The role's own policy. It fails closed without the session tag: a variable without a value matches nothing.
    pub fn role_policy(&self, region: &str) -> Policy {
        let tag = format!("${{aws:PrincipalTag/{TENANT_TAG}}}");
        let [alias, of_keys] = self.aliases.patterns_for(&tag);
        Policy::new(json!([{
            "Sid": "TenantData",
            "Effect": "Allow",
            "Action": DATA_ACTIONS,
            "Resource": self.keys(region),
            "Condition": {
                "StringLike": { "kms:RequestAlias": [alias, of_keys] },
                "StringEquals": { "kms:EncryptionContext:tenant": tag },
            },
        }]))
    }

    /// The role's trust policy: `services` (role or user ARNs) may assume it, and only with the tenant as session tag.
    pub fn trust_policy(&self, services: &[&str]) -> Policy {
        Policy::new(json!([
            {
                "Sid": "AssumeForOneTenant",
                "Effect": "Allow",
                "Principal": { "AWS": services },
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringLike": { format!("aws:RequestTag/{TENANT_TAG}"): "?*" },
                    "ForAllValues:StringEquals": { "aws:TagKeys": [TENANT_TAG] },
                },
            },
        ]))
    }

    /// A policy for teams that scope DynamoDB credentials as well: item operations on `table_arn` whose leading key is the tenant's.
    ///
    /// `template` says how the tenant shows in the partition key. Scans have no leading key and are denied (DynamoDB developer guide,
    /// "Using IAM policy conditions for fine-grained access control").
    pub fn leading_keys_policy(&self, tenant: &TenantId, table_arn: &str, template: &TenantTemplate) -> Policy {
        let mut key = template.render(tenant);
        if template.is_prefix() {
            key.push('*');
        }
        Policy::new(json!([{
            "Sid": "TenantItems",
            "Effect": "Allow",
            "Action": [
                "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
                "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem",
            ],
            "Resource": [table_arn, format!("{table_arn}/index/*")],
            "Condition": { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [key] } },
        }]))
    }

    /// The policy of a key that several tenants share: administered by the account, used by the role through the aliases and the context
    /// that the session tag names.
    ///
    /// Which tenants share it is not written here: a tenant uses the key as long as its alias is on it. A session without the tag can
    /// do nothing, as its variable never matches; so the Deny refuses it, too.
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 32 KB that KMS allows.
    pub fn shared_key_policy(&self) -> Result<Policy, PolicyTooLarge> {
        let tag = format!("${{aws:PrincipalTag/{TENANT_TAG}}}");
        self.key_policy_for(&self.aliases.patterns_for(&tag), &tag)
    }

    /// The policy of one tenant's key: administered by the account, used by the role through the tenant's alias and context alone.
    ///
    /// The administrators' statement has no cryptographic action (a root statement with `kms:*` would make the role's broad
    /// permissions effective on every key), and the Deny also catches calls that name no alias: a negated operator is true when
    /// the condition key is absent. The session tag is demanded here as well: a key policy that names the role needs no permission
    /// of the role's own, so without the tag a session that was made without a session policy would reach every tenant's key.
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 32 KB that KMS allows.
    pub fn key_policy(&self, tenant: &TenantId) -> Result<Policy, PolicyTooLarge> {
        self.key_policy_for(&self.alias(tenant).patterns(), tenant.as_str())
    }

    fn key_policy_for(&self, aliases: &[String; 2], tenant: &str) -> Result<Policy, PolicyTooLarge> {
        let RoleArn { arn, partition, account } = &self.role;
        Policy::new(json!([
            {
                "Sid": "Administer",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:{partition}:iam::{account}:root") },
                "Action": [
                    "kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Enable*", "kms:Disable*",
                    "kms:CreateAlias", "kms:DeleteAlias", "kms:TagResource", "kms:UntagResource", "kms:RotateKeyOnDemand",
                    "kms:ReplicateKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
                ],
                "Resource": "*",
            },
            {
                "Sid": "TenantData",
                "Effect": "Allow",
                "Principal": { "AWS": arn },
                "Action": DATA_ACTIONS,
                "Resource": "*",
                "Condition": {
                    "StringLike": { "kms:RequestAlias": aliases },
                    "StringEquals": {
                        "kms:EncryptionContext:tenant": tenant,
                        format!("aws:PrincipalTag/{TENANT_TAG}"): tenant,
                    },
                },
            },
            {
                "Sid": "DenyOtherAliases",
                "Effect": "Deny",
                "Principal": { "AWS": "*" },
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                "Resource": "*",
                "Condition": { "StringNotLike": { "kms:RequestAlias": aliases } },
            },
        ]))
        .at_most(Policy::MAX_KEY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenancy() -> Tenancy {
        Tenancy::new(RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys").unwrap(), AliasTemplate::default())
    }

    #[test]
    fn a_session_policy_names_one_tenant_and_fits_for_the_longest_names() {
        let longest = TenantId::parse(&"x".repeat(48)).unwrap();
        let template = AliasTemplate::parse(&format!("alias/{}-{{tenant}}", "y".repeat(163))).unwrap();
        let tenancy = Tenancy::new(tenancy().role, template);
        assert!(tenancy.session_policy(&longest, "ap-southeast-2").is_ok());
    }

    #[test]
    fn the_session_policy_reads_as_the_design_says() {
        let policy = tenancy().session_policy(&TenantId::parse("123").unwrap(), "us-east-1").unwrap();
        let expected = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "arn:aws:kms:us-east-1:111111111111:key/*",
            "Condition": {
                "StringLike": {"kms:RequestAlias": ["alias/customer-123", "alias/customer-123/*"]},
                "StringEquals": {"kms:EncryptionContext:tenant": "123"},
            },
        }]});
        assert_eq!(policy.0, expected);
    }

    #[test]
    fn role_arns_are_parsed() {
        for arn in [
            "",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::111111111111:user/x",
            "arn:aws:iam::111111111111:role/*",
            "arn:x:iam::111111111111:role/a",
        ] {
            assert_eq!(RoleArn::parse(arn), Err(InvalidRoleArn), "{arn}");
        }
        assert_eq!(
            RoleArn::parse("arn:aws-us-gov:iam::111111111111:role/path/Name").unwrap().partition(),
            "aws-us-gov"
        );
    }
}
