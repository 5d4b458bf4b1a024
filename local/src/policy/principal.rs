//! The caller, and the `Principal` element that matches it.

use super::{MalformedPolicy, document::RawPrincipal};

/// The sender of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The account id, 12 digits.
    pub(crate) account: String,
    /// The caller's own ARN: the user, or the session of a role.
    pub(crate) arn: String,
    /// The ARN of the user or role that the caller acts as, which is the value of `aws:PrincipalArn`.
    pub(crate) identity: String,
}

/// How a statement matched the caller. It decides which other policies must agree; see `authorise`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The statement is in the caller's own identity or session policy.
    Identity,
    /// By the account, which passes the decision on to that account's identity policies.
    Account,
    /// By the ARN of the user or role.
    Name,
    /// By the ARN of one session of a role.
    Session,
    /// By `*`.
    Anyone,
}

/// The `Principal` element of a key or trust policy.
#[derive(Clone, Debug)]
pub(super) struct PrincipalElement(Vec<Named>);

#[derive(Clone, Debug)]
enum Named {
    Anyone,
    Account(String),
    Arn(String),
    /// A service or a federated identity, which no caller here can be.
    NeverHere,
}

impl PrincipalElement {
    pub(super) fn read(raw: RawPrincipal) -> Result<Self, MalformedPolicy> {
        let kinds = match raw {
            RawPrincipal::Text(text) if text == "*" => return Ok(Self(vec![Named::Anyone])),
            RawPrincipal::Text(text) => return Err(invalid(&text)),
            RawPrincipal::Kinds(kinds) => kinds,
        };
        let mut named = Vec::new();
        for (kind, values) in kinds {
            match kind.as_str() {
                "AWS" => {
                    for value in values {
                        named.push(Named::read(&value)?);
                    }
                }
                "Service" | "Federated" | "CanonicalUser" => named.push(Named::NeverHere),
                _ => return Err(MalformedPolicy::new(format!("invalid principal type {kind}"))),
            }
        }
        if named.is_empty() {
            return Err(MalformedPolicy::new("Principal is empty"));
        }
        Ok(Self(named))
    }

    /// How this element matches the caller, if it does. When several ways match, the most specific one.
    pub(super) fn matches(&self, principal: &Principal) -> Option<Via> {
        let ways: Vec<_> = self.0.iter().filter_map(|named| named.matches(principal)).collect();
        // A way that needs no other policy's consent grants the most, so that one counts.
        [Via::Anyone, Via::Session, Via::Name, Via::Account].into_iter().find(|via| ways.contains(via))
    }
}

impl Named {
    fn read(value: &str) -> Result<Self, MalformedPolicy> {
        if value == "*" {
            return Ok(Self::Anyone);
        }
        if is_account_id(value) {
            return Ok(Self::Account(value.to_owned()));
        }
        let parts: Vec<_> = value.splitn(6, ':').collect();
        let [arn, _partition, service, region, account, resource] = parts[..] else {
            return Err(invalid(value));
        };
        // AWS allows no wildcard inside a principal's ARN: `*` is everyone or nothing.
        if arn != "arn" || !region.is_empty() || !is_account_id(account) || resource.contains(['*', '?', '$']) {
            return Err(invalid(value));
        }
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        match (service, kind, name.is_empty()) {
            ("iam", "root", true) => Ok(Self::Account(account.to_owned())),
            ("iam", "user" | "role", false) => Ok(Self::Arn(value.to_owned())),
            ("sts", "assumed-role", false) if name.contains('/') => Ok(Self::Arn(value.to_owned())),
            _ => Err(invalid(value)),
        }
    }

    fn matches(&self, principal: &Principal) -> Option<Via> {
        match self {
            Self::Anyone => Some(Via::Anyone),
            Self::Account(account) => (*account == principal.account).then_some(Via::Account),
            Self::Arn(arn) if *arn == principal.identity => Some(Via::Name),
            Self::Arn(arn) if *arn == principal.arn => Some(Via::Session),
            Self::Arn(_) | Self::NeverHere => None,
        }
    }
}

/// Whether this is an AWS account id.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn invalid(value: &str) -> MalformedPolicy {
    MalformedPolicy::new(format!("invalid principal in policy: {value}"))
}
