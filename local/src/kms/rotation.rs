//! Rotation: more key material under the same key id.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::epoch_seconds,
    random::{self, NoRandomness},
    refusal::{Refusal, kms as code},
    state::keys::{Key, Material},
};

use super::{
    input::OnlyKeyId,
    page::Page,
    session::{Session, Target},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EnableKeyRotation {
    key_id: String,
    rotation_period_in_days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListKeyRotations {
    key_id: String,
    include_key_material: Option<String>,
    #[serde(flatten)]
    page: Page,
}

/// The maximum number of on-demand rotations of a key.
const MAX_ROTATIONS: usize = 25;

impl Session<'_> {
    pub(super) fn rotate_key_on_demand(&mut self, input: OnlyKeyId) -> Result<Value, Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:RotateKeyOnDemand", &target)?;
        let key = self.rotatable(&target)?;
        if key.materials.len() > MAX_ROTATIONS {
            return Err(code::LIMIT_EXCEEDED.because(format!("a key can be rotated on demand {MAX_ROTATIONS} times")));
        }
        let material = Material::new(self.now)?;
        for key in self.state.keys.family_mut(&target.key.id) {
            key.materials.push(material.clone());
        }
        Ok(json!({ "KeyId": target.key.id }))
    }

    pub(super) fn enable_key_rotation(&mut self, input: EnableKeyRotation) -> Result<(), Refusal> {
        let days = input.rotation_period_in_days.unwrap_or(365);
        if !(90..=2560).contains(&days) {
            return Err(code::VALIDATION.because("RotationPeriodInDays must be between 90 and 2560"));
        }
        let target = self.resolve_key(&input.key_id)?;
        self.authorise_with("kms:EnableKeyRotation", &target, |context| {
            context.set("kms:RotationPeriodInDays", days.to_string());
        })?;
        self.set_rotation(&target, Some(days))
    }

    pub(super) fn disable_key_rotation(&mut self, input: OnlyKeyId) -> Result<(), Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:DisableKeyRotation", &target)?;
        self.set_rotation(&target, None)
    }

    pub(super) fn get_key_rotation_status(&mut self, input: OnlyKeyId) -> Result<Value, Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:GetKeyRotationStatus", &target)?;
        let key = self.key(&target.key)?;
        let mut status = json!({ "KeyId": key.name.id, "KeyRotationEnabled": key.rotation_days.is_some() });
        if let Some(days) = key.rotation_days {
            let since = key.rotation_since.unwrap_or(key.created);
            status["RotationPeriodInDays"] = days.into();
            status["NextRotationDate"] =
                epoch_seconds(since + Duration::from_secs(u64::from(days) * 24 * 60 * 60)).into();
        }
        Ok(status)
    }

    pub(super) fn list_key_rotations(&mut self, input: ListKeyRotations) -> Result<Value, Refusal> {
        let all = match input.include_key_material.as_deref() {
            None | Some("ROTATIONS_ONLY") => false,
            Some("ALL_KEY_MATERIAL") => true,
            Some(_) => {
                return Err(code::VALIDATION.because("IncludeKeyMaterial is ALL_KEY_MATERIAL or ROTATIONS_ONLY"));
            }
        };
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:ListKeyRotations", &target)?;
        let key = self.key(&target.key)?;
        let last = key.materials.len() - 1;
        let entries: Vec<_> = key.materials.iter().enumerate().skip(usize::from(!all)).collect();
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(number, material)| {
                let mut entry = json!({
                    "KeyId": key.name.id,
                    "KeyMaterialId": material.id,
                    "KeyMaterialState": if number == last { "CURRENT" } else { "NON_CURRENT" },
                });
                if number > 0 {
                    entry["RotationDate"] = epoch_seconds(material.since).into();
                    entry["RotationType"] = "ON_DEMAND".into();
                }
                (format!("{number:08}"), entry)
            })
            .collect();
        input.page.answer("Rotations", 100, 1000, entries.iter().map(|(name, entry)| (name.as_str(), entry.clone())))
    }

    fn set_rotation(&mut self, target: &Target, days: Option<u32>) -> Result<(), Refusal> {
        self.rotatable(target)?;
        let now = self.now;
        for key in self.state.keys.family_mut(&target.key.id) {
            key.rotation_days = days;
            key.rotation_since = days.map(|_| now);
        }
        Ok(())
    }

    /// A key that can be rotated itself. Replicas follow their primary key.
    fn rotatable(&self, target: &Target) -> Result<&Key, Refusal> {
        let key = self.usable(target)?;
        if key.is_replica() {
            return Err(code::UNSUPPORTED.because("replica keys rotate with their primary key"));
        }
        Ok(key)
    }
}

impl Key {
    /// The material that currently encrypts.
    pub(super) fn current_material(&self) -> &Material {
        self.materials.last().expect("a key is created with material, and none is ever removed")
    }
}

impl Material {
    pub(super) fn new(since: SystemTime) -> Result<Self, NoRandomness> {
        Ok(Self { bytes: random::array()?, id: random::hex(32)?, since })
    }
}
