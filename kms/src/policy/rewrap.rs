//! The policies of the role that wraps data keys anew.

use serde_json::{Value, json};
use tenantseal_core::tenant::TenantId;

use super::{Duty, Policy, PolicyTooLarge, RoleArn, Scope, TENANT_TAG, Tenancy};

/// The actions of the re-wrap role on data keys. Neither Encrypt nor GenerateDataKey, so it wraps no key of its choice;
/// and no Decrypt, so it reads nothing.
pub(super) const REWRAP_ACTIONS: [&str; 2] = ["kms:ReEncryptFrom", "kms:ReEncryptTo"];

impl Tenancy {
    /// Names the role that wraps data keys anew, in the same account. The tenants' [key policies](Self::key_policy) then
    /// allow it.
    ///
    /// It is a role of its own: the data role never gets ReEncrypt. Its sessions are as narrow as those of the data role:
    /// one tenant's aliases, context and session tag.
    ///
    /// ```
    /// use tenantseal_core::{AliasTemplate, TenantId};
    /// use tenantseal_kms::{RoleArn, Tenancy};
    ///
    /// let tenancy = Tenancy::new(RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?, AliasTemplate::default());
    /// let tenancy = tenancy.rewrapped_by(RoleArn::parse("arn:aws:iam::111111111111:role/TenantRewrap")?);
    /// println!("{}", tenancy.rewrap_role_policy("eu-central-1").unwrap().pretty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rewrapped_by(self, role: RoleArn) -> Self {
        Self { rewrap_role: Some(role), ..self }
    }

    /// The role that wraps data keys anew, if there is one.
    pub fn rewrap_role(&self) -> Option<&RoleArn> {
        self.rewrap_role.as_ref()
    }

    /// The session policy of the re-wrap role for one tenant; `None` without such a role.
    ///
    /// # Errors
    ///
    /// [`PolicyTooLarge`] beyond the 2,048 characters that STS allows.
    pub fn rewrap_session_policy(&self, tenant: &TenantId, region: &str) -> Option<Result<Policy, PolicyTooLarge>> {
        Some(self.for_rewrap()?.session_policy(tenant, region))
    }

    /// The re-wrap role's own policy; `None` without such a role.
    pub fn rewrap_role_policy(&self, region: &str) -> Option<Policy> {
        Some(self.for_rewrap()?.role_policy(region))
    }

    /// The re-wrap role's [trust policy](Self::trust_policy); `None` without such a role. `operators` are those who run
    /// the re-wrap, not the services.
    pub fn rewrap_trust_policy(&self, operators: &[&str]) -> Option<Policy> {
        Some(self.for_rewrap()?.trust_policy(operators))
    }

    /// The tenancy as the re-wrap role has it: its sessions, its role policy, its trust policy.
    pub(crate) fn for_rewrap(&self) -> Option<Self> {
        let role = self.rewrap_role.clone()?;
        Some(Self { role, duty: Duty::Rewrap, rewrap_role: None, ..self.clone() })
    }

    /// The statements of a role's policy and of its sessions, under this condition on data keys.
    pub(super) fn statements(&self, region: &str, aliases: &[String; 2], tenant: &str) -> Vec<Value> {
        let statement = |actions: &[&str], condition| json!({ "Effect": "Allow", "Action": actions, "Resource": self.keys(region), "Condition": condition });
        let on_data_keys = self.condition(aliases, tenant);
        match self.duty {
            Duty::Data => vec![statement(&super::DATA_ACTIONS, on_data_keys)],
            // Which key the tenant's alias points to: it has no encryption context.
            Duty::Rewrap => vec![
                statement(&REWRAP_ACTIONS, on_data_keys),
                statement(&["kms:DescribeKey"], self.condition_on_keys(&aliases[0], tenant)),
            ],
        }
    }

    fn condition_on_keys(&self, alias: &str, tenant: &str) -> Value {
        match self.scope {
            Scope::RequestAlias => json!({ "StringLike": { "kms:RequestAlias": alias } }),
            Scope::ResourceAliases => json!({ "ForAnyValue:StringLike": { "kms:ResourceAliases": alias } }),
            Scope::ResourceTag => json!({ "StringEquals": { format!("aws:ResourceTag/{TENANT_TAG}"): tenant } }),
        }
    }

    /// The statement of a key's policy for the re-wrap role, if there is one.
    pub(super) fn tenant_rewrap(&self, condition: &Value) -> Option<Value> {
        let role = self.rewrap_role.as_ref()?;
        Some(json!({
            "Sid": "TenantRewrap",
            "Effect": "Allow",
            "Principal": { "AWS": role.arn },
            "Action": REWRAP_ACTIONS,
            "Resource": "*",
            "Condition": condition,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantseal_core::tenant::AliasTemplate;

    fn role(name: &str) -> RoleArn {
        RoleArn::parse(&format!("arn:aws:iam::111111111111:role/{name}")).unwrap()
    }

    fn tenancy() -> Tenancy {
        Tenancy::new(role("TenantKeys"), AliasTemplate::default())
    }

    #[test]
    fn without_a_rewrap_role_no_policy_mentions_one() {
        let acme = TenantId::parse("acme").unwrap();
        assert!(tenancy().rewrap_role_policy("us-east-1").is_none());
        assert!(tenancy().rewrap_session_policy(&acme, "us-east-1").is_none());
        assert!(!tenancy().key_policy(&acme).unwrap().to_string().contains("ReEncryptTo"));
    }

    #[test]
    fn with_a_rewrap_role_the_data_role_has_what_it_had() {
        let (acme, both) = (TenantId::parse("acme").unwrap(), tenancy().rewrapped_by(role("TenantRewrap")));
        assert_eq!(both.role_policy("us-east-1"), tenancy().role_policy("us-east-1"));
        assert_eq!(both.session_policy(&acme, "us-east-1"), tenancy().session_policy(&acme, "us-east-1"));
        assert_eq!(both.trust_policy(&["arn"]), tenancy().trust_policy(&["arn"]));
        for policy in [both.key_policy(&acme).unwrap(), both.shared_key_policy().unwrap()] {
            let policy: Value = serde_json::from_str(&policy.to_string()).unwrap();
            let statements = policy["Statement"].as_array().unwrap();
            let data = statements.iter().find(|statement| statement["Sid"] == "TenantData").unwrap();
            let rewrap = statements.iter().find(|statement| statement["Sid"] == "TenantRewrap").unwrap();
            assert_eq!(data["Condition"], rewrap["Condition"]);
            assert_eq!(rewrap["Action"], json!(REWRAP_ACTIONS));
        }
    }

    #[test]
    fn a_rewrap_session_policy_fits_for_the_longest_names() {
        let longest = TenantId::parse(&"x".repeat(48)).unwrap();
        let template = AliasTemplate::parse(&format!("alias/{}-{{tenant}}", "y".repeat(163))).unwrap();
        for scope in [Scope::RequestAlias, Scope::ResourceAliases, Scope::ResourceTag] {
            let tenancy = Tenancy::new(role("TenantKeys"), template.clone()).rewrapped_by(role("TenantRewrap"));
            let policy = tenancy.scoped_by(scope).rewrap_session_policy(&longest, "ap-southeast-2").unwrap();
            assert!(policy.is_ok(), "{policy:?}");
        }
    }
}
