//! A tenant's key as its administrator sees it.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use tenantseal::TenantId;
use tenantseal::keys::{Alias, KeyArn};
use tenantseal_kms::errors::AwsErrorClass;
use tenantseal_tenants::{self, Entry, RegistryError, State, Tier};

use super::check::{Change, Outcome, Report};
use super::documents::{self, document};
use super::setup::{KeyFindings, Setup};
use crate::errors::{Exit, Failure, Result};

/// Checks alias, state, rotation and policy of the tenant's key.
pub(super) async fn check_tenant(report: &mut Report, setup: &mut Setup, tenant: &TenantId) -> Result<()> {
    let kms = Client::new(&setup.operator);
    let area = format!("tenant {tenant}");
    let entry = match setup.registry.registry().get(tenant).await {
        Err(RegistryError::TableNotFound(table)) => {
            let wrong = format!("the registry's table `{table}` does not exist");
            report.add(
                &area,
                "the registry's entry is correct",
                Outcome::failed(wrong, "tenantseal init, or check --registry"),
            );
            None
        }
        Ok(None) => {
            let outcome = Outcome::failed("it is not in the registry", format!("tenantseal onboard {tenant}"));
            report.add(&area, "the registry's entry is correct", outcome);
            None
        }
        entry => entry.map_err(tenantseal_tenants::Error::from)?,
    };
    let alias = setup.tenancy.alias(tenant);
    let described = match kms.describe_key().key_id(alias.as_str()).send().await {
        Ok(answer) => answer.key_metadata,
        Err(error) if AwsErrorClass::from_error(&error) == Some(AwsErrorClass::NotFound) => None,
        Err(error) => return Err(Failure::aws("DescribeKey", &error)),
    };
    let Some(key) = described else {
        let wrong = format!("there is no {alias} in {}", setup.region);
        report.add(
            &area,
            "the alias exists",
            Outcome::failed(wrong, format!("tenantseal onboard {tenant}, or check --alias and --region")),
        );
        return Ok(());
    };
    report.add(&area, "the alias exists", Outcome::passed(format!("{alias} → {}", key.key_id)));
    if let Some(entry) = &entry {
        let shown = setup.registry.show(tenant).await?;
        let number = entry.current().map(|current| current.number);
        let mut current = shown.keys.iter().filter(|known| Some(known.generation) == number);
        let is_tenants = current.any(|known| known.is_tenants == Some(true));
        report.add(&area, "the registry's entry is correct", registry(tenant, &alias, entry, &key, is_tenants));
    }
    report.add(&area, "the key has an alias of its own", own_alias(&kms, setup, tenant, &key).await?);
    report.add(&area, "the key is enabled", state(tenant, &key));
    report.add(&area, "the key is rotated", rotation(&kms, &key).await?);
    report.add(&area, "no grant bypasses the policies", grants(&kms, &key).await?);
    let shared = entry.is_some_and(|entry| entry.tier != Tier::Dedicated);
    let changes = changes(&kms, setup, tenant, &key, shared).await?;
    let outcome = if changes.is_empty() {
        Outcome::passed("statement by statement")
    } else {
        let fix = format!(
            "aws kms put-key-policy --key-id {} --policy \"$(tenantseal policy key {tenant})\", which makes these \
             changes:",
            key.key_id
        );
        Outcome::failed(format!("{} of its statements differ", changes.len()), fix).with(changes.clone())
    };
    report.add(&area, "the key policy is the generated one", outcome);
    setup.findings.insert(tenant.clone(), KeyFindings { key_id: key.key_id, key_policy: changes });
    Ok(())
}

