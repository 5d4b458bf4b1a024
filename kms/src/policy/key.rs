//! The policies of the keys themselves.

use serde_json::{Value, json};
use tenantseal_core::tenant::TenantId;

use super::{DATA_ACTIONS, Policy, PolicyTooLarge, RoleArn, Scope, TENANT_TAG, Tenancy};

/// The cryptographic actions. No administrator and no other tenant's session may have any of them.
const CRYPTOGRAPHY: [&str; 4] = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"];

impl Tenancy {
    /// The policy of one tenant's key: the account administers it, and the role uses it only in this tenant's sessions.
    ///
    /// The administrators' statement has no cryptographic action: a root statement with `kms:*` would make the role's
    /// broad permissions effective on every key. The denials also stop what no Allow here grants, such as a grant or a
    /// mistaken statement that names a session. A negated operator is true when its condition key is absent, so calls
    /// without an alias, without a context or without the session tag are denied.
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 32 KB that KMS allows.
    pub fn key_policy(&self, tenant: &TenantId) -> Result<Policy, PolicyTooLarge> {
        let context = json!({ "kms:EncryptionContext:tenant": tenant.as_str() });
        let aliases = json!({ "kms:RequestAlias": self.alias(tenant).patterns() });
        // The other scopes' condition keys have no meaning in key policies.
        let (used_through, other) = match self.scope {
            Scope::RequestAlias => (
                json!({ "StringLike": aliases, "StringEquals": context }),
                deny("DenyOtherAliases", json!({ "StringNotLike": aliases })),
            ),
            Scope::ResourceAliases | Scope::ResourceTag => {
                (json!({ "StringEquals": context }), deny("DenyOtherContexts", json!({ "StringNotEquals": context })))
            }
        };
        let other_tenants = json!({ "StringNotEquals": { format!("aws:PrincipalTag/{TENANT_TAG}"): tenant.as_str() } });
        let rewrap = self.tenant_rewrap(&used_through);
        let mut statements = vec![self.administer(), self.tenant_data(used_through)];
        statements.extend(rewrap);
        statements.extend([other, deny("DenyOtherTenants", other_tenants)]);
        Policy::new(statements.into()).at_most(Policy::MAX_KEY)
    }

    /// The policy of a key that several tenants share: each session uses it through the alias and in the context that
    /// its session tag names, whatever the [`Scope`].
    ///
    /// The policy does not list the tenants: a tenant uses the key as long as its alias is on it. A session without the
    /// tag can do nothing.
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 32 KB that KMS allows.
    pub fn shared_key_policy(&self) -> Result<Policy, PolicyTooLarge> {
        let key = format!("aws:PrincipalTag/{TENANT_TAG}");
        let tag = format!("${{{key}}}");
        let aliases = json!({ "kms:RequestAlias": self.aliases.patterns_for(&tag) });
        let context = json!({ "kms:EncryptionContext:tenant": tag });
        let used_through = json!({ "StringLike": aliases, "StringEquals": context });
        let rewrap = self.tenant_rewrap(&used_through);
        let mut statements = vec![self.administer(), self.tenant_data(used_through)];
        statements.extend(rewrap);
        statements.extend([
            deny("DenyOtherAliases", json!({ "StringNotLike": aliases })),
            deny("DenyOtherContexts", json!({ "StringNotEquals": context })),
            // So the two statements before need not rely on how IAM treats a variable without a value.
            deny("DenyUntagged", json!({ "Null": { key: "true" } })),
        ]);
        Policy::new(statements.into()).at_most(Policy::MAX_KEY)
    }

    fn administer(&self) -> Value {
        let RoleArn { partition, account, .. } = &self.role;
        json!({
            "Sid": "Administer",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:{partition}:iam::{account}:root") },
            "Action": [
                "kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Enable*", "kms:Disable*",
                "kms:CreateAlias", "kms:DeleteAlias", "kms:TagResource", "kms:UntagResource", "kms:RotateKeyOnDemand",
                "kms:ReplicateKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RevokeGrant",
            ],
            "Resource": "*",
        })
    }

    fn tenant_data(&self, condition: Value) -> Value {
        json!({
            "Sid": "TenantData",
            "Effect": "Allow",
            "Principal": { "AWS": self.role.arn },
            "Action": DATA_ACTIONS,
            "Resource": "*",
            "Condition": condition,
        })
    }
}

/// Denies all cryptographic actions to everyone, on this condition.
fn deny(sid: &str, condition: Value) -> Value {
    json!({
        "Sid": sid,
        "Effect": "Deny",
        "Principal": { "AWS": "*" },
        "Action": CRYPTOGRAPHY,
        "Resource": "*",
        "Condition": condition,
    })
}
