//! The IAM policies and key policies of the design, as values that print as JSON.
//!
//! Tenant ids and aliases have an alphabet without wildcards, quotes and `$`, so they cannot inject anything.

mod key;
mod rewrap;
mod role_arn;
mod trust;

use std::fmt;

use serde_json::{Value, json};
use tenantseal_core::tenant::{Alias, AliasTemplate, TenantId};
use tenantseal_core::tenant_template::TenantTemplate;

pub use role_arn::{InvalidRoleArn, RoleArn};
pub use trust::InvalidTagKey;

/// A policy document. Prints as compact JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Value);

impl Policy {
    /// The most characters that STS allows in a session policy (AssumeRole, parameter `Policy`).
    pub const MAX_SESSION: usize = 2_048;
    /// The most bytes that KMS allows in a key policy (PutKeyPolicy, parameter `Policy`).
    pub const MAX_KEY: usize = 32_768;

    fn new(statements: Value) -> Self {
        Self(json!({ "Version": "2012-10-17", "Statement": statements }))
    }

    /// The document, indented for people.
    pub fn pretty(&self) -> String {
        format!("{:#}", self.0)
    }

    /// Whether `json` is this document, however it is formatted.
    pub fn is_same(&self, json: &str) -> bool {
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

/// The session tag that names the tenant; the role's policy compares it with the alias.
pub const TENANT_TAG: &str = "TenantId";

/// The actions of the data role. Never Encrypt or ReEncrypt, which could wrap keys of the caller's choice.
const DATA_ACTIONS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

/// How the role's policies tell one tenant's key from another's. In every case the encryption context must name the
/// tenant as well.
///
/// | scope | the call names the key | protects from | trusts |
/// |---|---|---|---|
/// | [`RequestAlias`](Self::RequestAlias) | by its alias only | calls by key ARN, key id or none, also on keys of others that someone shares by mistake | who may re-point aliases |
/// | [`ResourceAliases`](Self::ResourceAliases) | in any way | keys without the tenant's alias | who may create aliases; denied while a key has more than 50 |
/// | [`ResourceTag`](Self::ResourceTag) | in any way | keys without the tenant's tag, whatever happens to aliases | who may tag keys (`kms:TagResource`) |
///
/// This library always names the alias, so it works with each scope; the last two are for other programs that send
/// ARNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scope {
    /// By the alias that the request names (`kms:RequestAlias`).
    #[default]
    RequestAlias,
    /// By the aliases that the key has (`kms:ResourceAliases`).
    ResourceAliases,
    /// By the key's tag `TenantId` (`aws:ResourceTag`).
    ResourceTag,
}

/// The key account, its role and the tenants' aliases: every policy is made of these.
///
/// ```
/// use tenantseal_core::{AliasTemplate, TenantId};
/// use tenantseal_kms::{RoleArn, Tenancy};
///
/// let role = RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?;
/// let tenancy = Tenancy::new(role, AliasTemplate::default());
/// println!("{}", tenancy.role_policy("eu-central-1").pretty());
/// println!("{}", tenancy.key_policy(&TenantId::parse("acme")?)?.pretty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tenancy {
    role: RoleArn,
    aliases: AliasTemplate,
    scope: Scope,
    /// The keys of the transitive session tags that services may pass on.
    inherited: Vec<String>,
    /// The Regions of multi-Region keys, beside the one that a policy is asked for.
    regions: Vec<String>,
    /// The role that wraps data keys anew.
    rewrap_role: Option<RoleArn>,
    duty: Duty,
}

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// To make and unwrap data keys.
    Data,
    /// To wrap data keys anew.
    Rewrap,
}

impl Tenancy {
    /// The policies for the keys that `role` reaches under the aliases of `aliases`.
    pub fn new(role: RoleArn, aliases: AliasTemplate) -> Self {
        let inherited = Self::EKS_POD_IDENTITY_TAGS.map(str::to_owned).into();
        Self {
            role,
            aliases,
            scope: Scope::default(),
            inherited,
            regions: Vec::new(),
            rewrap_role: None,
            duty: Duty::Data,
        }
    }

