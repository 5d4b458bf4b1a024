//! Combines the policies of caller, session and resource into one decision.
//!
//! This module is pure. It states what this emulator believes about AWS ("Policy evaluation logic" in the IAM user
//! guide, "Determining access to a KMS key" in that of KMS):
//!
//! | the resource's policy allows | same account | other account |
//! |---|---|---|
//! | nobody that is the caller | refused | refused |
//! | the account | identity ∩ session policy must allow | identity ∩ session policy must allow |
//! | the user or role by its ARN | session policy must allow | identity ∩ session policy must allow |
//! | the session by its ARN, or `*` | **allowed, session policy or not** | identity ∩ session policy must allow |
//!
//! An explicit `Deny` in any of them always refuses. A session without a session policy is not limited by one.

use std::sync::Arc;

use crate::policy::{Context, Policy, Principal, Question, Verdict, Via};

/// An authenticated caller, with everything that limits it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// The unique id that STS reports (`AIDA…`, or `AROA…:session`).
    pub(crate) unique_id: String,
    /// The current identity policies of the user or role.
    pub(crate) identity: Arc<[Policy]>,
    /// The session policy, if one was passed to AssumeRole.
    pub(crate) session: Option<Arc<Policy>>,
    /// The condition keys that describe the caller.
    pub(crate) context: Context,
    /// The session name, when the caller is the session of a role.
    pub(crate) session_name: Option<String>,
    /// The session tags that a further AssumeRole inherits.
    pub(crate) transitive_tags: Vec<(String, String)>,
}

/// A request, before it is known which policies decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    /// Condition keys for the caller's policies.
    pub(crate) context: &'a Context,
}

/// Why a request is not authorised, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    DeniedByIdentity,
    DeniedBySession,
    DeniedByResource,
    IdentityIsSilent,
    SessionIsSilent,
    ResourceIsSilent,
}

impl Denial {
    /// Whether a policy denies explicitly. Otherwise no policy allows, which a grant may still do.
    pub(crate) fn is_explicit(self) -> bool {
        matches!(self, Self::DeniedByIdentity | Self::DeniedBySession | Self::DeniedByResource)
    }

    /// The message of an access-denied error.
    pub(crate) fn message(self, caller: &Principal, action: &str, resource: &str) -> String {
        let reason = match self {
            Self::DeniedByIdentity => "with an explicit deny in an identity-based policy".to_owned(),
            Self::DeniedBySession => "with an explicit deny in a session policy".to_owned(),
            Self::DeniedByResource => "with an explicit deny in a resource-based policy".to_owned(),
            Self::IdentityIsSilent => format!("because no identity-based policy allows the {action} action"),
            Self::SessionIsSilent => format!("because no session policy allows the {action} action"),
            Self::ResourceIsSilent => format!("because no resource-based policy allows the {action} action"),
        };
        format!("User: {} is not authorized to perform: {action} on resource: {resource} {reason}", caller.arn)
    }
}

impl Caller {
    /// Asks the caller's own policies alone, for actions whose resource has no policy.
    pub(crate) fn may(&self, request: Request<'_>) -> Result<(), Denial> {
        let own = self.own_verdicts(request);
        own.explicit_denial()?;
        own.identity_allows()?;
        own.session_allows()
    }

    /// Asks the caller's policies and the policy of a resource in `owner`'s account.
    ///
    /// `resource_context` holds the condition keys that a resource policy sees. Some keys are for identity policies
    /// only.
    pub(crate) fn may_use(
        &self,
        request: Request<'_>,
        owner: &str,
        resource_policy: &Policy,
        resource_context: &Context,
    ) -> Result<(), Denial> {
        let own = self.own_verdicts(request);
        own.explicit_denial()?;
        let resource = resource_policy.judge(self.question(Request { context: resource_context, ..request }));
        if resource.denied {
            return Err(Denial::DeniedByResource);
        }
        if !resource.permits() {
            return Err(Denial::ResourceIsSilent);
        }
        let same_account = self.principal.account == owner;
        if same_account && (resource.allows_via(Via::Session) || resource.allows_via(Via::Anyone)) {
            return Ok(());
        }
        if !(same_account && resource.allows_via(Via::Name)) {
            own.identity_allows()?;
        }
        own.session_allows()
    }

    fn own_verdicts(&self, request: Request<'_>) -> OwnVerdicts {
        let question = self.question(request);
        OwnVerdicts {
            identity: self.identity.iter().map(|policy| policy.judge(question)).collect(),
            session: self.session.as_ref().map(|policy| policy.judge(question)),
        }
    }

    fn question<'a>(&'a self, request: Request<'a>) -> Question<'a> {
        let Request { action, resource, context } = request;
        Question { principal: &self.principal, action, resource, context }
    }
}

struct OwnVerdicts {
    identity: Vec<Verdict>,
    session: Option<Verdict>,
}

impl OwnVerdicts {
    fn explicit_denial(&self) -> Result<(), Denial> {
        if self.identity.iter().any(|verdict| verdict.denied) {
            return Err(Denial::DeniedByIdentity);
        }
        if self.session.as_ref().is_some_and(|verdict| verdict.denied) {
            return Err(Denial::DeniedBySession);
        }
        Ok(())
    }

    fn identity_allows(&self) -> Result<(), Denial> {
        if self.identity.iter().any(Verdict::permits) { Ok(()) } else { Err(Denial::IdentityIsSilent) }
    }

    fn session_allows(&self) -> Result<(), Denial> {
        if self.session.as_ref().is_none_or(Verdict::permits) { Ok(()) } else { Err(Denial::SessionIsSilent) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on has failed
mod tests;