/// Whether registry and KMS agree.
fn registry(tenant: &TenantId, alias: &Alias, entry: &Entry, key: &KeyMetadata, is_tenants: bool) -> Outcome {
    let again = |operation: &dyn std::fmt::Display| {
        format!("tenantseal {operation} {tenant}, which continues where it stopped")
    };
    if let Some(pending) = &entry.pending {
        let wrong = format!("`{}` was begun by {} and has not finished", pending.operation, pending.by);
        return Outcome::failed(wrong, again(&pending.operation));
    }
    let [known, there] = [
        entry.current().map(|current| current.key.clone()),
        key.arn.as_deref().and_then(|arn| KeyArn::parse(arn).ok()),
    ];
    let is_same = matches!((&known, &there), (Some(known), Some(there)) if known.is_same_key(there));
    if !is_same {
        let [known, there] = [known, there].map(|key| key.map_or_else(|| "no key".to_owned(), |key| key.to_string()));
        let fix = match is_tenants {
            // If the registry names another tenant's key, the alias must not be pointed to it.
            false => format!(
                "the registry's key is not the tenant's: tenantseal show {tenant} --history, and restore the entry"
            ),
            true => format!("aws kms update-alias --alias-name {alias} --target-key-id {known}, or ask who moved it"),
        };
        return Outcome::failed(format!("the registry says {known}, the alias points to {there}"), fix);
    }
    let family = key.multi_region_configuration.as_ref();
    let keys = family.into_iter().flat_map(|family| family.primary_key.iter().chain(family.replica_keys()));
    let there: Vec<_> = keys.filter_map(|key| key.region.as_deref()).collect();
    // A pool's Regions include those of its members.
    let strange =
        there.iter().find(|region| entry.tier == Tier::Dedicated && !entry.regions.iter().any(|own| own == *region));
    if let Some(region) = strange {
        let fix = format!(
            "ask who made it; tenantseal onboard {tenant} --replica {region} lists it, and tenantseal suspend \
             disables it too"
        );
        return Outcome::failed(format!("the registry does not list {region}, where KMS has a copy of the key"), fix);
    }
    let state = key.key_state.as_ref();
    let (agrees, fix) = match entry.state {
        State::Suspended => (state == Some(&KeyState::Disabled), "suspend"),
        State::Offboarded => (state != Some(&KeyState::Enabled), "offboard"),
        _ => (state == Some(&KeyState::Enabled), "resume"),
    };
    if agrees {
        return Outcome::passed(entry.state.to_string());
    }
    let state = state.map_or("unknown", KeyState::as_str);
    Outcome::failed(format!("the registry says {}, KMS says {state}", entry.state), again(&fix))
}

/// The per-key alias, which stays when the tenant's alias moves to another key.
async fn own_alias(kms: &Client, setup: &Setup, tenant: &TenantId, key: &KeyMetadata) -> Result<Outcome> {
    let own = setup.tenancy.alias(tenant).for_key(&key.key_id);
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
                "wait until KMS has created it, or look at the key in the console",
            )
        }
    }
}

/// No session policy limits a grant, and no condition of the key policy except a Deny.
async fn grants(kms: &Client, key: &KeyMetadata) -> Result<Outcome> {
    let mut grants = Vec::new();
    let mut pages = kms.list_grants().key_id(&key.key_id).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::aws("ListGrants", &error))?;
        grants.extend(page.grants.unwrap_or_default());
    }
    Ok(match &grants[..] {
        [] => Outcome::passed("none"),
        [grant, ..] => {
            let (to, id) =
                (grant.grantee_principal.as_deref().unwrap_or("?"), grant.grant_id.as_deref().unwrap_or("?"));
            let fix = format!("aws kms revoke-grant --key-id {} --grant-id {id}", key.key_id);
            Outcome::failed(format!("{} of them, the first to {to}", grants.len()), fix)
        }
    })
}

async fn rotation(kms: &Client, key: &KeyMetadata) -> Result<Outcome> {
    if key.key_state != Some(KeyState::Enabled) {
        return Ok(Outcome::skipped("KMS rotates only enabled keys"));
    }
    let answer = kms.get_key_rotation_status().key_id(&key.key_id).send().await;
    let answer = answer.map_err(|error| Failure::aws("GetKeyRotationStatus", &error))?;
    Ok(if answer.key_rotation_enabled {
        Outcome::passed(answer.rotation_period_in_days.map_or_else(String::new, |days| format!("every {days} days")))
    } else {
        let fix = format!("aws kms enable-key-rotation --key-id {} --rotation-period-in-days 365", key.key_id);
        Outcome::failed("automatic rotation is off", fix)
    })
}

/// The changes that restore the generated key policy.
async fn changes(
    kms: &Client,
    setup: &Setup,
    tenant: &TenantId,
    key: &KeyMetadata,
    shared: bool,
) -> Result<Vec<Change>> {
    let answer = kms.get_key_policy().key_id(&key.key_id).send().await;
    let present = answer.map_err(|error| Failure::aws("GetKeyPolicy", &error))?.policy.unwrap_or_default();
    let present = serde_json::from_str(&present)
        .map_err(|error| Failure::new(Exit::Aws, format!("GetKeyPolicy: the policy is not JSON: {error}")))?;
    let tenancy = &setup.tenancy;
    let wanted = if shared { tenancy.shared_key_policy() } else { tenancy.key_policy(tenant) };
    let wanted = wanted.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(documents::changes(&present, &document(&wanted)))
}