    /// Changes how the policies tell the tenants' keys apart.
    #[must_use]
    pub fn scoped_by(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Has every policy cover keys in these Regions too, besides the Region for which it is asked: for multi-Region keys
    /// with replicas there.
    #[must_use]
    pub fn over(self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { regions: regions.into_iter().map(Into::into).collect(), ..self }
    }

    /// The role.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    /// The alias of a tenant's current key.
    pub fn alias(&self, tenant: &TenantId) -> Alias {
        self.aliases.alias(tenant)
    }

    /// The tenant to which an alias belongs, if it is a tenant's.
    pub fn tenant_of(&self, alias: &str) -> Option<TenantId> {
        self.aliases.tenant_of(alias)
    }

    /// `region`, and the further Regions.
    fn regions<'r>(&'r self, region: &'r str) -> impl Iterator<Item = &'r str> {
        let further = self.regions.iter().map(String::as_str);
        std::iter::once(region).chain(further.filter(move |further| *further != region && region != "*"))
    }

    fn arn(&self, region: &str, resource: &str) -> String {
        format!("arn:{}:kms:{region}:{}:{resource}", self.role.partition, self.role.account)
    }

    /// All keys in `region`, and in the further Regions.
    fn keys(&self, region: &str) -> Value {
        let mut keys: Vec<_> = self.regions(region).map(|region| Value::String(self.arn(region, "key/*"))).collect();
        if keys.len() == 1 { keys.swap_remove(0) } else { Value::Array(keys) }
    }

    /// The session policy for one tenant: of the role's permissions, only this tenant's aliases and encryption context,
    /// in `region`.
    ///
    /// `kms:RequestAlias` compares only the alias's name, so the resource names the account as well (KMS developer
    /// guide, "kms:RequestAlias").
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 2,048 characters that STS allows.
    pub fn session_policy(&self, tenant: &TenantId, region: &str) -> Result<Policy, PolicyTooLarge> {
        let statements = self.statements(region, &self.alias(tenant).patterns(), tenant.as_str());
        Policy::new(statements.into()).at_most(Policy::MAX_SESSION)
    }

    /// The condition on calls on a tenant's keys, in the caller's policies.
    fn condition(&self, aliases: &[String; 2], tenant: &str) -> Value {
        let context = json!({ "kms:EncryptionContext:tenant": tenant });
        match self.scope {
            Scope::RequestAlias => json!({ "StringLike": { "kms:RequestAlias": aliases }, "StringEquals": context }),
            Scope::ResourceAliases => {
                json!({ "ForAnyValue:StringLike": { "kms:ResourceAliases": aliases }, "StringEquals": context })
            }
            Scope::ResourceTag => json!({ "StringEquals": {
                format!("aws:ResourceTag/{TENANT_TAG}"): tenant, "kms:EncryptionContext:tenant": tenant } }),
        }
    }

    /// The role's own policy. Without the session tag it fails closed: a variable without a value matches nothing.
    pub fn role_policy(&self, region: &str) -> Policy {
        let tag = format!("${{aws:PrincipalTag/{TENANT_TAG}}}");
        let mut statements = self.statements(region, &self.aliases.patterns_for(&tag), &tag);
        let sids: [&str; 2] = match self.duty {
            Duty::Data => ["TenantData", ""],
            Duty::Rewrap => ["TenantRewrap", "TenantKeys"],
        };
        for (statement, sid) in statements.iter_mut().zip(sids) {
            statement["Sid"] = sid.into();
        }
        Policy::new(statements.into())
    }

    /// A policy for teams that also scope DynamoDB credentials: item operations on `table_arn` whose leading key is the
    /// tenant's.
    ///
    /// `template` says how the partition key shows the tenant. `indexes` are the indexes that may be queried: name only
    /// indexes **whose own partition key is this attribute**. In other indexes the key may be a company, for example,
    /// and another tenant's item may have this tenant's id there; and AWS does not say whether the leading key of a
    /// query on an index is the index's or the table's. Scans have no leading key and are denied, like every request
    /// without one (DynamoDB developer guide, "Using IAM policy conditions for fine-grained access control").
    pub fn leading_keys_policy(
        &self,
        tenant: &TenantId,
        table_arn: &str,
        indexes: &[&str],
        template: &TenantTemplate,
    ) -> Policy {
        let mut key = literal(&template.render(tenant));
        if template.is_prefix() {
            key.push('*');
        }
        let indexes = indexes.iter().map(|index| format!("{table_arn}/index/{}", literal(index)));
        Policy::new(json!([{
            "Sid": "TenantItems",
            "Effect": "Allow",
            "Action": [
                "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
                "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem",
            ],
            "Resource": std::iter::once(table_arn.to_owned()).chain(indexes).collect::<Vec<_>>(),
            "Condition": {
                "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [key] },
                // With no values, `ForAllValues` is true.
                "Null": { "dynamodb:LeadingKeys": "false" },
            },
        }]))
    }

    /// The permissions of an administrator who manages tenants (`tenantseal-tenants`), without any cryptographic
    /// action: on keys and tenants' aliases of the account in `region` (`*` for all), and on the registry's table.
    pub fn operator_policy(&self, region: &str, registry_table_arn: &str) -> Policy {
        let aliases = self.aliases.patterns_for("*");
        let in_region = |region| ["key/*", &aliases[0], &aliases[1]].map(|resource| self.arn(region, resource));
        Policy::new(json!([
            {
                "Sid": "FindAndCreateKeys",
                "Effect": "Allow",
                "Action": ["kms:CreateKey", "kms:ListKeys", "kms:ListAliases"],
                "Resource": "*",
            },
            {
                "Sid": "AdministerKeys",
                "Effect": "Allow",
                "Action": [
                    "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:TagResource", "kms:EnableKey",
                    "kms:DisableKey", "kms:EnableKeyRotation", "kms:GetKeyRotationStatus", "kms:ListKeyRotations",
                    "kms:RotateKeyOnDemand", "kms:ReplicateKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
                    "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:ListGrants", "kms:RevokeGrant",
                ],
                "Resource": self.regions(region).flat_map(in_region).collect::<Vec<_>>(),
            },
            {
                "Sid": "Registry",
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                "Resource": [registry_table_arn, format!("{registry_table_arn}/index/*")],
            },
        ]))
    }
}

/// A pattern that matches exactly this text: unlike a tenant's id, a template may contain any characters.
fn literal(text: &str) -> String {
    let escaped = |c: char| if matches!(c, '*' | '?' | '$') { format!("${{{c}}}") } else { c.to_string() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        /// Whatever the id, it is a text of its own in each policy, and never becomes a pattern, a variable or JSON.
        #[test]
        fn a_tenant_id_cannot_inject(id in "\\PC{1,60}|[A-Za-z0-9_-]{1,48}", scope in 0..3_usize) {
            let Ok(tenant) = TenantId::parse(&id) else { return Ok(()) };
            let scope = [Scope::RequestAlias, Scope::ResourceAliases, Scope::ResourceTag][scope];
            let (ours, plain) = (tenancy().scoped_by(scope), TenantId::parse("0").unwrap());
            for (policy, expected) in [
                (ours.session_policy(&tenant, "us-east-1").unwrap(), ours.session_policy(&plain, "us-east-1").unwrap()),
                (ours.key_policy(&tenant).unwrap(), ours.key_policy(&plain).unwrap()),
            ] {
                let (policy, expected): (Value, Value) =
                    (serde_json::from_str(&policy.to_string()).unwrap(), serde_json::from_str(&expected.to_string()).unwrap());
                let (mut texts, mut others) = (Vec::new(), Vec::new());
                collect(&policy, &mut texts);
                collect(&expected, &mut others);
                prop_assert_eq!(texts.len(), others.len());
                for (text, other) in texts.iter().zip(&others) {
                    prop_assert_eq!(text.matches(['*', '?', '$', '{', '"']).count(), other.matches(['*', '?', '$', '{', '"']).count());
                    prop_assert!(text == other || text.contains(id.as_str()));
                }
            }
        }
    }

    fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                texts.push(name);
                collect(value, texts);
            }),
            _ => {}
        }
    }

    #[test]
    fn every_policy_fits_for_the_longest_names() {
        let longest = TenantId::parse(&"x".repeat(48)).unwrap();
        let template = AliasTemplate::parse(&format!("alias/{}-{{tenant}}", "y".repeat(163))).unwrap();
        for scope in [Scope::RequestAlias, Scope::ResourceAliases, Scope::ResourceTag] {
            let tenancy = Tenancy::new(tenancy().role, template.clone()).scoped_by(scope);
            assert!(tenancy.session_policy(&longest, "ap-southeast-2").is_ok());
            assert!(tenancy.key_policy(&longest).is_ok() && tenancy.shared_key_policy().is_ok());
        }
        let too_large = Policy::new(json!([{ "Sid": "x".repeat(2_048) }])).at_most(Policy::MAX_SESSION).unwrap_err();
        assert!(too_large.to_string().ends_with("AWS allows 2048: shorten the alias template"), "{too_large}");
    }
}
