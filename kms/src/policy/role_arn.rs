//! The ARN of the role that services assume.

use std::fmt;
use std::str::FromStr;

use tenantseal_core::format::is_account_id;

use crate::partition::is_partition;

/// The ARN of the role in the key account that services assume, once per tenant:
/// `arn:aws:iam::111111111111:role/TenantKeys`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn {
    pub(super) arn: String,
    pub(super) partition: String,
    pub(super) account: String,
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
        if !(named && is_account_id(account) && is_partition(partition)) {
            return Err(InvalidRoleArn);
        }
        Ok(Self { arn: arn.to_owned(), partition: partition.to_owned(), account: account.to_owned() })
    }

    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// The 12-digit account of the role, which owns the tenants' keys.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The partition, such as `aws`, `aws-cn` or `aws-eusc`.
    pub fn partition(&self) -> &str {
        &self.partition
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;

    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        Self::parse(arn)
    }
}

impl AsRef<str> for RoleArn {
    fn as_ref(&self) -> &str {
        &self.arn
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

#[cfg(test)]
mod tests {
    use tenantseal_core::tenant::AliasTemplate;

    use super::*;
    use crate::policy::Tenancy;

    #[test]
    fn role_arns_are_parsed() {
        for arn in [
            "",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::111111111111:user/x",
            "arn:aws:iam::111111111111:role/*",
            "arn:x:iam::111111111111:role/a",
            "arn:aws-*:iam::111111111111:role/a",
        ] {
            assert_eq!(RoleArn::parse(arn), Err(InvalidRoleArn), "{arn}");
        }
        for partition in ["aws", "aws-us-gov", "aws-eusc", "aws-iso-b"] {
            let role = RoleArn::parse(&format!("arn:{partition}:iam::111111111111:role/path/Name")).unwrap();
            assert_eq!(role.partition(), partition);
            let policy = Tenancy::new(role, AliasTemplate::default()).role_policy("*").to_string();
            assert!(policy.contains(&format!("arn:{partition}:kms:*:111111111111:key/*")), "{policy}");
        }
    }
}
