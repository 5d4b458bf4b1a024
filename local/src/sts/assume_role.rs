//! AssumeRole: who may assume which role, with what limits, and for how long.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    authorise::{Caller, Request},
    clock::iso_8601,
    policy::{Context, Kind, Policy},
    random,
    refusal::{Refusal, sts as code},
    state::iam::{Iam, Role, Session, add_request_context, has_tag},
};

use super::{form::Form, xml::Element};

/// The caller's request, checked as far as possible without knowing the role.
#[derive(Debug)]
struct Wanted {
    role_arn: String,
    session_name: String,
    length: Duration,
    external_id: Option<String>,
    policy: Option<Policy>,
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
    /// The length of the policy, as it was passed.
    policy_length: usize,
}

/// All parameters of AssumeRole that this emulator supports. Some of the others limit a session (managed session
/// policies, MFA, source identity). Ignoring one would grant more than was requested.
const PARAMETERS: [&str; 9] = [
    "Action",
    "Version",
    "RoleArn",
    "RoleSessionName",
    "DurationSeconds",
    "ExternalId",
    "Policy",
    "Tags",
    "TransitiveTagKeys",
];

const MAX_POLICY: usize = 2048;
const MAX_TAGS: usize = 50;
/// AWS compresses policy and tags before it measures them, and does not document how. This many characters stand for
/// its limit.
const PACKED_LIMIT: usize = 4096;
/// One character of a tag counts as this many of a policy, because AWS compresses tags less. Observed: 262 characters
/// in the tags of an EKS pod took 61 percent.
const TAG_WEIGHT: usize = 10;
const MAX_CHAINED: Duration = Duration::from_secs(3600);

pub(super) fn assume_role(
    iam: &mut Iam,
    caller: &Caller,
    region: &str,
    now: SystemTime,
    form: &Form,
) -> Result<Vec<Element>, Refusal> {
    let mut wanted = Wanted::read(form)?;
    wanted.inherit_tags(caller)?;
    let packed_size = wanted.packed_size()?;
    let role = iam.role(&wanted.role_arn).cloned();
    // A role that does not exist looks like one that the caller may not assume.
    let role = role.ok_or_else(|| deny(caller, "sts:AssumeRole", &wanted.role_arn))?;
    wanted.authorise(caller, &role, region, now)?;
    wanted.check_length(caller, &role)?;

    let expires = now + wanted.length;
    let token = random::hex(120)?;
    let session = Session {
        role: role.arn(),
        name: wanted.session_name.clone(),
        token: token.clone(),
        policy: wanted.policy.map(Arc::new),
        tags: wanted.tags,
        transitive: wanted.transitive,
        issued: now,
        expires,
    };
    let issued = iam.open_session(session)?;
    let credentials = vec![
        Element::text("AccessKeyId", issued.id),
        Element::text("SecretAccessKey", issued.secret),
        Element::text("SessionToken", token),
        Element::text("Expiration", iso_8601(expires)),
    ];
    let user = vec![
        Element::text("AssumedRoleId", format!("{}:{}", role.unique_id, wanted.session_name)),
        Element::text("Arn", role.session_arn(&wanted.session_name)),
    ];
    Ok(vec![
        Element::with_children("Credentials", credentials),
        Element::with_children("AssumedRoleUser", user),
        Element::text("PackedPolicySize", packed_size.to_string()),
    ])
}

impl Wanted {
    fn read(form: &Form) -> Result<Self, Refusal> {
        if let Some(unknown) = form.names().find(|name| !PARAMETERS.contains(name)) {
            return Err(invalid(format!("the local stack does not support the parameter {unknown}")));
        }
        let required = |name| form.get(name).ok_or_else(|| invalid(format!("{name} is missing")));
        let session_name = required("RoleSessionName")?.to_owned();
        if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(is_name_char) {
            return Err(invalid("RoleSessionName must be 2 to 64 characters of [\\w+=,.@-]".to_owned()));
        }
        let seconds = form.get("DurationSeconds").map_or(Ok(3600), str::parse).unwrap_or_default();
        if !(900..=43_200).contains(&seconds) {
            return Err(invalid("DurationSeconds must be between 900 and 43200".to_owned()));
        }
        let policy_text = form.get("Policy").unwrap_or_default();
        if policy_text.chars().count() > MAX_POLICY {
            return Err(invalid(format!("Policy must have at most {MAX_POLICY} characters")));
        }
        let parse = |text| Policy::parse(text, Kind::Identity);
        let policy = form.get("Policy").map(parse).transpose();
        let policy = policy.map_err(|error| code::MALFORMED_POLICY.because(error.to_string()))?;
        let tags = read_tags(form)?;
        let transitive = read_transitive(form, &tags)?;
        Ok(Self {
            role_arn: required("RoleArn")?.to_owned(),
            session_name,
            length: Duration::from_secs(seconds),
            external_id: form.get("ExternalId").map(str::to_owned),
            policy,
            tags,
            transitive,
            policy_length: policy_text.len(),
        })
    }

