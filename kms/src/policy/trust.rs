//! The trust policy: who may assume the role, for which tenant, under which session name and with which tags.

use serde_json::json;
use tenantseal_core::tenant::SESSION_NAME_PREFIX;

use super::{Policy, TENANT_TAG, Tenancy};

impl Tenancy {
    /// The session tags of EKS Pod Identity, all of which are transitive (EKS user guide, "Grant pods access to AWS
    /// resources based on tags").
    pub const EKS_POD_IDENTITY_TAGS: [&'static str; 6] = [
        "eks-cluster-arn",
        "eks-cluster-name",
        "kubernetes-namespace",
        "kubernetes-service-account",
        "kubernetes-pod-name",
        "kubernetes-pod-uid",
    ];

    /// Sets the transitive tags that the services' own sessions have, in place of those of [EKS Pod
    /// Identity](Self::EKS_POD_IDENTITY_TAGS). An inherited tag counts as passed when the session assumes the role, and
    /// the [trust policy](Self::trust_policy) refuses every tag that it does not name.
    ///
    /// A service that inherits the tag `TenantId` cannot assume the role for anyone: AWS lets nobody pass an inherited
    /// tag again.
    ///
    /// # Errors
    ///
    /// [`InvalidTagKey`] when a text is no key of a tag, or is `TenantId` in whatever case.
    pub fn inheriting(self, tags: &[&str]) -> Result<Self, InvalidTagKey> {
        match tags.iter().find(|tag| !is_tag_key(tag) || tag.eq_ignore_ascii_case(TENANT_TAG)) {
            Some(invalid) => Err(InvalidTagKey((*invalid).to_owned())),
            None => Ok(Self { inherited: tags.iter().copied().map(str::to_owned).collect(), ..self }),
        }
    }

    /// The role's trust policy: `services` (role or user ARNs) may assume it for one tenant at a time.
    ///
    /// The session tag `TenantId` names the tenant, and so does the session's name, as [`TenantId::session_name`] makes
    /// it: a service's calls cannot be logged under another tenant's name. A service that has the tag `TenantId` itself
    /// is bound to that tenant. Further tags are those that it [inherits](Self::inheriting).
    ///
    /// [`TenantId::session_name`]: tenantseal_core::TenantId::session_name
    pub fn trust_policy(&self, services: &[&str]) -> Policy {
        let (requested, own) = (format!("aws:RequestTag/{TENANT_TAG}"), format!("aws:PrincipalTag/{TENANT_TAG}"));
        let tenant = format!("${{{requested}}}");
        let allowed: Vec<&str> = std::iter::once(TENANT_TAG).chain(self.inherited.iter().map(String::as_str)).collect();
        let mut tags = json!({
            "StringLike": { &requested: "?*" },
            "ForAllValues:StringEquals": { "aws:TagKeys": allowed, "sts:TransitiveTagKeys": self.inherited },
        });
        if self.inherited.is_empty() {
            // IAM documents no condition with an empty list of values.
            tags["ForAllValues:StringEquals"] = json!({ "aws:TagKeys": allowed });
            tags["Null"] = json!({ "sts:TransitiveTagKeys": "true" });
        }
        // Two statements, because the session's name is not a condition key of TagSession (IAM user guide, "Pass
        // session tags in AWS STS").
        Policy::new(json!([
            {
                "Sid": "AssumeForOneTenant",
                "Effect": "Allow",
                "Principal": { "AWS": services },
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringLike": { &requested: "?*" },
                    "StringEquals": { "sts:RoleSessionName": format!("{SESSION_NAME_PREFIX}{tenant}") },
                    "StringEqualsIfExists": { own: tenant },
                },
            },
            {
                "Sid": "TagWithOneTenant",
                "Effect": "Allow",
                "Principal": { "AWS": services },
                "Action": "sts:TagSession",
                "Condition": tags,
            },
        ]))
    }
}

/// IAM's own alphabet, without letters of other scripts; no wildcard and no `$`.
fn is_tag_key(key: &str) -> bool {
    (1..=128).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b" _.:/=+-@".contains(&b))
        && !key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// A text is not the key of a session tag that a service may pass on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a tag key that services may inherit: use 1 to 128 characters of [A-Za-z0-9 _.:/=+@-], not beginning \
     with aws:, and not {TENANT_TAG}"
)]
pub struct InvalidTagKey(String);

#[cfg(test)]
mod tests {
    use tenantseal_core::tenant::{AliasTemplate, TenantId};

    use super::*;
    use crate::policy::RoleArn;

    fn tenancy() -> Tenancy {
        Tenancy::new(RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys").unwrap(), AliasTemplate::default())
    }

    #[test]
    fn keys_of_inherited_tags_cannot_inject_and_are_not_the_tenants() {
        for key in ["", "*", "a?", "${aws:username}", "aws:x", "AWS:x", "TenantId", "tenantid", &"x".repeat(129)] {
            assert_eq!(tenancy().inheriting(&["Team", key]).unwrap_err(), InvalidTagKey(key.to_owned()));
        }
        let policy = tenancy().inheriting(&["Team", "a b/c=d+e-f@g.h:i_j"]).unwrap().trust_policy(&[]).to_string();
        assert!(policy.contains(r#""aws:TagKeys":["TenantId","Team","a b/c=d+e-f@g.h:i_j"]"#), "{policy}");
        let policy = tenancy().inheriting(&[]).unwrap().trust_policy(&[]).to_string();
        assert!(policy.contains(r#""aws:TagKeys":["TenantId"]}"#), "{policy}");
        assert!(policy.contains(r#""Null":{"sts:TransitiveTagKeys":"true"}"#), "{policy}");
    }

    #[test]
    fn a_session_is_named_as_the_trust_policy_asks() {
        let policy = tenancy().trust_policy(&[]).to_string();
        let name = TenantId::parse("acme").unwrap().session_name().replace("acme", "${aws:RequestTag/TenantId}");
        assert!(policy.contains(&format!(r#""sts:RoleSessionName":"{name}""#)), "{policy}");
    }
}
