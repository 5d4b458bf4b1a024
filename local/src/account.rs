//! Accounts, and how to create their users and roles.

use std::{fmt, sync::Arc, time::Duration};

use aws_credential_types::Credentials;

use crate::{
    error::Error,
    policy::{Kind, Policy, is_account_id},
    random,
    state::{Shared, iam},
};

/// An AWS account of the stack. Every account exists; its users and roles are those created in it.
#[derive(Clone, Debug)]
pub struct Account {
    shared: Arc<Shared>,
    id: String,
}

/// Builds a role; see [`Account::role`]. The setters never fail; [`create`](Self::create) checks everything.
#[derive(Clone, Debug)]
#[must_use = "a role exists when it is created"]
pub struct RoleBuilder {
    account: Account,
    name: String,
    trust: Option<String>,
    permissions: Vec<String>,
    tags: Vec<(String, String)>,
    max_session: Duration,
}

/// Builds a user; see [`Account::user`]. The setters never fail; [`create`](Self::create) checks everything.
#[derive(Clone, Debug)]
#[must_use = "a user exists when it is created"]
pub struct UserBuilder {
    account: Account,
    name: String,
    permissions: Vec<String>,
    tags: Vec<(String, String)>,
}

/// A role that can be assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    arn: String,
}

/// The access key of a user.
#[derive(Clone)]
pub struct AccessKey {
    user: String,
    id: String,
    secret: String,
}

impl Account {
    pub(crate) fn new(shared: Arc<Shared>, id: &str) -> Result<Self, Error> {
        if !is_account_id(id) {
            return Err(Error::AccountId(id.to_owned()));
        }
        Ok(Self { shared, id: id.to_owned() })
    }

    /// The account id, 12 digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The ARN that stands for the whole account in policies.
    pub fn root_arn(&self) -> String {
        format!("arn:aws:iam::{}:root", self.id)
    }

    /// Starts to build a role.
    pub fn role(&self, name: impl Into<String>) -> RoleBuilder {
        RoleBuilder {
            account: self.clone(),
            name: name.into(),
            trust: None,
            permissions: Vec::new(),
            tags: Vec::new(),
            max_session: Duration::from_secs(3600),
        }
    }

    /// Starts to build a user.
    pub fn user(&self, name: impl Into<String>) -> UserBuilder {
        UserBuilder { account: self.clone(), name: name.into(), permissions: Vec::new(), tags: Vec::new() }
    }
}

impl RoleBuilder {
    /// The trust policy, which says who may assume the role. JSON, as text or as a `serde_json::Value`.
    pub fn trust(mut self, json: impl ToString) -> Self {
        self.trust = Some(json.to_string());
        self
    }

    /// An identity policy, which says what the role may do. A role can have several.
    pub fn permission(mut self, json: impl ToString) -> Self {
        self.permissions.push(json.to_string());
        self
    }

    /// A tag of the role. It is `aws:PrincipalTag/<key>` of the role's sessions, unless a session tag replaces it.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// The longest session that AssumeRole may request. AWS allows 1 hour, which is the default, to 12 hours.
    pub fn max_session(mut self, length: Duration) -> Self {
        self.max_session = length;
        self
    }

    /// Creates the role, or replaces the one of that name. Its existing sessions are then judged by the new policies.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::NoTrustPolicy`], or [`Error::MalformedPolicy`] for a policy that AWS would refuse.
    pub fn create(self) -> Result<Role, Error> {
        let Self { account, name, trust, permissions, tags, max_session } = self;
        check_name(&name)?;
        let trust = trust.ok_or_else(|| Error::NoTrustPolicy(name.clone()))?;
        let role = iam::Role {
            account: account.id,
            name,
            trust: Arc::new(Policy::parse(&trust, Kind::Trust)?),
            policies: parse_all(&permissions)?,
            tags,
            max_session,
            unique_id: random::capitals("AROA", 17)?,
        };
        let arn = role.arn();
        account.shared.state().iam.put_role(role);
        Ok(Role { arn })
    }
}

impl UserBuilder {
    /// An identity policy, which says what the user may do. A user can have several. JSON, as text or as a
    /// `serde_json::Value`.
    pub fn permission(mut self, json: impl ToString) -> Self {
        self.permissions.push(json.to_string());
        self
    }

    /// A tag of the user: `aws:PrincipalTag/<key>`.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Creates the user, or replaces the one of that name, and returns a new access key. Earlier access keys stay
    /// valid.
    ///
    /// # Errors
    /// [`Error::Name`], or [`Error::MalformedPolicy`] for a policy that AWS would refuse.
    pub fn create(self) -> Result<AccessKey, Error> {
        let Self { account, name, permissions, tags } = self;
        check_name(&name)?;
        let user = iam::User { account: account.id, name, policies: parse_all(&permissions)?, tags };
        let arn = user.arn();
        let iam::IssuedKey { id, secret } = account.shared.state().iam.put_user(user)?;
        Ok(AccessKey { user: arn, id, secret })
    }
}

impl Role {
    /// The ARN by which AssumeRole and policies name it.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl AccessKey {
    /// The ARN of the user.
    pub fn user_arn(&self) -> &str {
        &self.user
    }

    /// The access key id (`AKIA…`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret access key. The stack itself never checks it.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl From<&AccessKey> for Credentials {
    fn from(key: &AccessKey) -> Self {
        Self::new(&key.id, &key.secret, None, None, "tenantseal-local")
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("user", &self.user).field("id", &self.id).finish_non_exhaustive()
    }
}

fn parse_all(policies: &[String]) -> Result<Arc<[Policy]>, Error> {
    policies.iter().map(|json| Policy::parse(json, Kind::Identity).map_err(Error::from)).collect()
}

fn check_name(name: &str) -> Result<(), Error> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(valid) {
        return Err(Error::Name(name.to_owned()));
    }
    Ok(())
}