    /// Transitive tags of the calling session pass to the new one as if they had been passed: they are request tags. An
    /// inherited tag cannot be passed as well, not even with the same value (STS API reference, AssumeRole, `Tags`).
    fn inherit_tags(&mut self, caller: &Caller) -> Result<(), Refusal> {
        if let Some((key, _)) = self.tags.iter().find(|(key, _)| has_tag(&caller.transitive_tags, key)) {
            return Err(invalid(format!("the session tag {key} is inherited from the calling session as transitive")));
        }
        self.tags.extend(caller.transitive_tags.iter().cloned());
        self.transitive.extend(caller.transitive_tags.iter().map(|(key, _)| key.clone()));
        Ok(())
    }

    /// The used share of the space for policy and tags, in percent. Inherited tags count.
    fn packed_size(&self) -> Result<usize, Refusal> {
        let tags: usize = self.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        let packed_size = (self.policy_length + tags * TAG_WEIGHT).div_ceil(PACKED_LIMIT / 100);
        if packed_size > 100 {
            let reason = format!("Packed size of policy and tags consumes {packed_size}% of allotted space.");
            return Err(code::PACKED_POLICY_TOO_LARGE.because(reason));
        }
        Ok(packed_size)
    }

    /// Asks the role's trust policy and the caller's own policies, for the role and for the tags.
    fn authorise(&self, caller: &Caller, role: &Role, region: &str, now: SystemTime) -> Result<(), Refusal> {
        let mut context = caller.context.clone();
        add_request_context(&mut context, region, now);
        context.set("aws:ResourceAccount", &role.account);
        for (key, value) in &self.tags {
            context.set(&format!("aws:RequestTag/{key}"), value);
        }
        context.set_many("aws:TagKeys", self.tags.iter().map(|(key, _)| key.clone()));
        context.set_many("sts:TransitiveTagKeys", self.transitive.iter().cloned());
        let tagging = with_resource_tags(&context, role);
        let mut assuming = tagging.clone();
        assuming.set("sts:RoleSessionName", &self.session_name);
        if let Some(external_id) = &self.external_id {
            assuming.set("sts:ExternalId", external_id);
        }
        // The IAM user guide says for AssumeRole alone that these 2 condition keys are known.
        let actions = [("sts:AssumeRole", &assuming), ("sts:TagSession", &tagging)];
        let needed = if self.tags.is_empty() { &actions[..1] } else { &actions[..] };
        for (action, context) in needed {
            let request = Request { action, resource: &self.role_arn, context };
            let decision = caller.may_use(request, &role.account, &role.trust, context);
            decision.map_err(|_| deny(caller, action, &self.role_arn))?;
        }
        Ok(())
    }

    fn check_length(&self, caller: &Caller, role: &Role) -> Result<(), Refusal> {
        if caller.session_name.is_some() && self.length > MAX_CHAINED {
            let reason =
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
            return Err(invalid(reason.to_owned()));
        }
        if self.length > role.max_session {
            return Err(invalid(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
            ));
        }
        Ok(())
    }
}

fn with_resource_tags(context: &Context, role: &Role) -> Context {
    let mut context = context.clone();
    for (key, value) in &role.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value);
        context.set(&format!("iam:ResourceTag/{key}"), value);
    }
    context
}

fn read_tags(form: &Form) -> Result<Vec<(String, String)>, Refusal> {
    let mut tags = Vec::new();
    for member in form.members("Tags") {
        let key = member.field("Key").unwrap_or_default();
        let value = member.field("Value").unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid("a session tag's key has 1 to 128 characters and its value at most 256".to_owned()));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("session tags that begin with aws: are reserved".to_owned()));
        }
        // Names that differ only in case denote the same tag.
        if has_tag(&tags, key) {
            return Err(invalid(format!("duplicate session tag {key}")));
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    if tags.len() > MAX_TAGS {
        return Err(invalid(format!("a session can have {MAX_TAGS} tags")));
    }
    Ok(tags)
}

fn read_transitive(form: &Form, tags: &[(String, String)]) -> Result<Vec<String>, Refusal> {
    let mut transitive = Vec::new();
    for member in form.members("TransitiveTagKeys") {
        let wanted = member.value().unwrap_or_default();
        let tag = tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
        let (key, _) = tag.ok_or_else(|| invalid(format!("the transitive tag key {wanted} is not a session tag")))?;
        transitive.push(key.clone());
    }
    Ok(transitive)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn invalid(message: String) -> Refusal {
    code::VALIDATION.because(message)
}

/// STS does not say which policy refused.
fn deny(caller: &Caller, action: &str, role: &str) -> Refusal {
    let arn = &caller.principal.arn;
    code::ACCESS_DENIED.because(format!("User: {arn} is not authorized to perform: {action} on resource: {role}"))
}
