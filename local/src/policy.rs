//! IAM policies: parses them strictly, and judges one request by one policy.
//!
//! This module is pure. It follows the IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements":
//!
//! 1. A policy is a list of statements. A statement applies to a request when its principal, action, resource and every
//!    condition match.
//! 2. One applicable `Deny` denies. Otherwise one applicable `Allow` permits. Otherwise the policy is silent.
//! 3. Whatever is not understood (an unknown element, operator, version or effect) makes the whole policy malformed. A
//!    condition that is ignored would grant more than its author wrote.
//!
//! `authorise` combines the policies of several owners.

mod condition;
mod context;
mod document;
mod pattern;
mod principal;

pub(crate) use context::Context;
pub(crate) use principal::{Principal, Via, is_account_id};

use condition::{Condition, Truth};
use document::{Document, RawStatement};
use pattern::{Grammar, Pattern};
use principal::PrincipalElement;

/// A policy that AWS would refuse to store, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed policy document: {0}")]
pub struct MalformedPolicy(String);

impl MalformedPolicy {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What a policy is attached to. This decides what its statements must and must not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On a user, a role or a session: has no `Principal`.
    Identity,
    /// On a KMS key: has a `Principal` and a `Resource`.
    Key,
    /// On a role, to say who may assume it: has a `Principal`, and no `Resource`.
    Trust,
}

/// The question to a policy: who wants to do what to which resource, under which circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a Context,
}

/// One policy's answer to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// A `Deny` statement applies, so nothing else matters.
    pub(crate) denied: bool,
    /// How each applicable `Allow` statement matched the caller. Empty when the policy is silent.
    pub(crate) allowed: Vec<Via>,
}

impl Verdict {
    /// Whether the policy alone permits the request.
    pub(crate) fn permits(&self) -> bool {
        !self.denied && !self.allowed.is_empty()
    }

    /// Whether an `Allow` statement matches the caller in this way.
    pub(crate) fn allows_via(&self, via: Via) -> bool {
        self.allowed.contains(&via)
    }
}

/// A policy that was parsed in full.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    denies: bool,
    /// `None` in an identity policy, which applies to whoever carries it.
    principal: Option<PrincipalElement>,
    action: Element,
    /// `None` in a trust policy, which applies to the role that carries it.
    resource: Option<Element>,
    condition: Condition,
}

/// `Action`/`NotAction` and `Resource`/`NotResource`: a list of patterns, or everything else.
#[derive(Clone, Debug)]
struct Element {
    inverted: bool,
    patterns: Vec<Pattern>,
}

impl Policy {
    /// Parses a policy.
    pub(crate) fn parse(json: &str, kind: Kind) -> Result<Self, MalformedPolicy> {
        let document = Document::parse(json)?;
        let variables = document.has_variables();
        let statements = document.statements.into_iter().map(|raw| Statement::read(raw, kind, variables));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// Judges a request by this policy alone.
    pub(crate) fn judge(&self, question: Question<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for statement in &self.statements {
            let Some(via) = statement.applies(question) else {
                continue;
            };
            if statement.denies {
                verdict.denied = true;
            } else {
                verdict.allowed.push(via);
            }
        }
        verdict
    }
}

impl Statement {
    fn read(raw: RawStatement, kind: Kind, variables: bool) -> Result<Self, MalformedPolicy> {
        let principal = match (raw.principal, kind) {
            (None, Kind::Identity) => None,
            (Some(_), Kind::Identity) => {
                return Err(MalformedPolicy::new("policy document should not specify a principal"));
            }
            (Some(principal), Kind::Key | Kind::Trust) => Some(PrincipalElement::read(principal)?),
            (None, Kind::Key | Kind::Trust) => return Err(MalformedPolicy::new("missing required field Principal")),
        };
        let action = Element::read("Action", raw.action, raw.not_action, |action| {
            if action != "*" && !action.contains(':') {
                return Err(MalformedPolicy::new(format!("actions must be prefixed with a vendor: {action}")));
            }
            // Actions are compared ignoring case and contain no variables.
            Pattern::parse(&action.to_ascii_lowercase(), Grammar { wildcards: true, variables: false })
        })?;
        let resource = match kind {
            Kind::Trust if raw.resource.is_some() || raw.not_resource.is_some() => {
                return Err(MalformedPolicy::new("has prohibited field Resource"));
            }
            Kind::Trust => None,
            Kind::Identity | Kind::Key => {
                Some(Element::read("Resource", raw.resource, raw.not_resource, |resource| {
                    if resource != "*" && !resource.starts_with("arn:") {
                        return Err(MalformedPolicy::new(format!(
                            "resource must be in ARN format or \"*\": {resource}"
                        )));
                    }
                    Pattern::parse(resource, Grammar { wildcards: true, variables })
                })?)
            }
        };
        let condition = Condition::read(raw.condition, variables)?;
        Ok(Self { denies: raw.effect.denies(), principal, action, resource, condition })
    }

    /// How the statement matches the caller of this request, if it applies.
    fn applies(&self, question: Question<'_>) -> Option<Via> {
        let Question { principal, action, resource, context } = question;
        let via = match &self.principal {
            None => Via::Identity,
            Some(element) => element.matches(principal)?,
        };
        let action = action.to_ascii_lowercase();
        if !self.action.matches(|pattern| pattern.matches(&action, context)) {
            return None;
        }
        if let Some(element) = &self.resource
            && !element.matches(|pattern| pattern.matches_resource(resource, context))
        {
            return None;
        }
        match self.condition.holds(context) {
            Truth::Yes => Some(via),
            // AWS leaves the meaning open, so it must not grant anything.
            Truth::Undefined if self.denies => Some(via),
            Truth::Undefined | Truth::No => None,
        }
    }
}

impl Element {
    fn read(
        name: &str,
        only: Option<Vec<String>>,
        all_but: Option<Vec<String>>,
        parse: impl Fn(&str) -> Result<Pattern, MalformedPolicy>,
    ) -> Result<Self, MalformedPolicy> {
        let (inverted, values) = match (only, all_but) {
            (Some(values), None) => (false, values),
            (None, Some(values)) => (true, values),
            (None, None) => return Err(MalformedPolicy::new(format!("missing required field {name}"))),
            (Some(_), Some(_)) => {
                return Err(MalformedPolicy::new(format!("{name} and Not{name} exclude each other")));
            }
        };
        if values.is_empty() {
            return Err(MalformedPolicy::new(format!("{name} is empty")));
        }
        let patterns = values.iter().map(|value| parse(value)).collect::<Result<_, _>>()?;
        Ok(Self { inverted, patterns })
    }

    fn matches(&self, matches: impl Fn(&Pattern) -> bool) -> bool {
        self.patterns.iter().any(matches) != self.inverted
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on has failed
mod tests;
