//! What operators do, as data, and what there is afterwards, as a text in which equal ends are equal.

use std::collections::BTreeMap;

use tenantseal::TenantId;
use tenantseal_tenants::{Error, Tenants, Tier};

use crate::common::id;
use crate::tenants::office::Office;

const TENANT: &str = "acme";
/// The pool first: its key is its own.
const EVERYONE: [&str; 2] = ["pool", TENANT];
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "eu-central-1"];

/// What is done with the tenant `acme`, and with the pool `pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Pool,
    WidePool,
    Onboard,
    OnboardWide,
    OnboardShared,
    Every120,
    OnDemand,
    NewKey,
    ToPool,
    Out,
    Suspend,
    Resume,
    Offboard,
    Cancel,
}

impl Step {
    /// Whom it concerns.
    pub(crate) fn whom(self) -> TenantId {
        id(if matches!(self, Self::Pool | Self::WidePool) { "pool" } else { TENANT })
    }

    pub(crate) async fn perform(self, tenants: &Tenants) -> Result<(), Error> {
        let (acme, pool) = (&id(TENANT), &id("pool"));
        match self {
            Self::Pool => tenants.onboard(pool).create_pool().await.map(drop),
            Self::WidePool => tenants.onboard(pool).create_pool().replicas([REGIONS[1]]).await.map(drop),
            Self::Onboard => tenants.onboard(acme).await.map(drop),
            Self::OnboardWide => tenants.onboard(acme).replicas([REGIONS[1]]).await.map(drop),
            Self::OnboardShared => tenants.onboard(acme).in_pool(pool).await.map(drop),
            Self::Every120 => tenants.rotate(acme).every_days(120).await.map(drop),
            Self::OnDemand => tenants.rotate(acme).on_demand().await.map(drop),
            Self::NewKey => tenants.rotate(acme).new_key().if_generation(1).await.map(drop),
            Self::Out => tenants.move_to(acme, Tier::Dedicated).if_generation(1).await.map(drop),
            Self::ToPool => {
                let tier = Tier::Shared { pool: pool.clone() };
                tenants.move_to(acme, tier).if_generation(1).await.map(drop)
            }
            Self::Suspend => tenants.suspend(acme).await.map(drop),
            Self::Resume => tenants.resume(acme).await.map(drop),
            Self::Offboard => tenants.offboard(acme).window_days(7).await.map(drop),
            Self::Cancel => tenants.cancel_offboard(acme).await.map(drop),
        }
    }

    pub(crate) async fn perform_all(steps: &[Self], tenants: &Tenants) {
        for step in steps {
            step.perform(tenants).await.unwrap_or_else(|error| panic!("{step:?}: {error}"));
        }
    }
}

/// Entries and keys, with each key's id replaced by whose it is; a key that is nobody's is an orphan.
pub(crate) async fn picture(office: &Office, tenants: &Tenants) -> String {
    let mut text = String::new();
    let mut names = BTreeMap::new();
    for tenant in EVERYONE {
        let Some(entry) = tenants.registry().get(&id(tenant)).await.unwrap() else { continue };
        for generation in &entry.generations {
            names.entry(generation.key.key_id().to_owned()).or_insert(format!("{tenant}#{}", generation.number));
        }
        let keys: Vec<_> = entry.generations.iter().map(|generation| &names[generation.key.key_id()]).collect();
        let pending = entry.pending.as_ref().map(|pending| pending.operation);
        let (members, dated) = (&entry.members, entry.deletion.is_some());
        text.push_str(&format!(
            "{tenant}: {} {} keys {keys:?} regions {:?} members {members:?} pending {pending:?} dated {dated}\n",
            entry.state, entry.tier, entry.regions
        ));
        for key in tenants.show(&id(tenant)).await.unwrap().keys {
            let (name, own) = (&names[key.key.key_id()], key.policy_is_ours);
            let rotated = (key.rotation_days, key.rotations);
            text.push_str(&format!("{tenant}: {name} in {}: policy {own:?} rotated {rotated:?}\n", key.region));
        }
    }
    for region in REGIONS {
        let mut keys: Vec<_> = office
            .keys(region)
            .await
            .into_iter()
            .map(|key| {
                let name = names.get(&key.id).map_or("orphan", String::as_str);
                format!("{region}: {name} {} {:?}\n", key.state, key.aliases)
            })
            .collect();
        keys.sort();
        text.push_str(&keys.concat());
    }
    names.iter().fold(text, |text, (id, name)| text.replace(id.as_str(), name))
}
