//! Grants: permissions in addition to the policies, each for one principal.
//!
//! A grant permits what identity and session policies do not mention, so a session policy does not limit it. An
//! explicit denial in any policy still refuses.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::epoch_seconds,
    random,
    refusal::{Refusal, kms as code},
    state::keys::{Constraint, Grant, Key},
};

use super::{
    input::EncryptionContext,
    page::Page,
    session::{Session, Target},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateGrant {
    key_id: String,
    grantee_principal: String,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    constraints: Option<Constraints>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Constraints {
    encryption_context_subset: Option<BTreeMap<String, String>>,
    encryption_context_equals: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListGrants {
    key_id: String,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RevokeGrant {
    key_id: String,
    grant_id: String,
}

/// The operations that a grant on a symmetric key can allow.
const OPERATIONS: [&str; 9] = [
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
];

impl Session<'_> {
    pub(super) fn create_grant(&mut self, input: CreateGrant) -> Result<Value, Refusal> {
        let CreateGrant { key_id, grantee_principal, retiring_principal, operations, constraints, name } = input;
        let principal = |arn: &str| arn.starts_with("arn:aws:iam::") || arn.starts_with("arn:aws:sts::");
        if !principal(&grantee_principal) || grantee_principal.contains(['*', '?']) {
            return Err(code::INVALID_ARN.because(format!("Invalid grantee {grantee_principal}")));
        }
        if operations.is_empty() || operations.iter().any(|operation| !OPERATIONS.contains(&operation.as_str())) {
            return Err(code::VALIDATION.because("Operations has a value that grants on symmetric keys do not know"));
        }
        let constraint = match constraints {
            None => None,
            Some(Constraints { encryption_context_subset: Some(pairs), encryption_context_equals: None }) => {
                Some(Constraint::Subset(pairs))
            }
            Some(Constraints { encryption_context_subset: None, encryption_context_equals: Some(pairs) }) => {
                Some(Constraint::Equals(pairs))
            }
            Some(_) => return Err(code::VALIDATION.because("a grant has one constraint, of one kind")),
        };
        let target = self.resolve_key(&key_id)?;
        self.authorise_with("kms:CreateGrant", &target, |context| {
            context.set("kms:GranteePrincipal", &grantee_principal);
            context.set_many("kms:GrantOperations", operations.iter().cloned());
        })?;
        let (now, id, token) = (self.now, random::hex(32)?, random::hex(32)?);
        let key = self.changeable(&target)?;
        // A grant of the same name and content is the same grant, so CreateGrant can be repeated.
        let known = key.grants.values().find(|grant| {
            name.is_some() && grant.name == name && grant.grantee == grantee_principal && grant.operations == operations
        });
        if let Some(known) = known {
            return Ok(json!({ "GrantId": known.id, "GrantToken": token }));
        }
        let grantee = grantee_principal;
        let grant =
            Grant { id: id.clone(), name, grantee, retiring: retiring_principal, operations, constraint, created: now };
        key.grants.insert(id.clone(), grant);
        Ok(json!({ "GrantId": id, "GrantToken": token }))
    }

    pub(super) fn list_grants(&mut self, input: ListGrants) -> Result<Value, Refusal> {
        let ListGrants { key_id, grant_id, grantee_principal, page } = input;
        let target = self.resolve_key(&key_id)?;
        self.authorise("kms:ListGrants", &target)?;
        let key = self.key(&target.key)?;
        let wanted = |grant: &&Grant| {
            grant_id.as_ref().is_none_or(|id| *id == grant.id)
                && grantee_principal.as_ref().is_none_or(|grantee| *grantee == grant.grantee)
        };
        let grants = key.grants.values().filter(wanted).map(|grant| (grant.id.as_str(), grant.to_json(key)));
        page.answer("Grants", 50, 100, grants)
    }

    pub(super) fn revoke_grant(&mut self, input: RevokeGrant) -> Result<(), Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:RevokeGrant", &target)?;
        let removed = self.changeable(&target)?.grants.remove(&input.grant_id);
        removed.map(drop).ok_or_else(|| code::NOT_FOUND.because(format!("Grant {} does not exist", input.grant_id)))
    }

    /// Whether a grant lets the caller do this.
    pub(super) fn is_granted(&self, action: &str, target: &Target, context: &EncryptionContext) -> bool {
        let operation = action.strip_prefix("kms:").unwrap_or(action);
        let caller = &self.caller.principal;
        let means = |grant: &Grant| {
            (grant.grantee == caller.identity || grant.grantee == caller.arn)
                && grant.operations.iter().any(|granted| granted == operation)
                && grant.constraint.as_ref().is_none_or(|constraint| constraint.holds(&context.0))
        };
        self.key(&target.key).is_ok_and(|key| key.grants.values().any(means))
    }
}

impl Constraint {
    fn holds(&self, context: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Subset(pairs) => pairs.iter().all(|(key, value)| context.get(key) == Some(value)),
            Self::Equals(pairs) => pairs == context,
        }
    }
}

impl Grant {
    fn to_json(&self, key: &Key) -> Value {
        let mut entry = json!({
            "KeyId": key.arn(),
            "GrantId": self.id,
            "GranteePrincipal": self.grantee,
            "Operations": self.operations,
            "CreationDate": epoch_seconds(self.created),
            "IssuingAccount": format!("arn:aws:iam::{}:root", key.account),
        });
        if let Some(name) = &self.name {
            entry["Name"] = name.as_str().into();
        }
        if let Some(retiring) = &self.retiring {
            entry["RetiringPrincipal"] = retiring.as_str().into();
        }
        match &self.constraint {
            Some(Constraint::Subset(pairs)) => entry["Constraints"] = json!({ "EncryptionContextSubset": pairs }),
            Some(Constraint::Equals(pairs)) => entry["Constraints"] = json!({ "EncryptionContextEquals": pairs }),
            None => {}
        }
        entry
    }
}
