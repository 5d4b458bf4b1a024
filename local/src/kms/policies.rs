//! Key policies. Each key has exactly one, named `default`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    refusal::{Refusal, kms as code},
    state::keys::KeyPolicy,
};

use super::{input::OnlyKeyId, session::Session};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
    policy: String,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

impl Session<'_> {
    pub(super) fn get_key_policy(&mut self, input: GetKeyPolicy) -> Result<Value, Refusal> {
        check_name(input.policy_name.as_deref())?;
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:GetKeyPolicy", &target)?;
        Ok(json!({ "Policy": self.key(&target.key)?.policy.text, "PolicyName": "default" }))
    }

    pub(super) fn put_key_policy(&mut self, input: PutKeyPolicy) -> Result<(), Refusal> {
        check_name(input.policy_name.as_deref())?;
        let bypass = input.bypass_policy_lockout_safety_check;
        let target = self.resolve_key(&input.key_id)?;
        self.authorise_with("kms:PutKeyPolicy", &target, |context| {
            context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
        })?;
        let policy = KeyPolicy::read(input.policy)?;
        if !bypass {
            self.check_lockout(self.key(&target.key)?, &policy.policy)?;
        }
        self.key_mut(&target.key)?.policy = policy;
        Ok(())
    }

    pub(super) fn list_key_policies(&mut self, input: OnlyKeyId) -> Result<Value, Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:ListKeyPolicies", &target)?;
        Ok(json!({ "PolicyNames": ["default"], "Truncated": false }))
    }
}

fn check_name(name: Option<&str>) -> Result<(), Refusal> {
    match name {
        None | Some("default") => Ok(()),
        Some(name) => Err(code::NOT_FOUND.because(format!("No such policy exists: {name}"))),
    }
}
