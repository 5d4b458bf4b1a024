//! Users, roles, and the credentials that identify them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    authorise::Caller,
    clock::{epoch_seconds, iso_8601},
    policy::{Context, Policy, Principal},
    random::{self, NoRandomness},
};

#[derive(Debug, Default)]
pub(crate) struct Iam {
    /// Keyed by ARN.
    users: BTreeMap<String, User>,
    /// Keyed by ARN.
    roles: BTreeMap<String, Role>,
    /// Keyed by access key id.
    credentials: HashMap<String, Credential>,
    /// Keyed by access key id: S3's protocol verifies signatures.
    #[cfg(feature = "s3")]
    secrets: HashMap<String, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) policies: Arc<[Policy]>,
    pub(crate) tags: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) trust: Arc<Policy>,
    pub(crate) policies: Arc<[Policy]>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) max_session: Duration,
    /// `AROA…`
    pub(crate) unique_id: String,
}

/// The user or session that an access key belongs to.
#[derive(Debug)]
enum Credential {
    User { arn: String, unique_id: String },
    Session(Session),
}

/// A role that has been assumed.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The role's ARN.
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) tags: Vec<(String, String)>,
    /// The names of those `tags` that a further AssumeRole inherits.
    pub(crate) transitive: Vec<String>,
    pub(crate) issued: SystemTime,
    pub(crate) expires: SystemTime,
}

/// An access key as it is issued, once.
#[derive(Clone, Debug)]
pub(crate) struct IssuedKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// Why credentials are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// There are none.
    Missing,
    /// The access key is unknown, or the session token does not belong to it.
    Unknown,
    Expired,
}

impl User {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account, self.name)
    }

    fn caller(&self, unique_id: &str) -> Caller {
        let principal = Principal { account: self.account.clone(), arn: self.arn(), identity: self.arn() };
        let mut context = principal_context(&principal, "User", unique_id, &self.tags);
        context.set("aws:username", &self.name);
        Caller {
            principal,
            unique_id: unique_id.to_owned(),
            identity: Arc::clone(&self.policies),
            session: None,
            context,
            session_name: None,
            transitive_tags: Vec::new(),
        }
    }
}

impl Role {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    /// The ARN of a session of this role.
    pub(crate) fn session_arn(&self, session: &str) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.account, self.name)
    }

    fn caller(&self, session: &Session) -> Caller {
        let arn = self.session_arn(&session.name);
        let principal = Principal { account: self.account.clone(), arn, identity: self.arn() };
        let unique_id = format!("{}:{}", self.unique_id, session.name);
        // A session tag replaces the role's tag of the same name.
        let mut tags: Vec<_> = self.tags.iter().filter(|(key, _)| !has_tag(&session.tags, key)).cloned().collect();
        tags.extend(session.tags.iter().cloned());
        let mut context = principal_context(&principal, "AssumedRole", &unique_id, &tags);
        context.set("aws:TokenIssueTime", iso_8601(session.issued));
        let transitive = session.tags.iter().filter(|(key, _)| session.transitive.contains(key));
        Caller {
            principal,
            unique_id,
            identity: Arc::clone(&self.policies),
            session: session.policy.clone(),
            context,
            session_name: Some(session.name.clone()),
            transitive_tags: transitive.cloned().collect(),
        }
    }
}

impl Iam {
    pub(crate) fn put_user(&mut self, user: User) -> Result<IssuedKey, NoRandomness> {
        let issued = IssuedKey::new("AKIA")?;
        let credential = Credential::User { arn: user.arn(), unique_id: random::capitals("AIDA", 17)? };
        self.add_credential(&issued, credential);
        self.users.insert(user.arn(), user);
        Ok(issued)
    }

    pub(crate) fn put_role(&mut self, role: Role) {
        self.roles.insert(role.arn(), role);
    }

    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.get(arn)
    }

    pub(crate) fn open_session(&mut self, session: Session) -> Result<IssuedKey, NoRandomness> {
        let issued = IssuedKey::new("ASIA")?;
        self.add_credential(&issued, Credential::Session(session));
        Ok(issued)
    }

    fn add_credential(&mut self, issued: &IssuedKey, credential: Credential) {
        #[cfg(feature = "s3")]
        self.secrets.insert(issued.id.clone(), issued.secret.clone());
        self.credentials.insert(issued.id.clone(), credential);
    }

    /// The secret that belongs to an access key.
    #[cfg(feature = "s3")]
    pub(crate) fn secret(&self, key: &str) -> Option<&str> {
        self.secrets.get(key).map(String::as_str)
    }

    /// Finds the caller with these credentials.
    pub(crate) fn authenticate(&self, key: &str, token: Option<&str>, now: SystemTime) -> Result<Caller, Rejected> {
        match self.credentials.get(key).ok_or(Rejected::Unknown)? {
            Credential::User { arn, unique_id } if token.is_none() => {
                let user = self.users.get(arn).ok_or(Rejected::Unknown)?;
                Ok(user.caller(unique_id))
            }
            Credential::Session(session) if token == Some(&session.token) => {
                if now >= session.expires {
                    return Err(Rejected::Expired);
                }
                let role = self.roles.get(&session.role).ok_or(Rejected::Unknown)?;
                Ok(role.caller(session))
            }
            Credential::User { .. } | Credential::Session(_) => Err(Rejected::Unknown),
        }
    }
}

impl IssuedKey {
    fn new(prefix: &str) -> Result<Self, NoRandomness> {
        Ok(Self { id: random::capitals(prefix, 16)?, secret: random::hex(20)? })
    }
}

/// Whether these contain a tag of this name. Tag names on principals are compared ignoring case.
pub(crate) fn has_tag(tags: &[(String, String)], key: &str) -> bool {
    tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(key))
}

/// Adds the condition keys that every request has.
pub(crate) fn add_request_context(context: &mut Context, region: &str, now: SystemTime) {
    context.set("aws:RequestedRegion", region);
    context.set("aws:CurrentTime", iso_8601(now));
    context.set("aws:EpochTime", epoch_seconds(now).to_string());
    // Loopback stands in for TLS, so that policies that require TLS can be tested unchanged.
    context.set("aws:SecureTransport", "true");
}

fn principal_context(principal: &Principal, kind: &str, unique_id: &str, tags: &[(String, String)]) -> Context {
    let mut context = Context::default();
    context.set("aws:PrincipalArn", &principal.identity);
    context.set("aws:PrincipalAccount", &principal.account);
    context.set("aws:PrincipalType", kind);
    context.set("aws:PrincipalIsAWSService", "false");
    context.set("aws:userid", unique_id);
    for (key, value) in tags {
        context.set(&format!("aws:PrincipalTag/{key}"), value);
    }
    context
}
