//! A tenant's key, seen by its administrator.

use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use tenantseal::TenantId;

use super::check::{Change, Outcome, Report};
use super::{Found, Patient, document, documents};
use crate::errors::{Exit, Failure, Result};

/// Checks alias, state, rotation and policy of the tenant's key.
pub(super) async fn tenant(report: &mut Report, patient: &mut Patient, tenant: &TenantId) -> Result<()> {
    let kms = Client::new(&patient.operator);
    let area = format!("tenant {tenant}");
    let alias = patient.tenancy.alias(tenant);
    let described = match kms.describe_key().key_id(alias.as_str()).send().await {
        Ok(answer) => answer.key_metadata,
        Err(error) if error.code() == Some("NotFoundException") => None,
        Err(error) => return Err(Failure::aws("DescribeKey", &error)),
    };
    let Some(key) = described else {
        let wrong = format!("there is no {alias} in {}", patient.region);
        report.add(
            &area,
            "the alias exists",
            Outcome::failed(wrong, format!("tenantseal onboard {tenant}, or check --alias and --region")),
        );
        return Ok(());
    };
    report.add(&area, "the alias exists", Outcome::passed(format!("{alias} → {}", key.key_id)));
    report.add(&area, "the key has an alias of its own", own_alias(&kms, patient, tenant, &key).await?);
    report.add(&area, "the key is enabled", state(tenant, &key));
    report.add(&area, "the key is rotated", rotation(&kms, &key).await?);
    let changes = changes(&kms, patient, tenant, &key).await?;
    let outcome = if changes.is_empty() {
        Outcome::passed("statement by statement")
    } else {
        let mend = format!(
            "aws kms put-key-policy --key-id {} --policy \"$(tenantseal policy key {tenant})\", which makes these changes:",
            key.key_id
        );
        Outcome::failed(format!("{} of its statements differ", changes.len()), mend).with(changes.clone())
    };
    report.add(&area, "the key policy is the generated one", outcome);
    patient.found.insert(tenant.clone(), Found { key_id: key.key_id, key_policy: changes });
    Ok(())
}

/// The alias that stays when the tenant's alias is pointed to another key one day.
async fn own_alias(kms: &Client, patient: &Patient, tenant: &TenantId, key: &KeyMetadata) -> Result<Outcome> {
    let own = patient.tenancy.alias(tenant).of_key(&key.key_id);
    let mut pages = kms.list_aliases().key_id(&key.key_id).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::aws("ListAliases", &error))?;
        if page.aliases().iter().any(|alias| alias.alias_name() == Some(own.as_str())) {
            return Ok(Outcome::passed(own.as_str()));
        }
    }
    let wrong = "once the tenant's alias points to another key, items of this key will not open";
    Ok(Outcome::failed(wrong, format!("aws kms create-alias --alias-name {own} --target-key-id {}", key.key_id)))
}

fn state(tenant: &TenantId, key: &KeyMetadata) -> Outcome {
    match &key.key_state {
        Some(KeyState::Enabled) => Outcome::passed("Enabled"),
        Some(KeyState::Disabled) => Outcome::failed("it is disabled", format!("tenantseal resume {tenant}")),
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => {
            Outcome::failed("it is pending deletion", format!("tenantseal cancel-offboard {tenant}"))
        }
        other => {
            let state = other.as_ref().map_or("unknown", KeyState::as_str);
            Outcome::failed(
                format!("its state is {state}"),
                "wait until KMS has created it, or look at it in the console",
            )
        }
    }
}

async fn rotation(kms: &Client, key: &KeyMetadata) -> Result<Outcome> {
    if key.key_state != Some(KeyState::Enabled) {
        return Ok(Outcome::skipped("KMS rotates enabled keys alone"));
    }
    let answer = kms.get_key_rotation_status().key_id(&key.key_id).send().await;
    let answer = answer.map_err(|error| Failure::aws("GetKeyRotationStatus", &error))?;
    Ok(if answer.key_rotation_enabled {
        Outcome::passed(answer.rotation_period_in_days.map_or_else(String::new, |days| format!("every {days} days")))
    } else {
        let mend = format!("aws kms enable-key-rotation --key-id {} --rotation-period-in-days 365", key.key_id);
        Outcome::failed("automatic rotation is off", mend)
    })
}

/// What makes the key's policy the one that the library generates.
async fn changes(kms: &Client, patient: &Patient, tenant: &TenantId, key: &KeyMetadata) -> Result<Vec<Change>> {
    let answer = kms.get_key_policy().key_id(&key.key_id).send().await;
    let present = answer.map_err(|error| Failure::aws("GetKeyPolicy", &error))?.policy.unwrap_or_default();
    let present = serde_json::from_str(&present)
        .map_err(|error| Failure::new(Exit::Aws, format!("GetKeyPolicy: the policy is not JSON: {error}")))?;
    let wanted = patient.tenancy.key_policy(tenant).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(documents::changes(&present, &document(&wanted)))
}
