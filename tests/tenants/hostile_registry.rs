//! Whoever writes the registry gets no operator to act on a key that is not the tenant's: every field of an entry, every command.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_kms::types::KeyState;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tenantseal::TenantId;
use tenantseal_tenants::{Entry, InMemoryRegistry, Operation, Registry, Tenants, Tier};

use crate::common::id;
use crate::tenants::office::Office;
use crate::tenants::steps::REGIONS;

pub(crate) const HOME: &str = REGIONS[0];
pub(crate) const ABROAD: &str = REGIONS[1];
/// A Region in which nobody has a key.
const ELSEWHERE: &str = "eu-west-1";
/// Whose keys must stay as they are: one in service with a replica, one out of service, one that is ended, and a pool with a member.
const OTHERS: [&str; 5] = ["globex", "hooli", "initrode", "pool", "tiny"];
/// How many key accounts are attacked at once: much of the time passes in waiting.
const LANES: usize = 16;

/// What is asked of an operator for the tenant whose entry is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Onboard,
    Replicas,
    Shared,
    AsPool,
    EveryDays,
    OnDemand,
    NewKey,
    ToPool,
    Suspend,
    Resume,
    Offboard,
    Cancel,
    Mend,
    Show,
}

impl Command {
    pub(crate) const ALL: [Self; 14] = [
        Self::Onboard,
        Self::Replicas,
        Self::Shared,
        Self::AsPool,
        Self::EveryDays,
        Self::OnDemand,
        Self::NewKey,
        Self::ToPool,
        Self::Suspend,
        Self::Resume,
        Self::Cancel,
        Self::Mend,
        Self::Show,
        Self::Offboard,
    ];

    /// Gives whether it says that it is done.
    pub(crate) async fn run(self, tenants: &Tenants, whom: &TenantId) -> bool {
        let pool = id("pool");
        match self {
            Self::Onboard => tenants.onboard(whom).await.is_ok(),
            Self::Replicas => tenants.onboard(whom).replicas([ABROAD, ELSEWHERE]).await.is_ok(),
            Self::Shared => tenants.onboard(whom).in_pool(&pool).await.is_ok(),
            Self::AsPool => tenants.onboard(whom).create_pool().await.is_ok(),
            Self::EveryDays => tenants.rotate(whom).every_days(100).await.is_ok(),
            Self::OnDemand => tenants.rotate(whom).on_demand().await.is_ok(),
            Self::NewKey => tenants.rotate(whom).new_key().await.is_ok(),
            Self::ToPool => tenants.move_to(whom, Tier::Shared { pool }).await.is_ok(),
            Self::Suspend => tenants.suspend(whom).await.is_ok(),
            Self::Resume => tenants.resume(whom).await.is_ok(),
            Self::Offboard => tenants.offboard(whom).window_days(7).await.is_ok(),
            Self::Cancel => tenants.cancel_offboard(whom).await.is_ok(),
            Self::Mend => tenants.restore_policies(whom).await.is_ok(),
            Self::Show => tenants.show(whom).await.is_ok(),
        }
    }
}

/// Everyone's keys, and the key team's handle.
pub(crate) struct Scene {
    pub(crate) office: Office,
    pub(crate) registry: Arc<InMemoryRegistry>,
    pub(crate) tenants: Tenants,
    /// Keys that were made for acme: they need not be looked at again.
    own: Mutex<BTreeSet<String>>,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let office = Office::open().await;
        let registry = Arc::new(InMemoryRegistry::default());
        let tenants = office.without_waits(registry.clone()).build(&office.admin).unwrap();
        let scene = Self { office, registry, tenants, own: Mutex::default() };
        let tenants = &scene.tenants;
        tenants.onboard(&id("globex")).replicas([ABROAD]).await.unwrap();
        for tenant in ["hooli", "initrode", "acme"] {
            tenants.onboard(&id(tenant)).await.unwrap();
        }
        tenants.onboard(&id("pool")).create_pool().await.unwrap();
        tenants.onboard(&id("tiny")).in_pool(&id("pool")).await.unwrap();
        tenants.suspend(&id("hooli")).await.unwrap();
        tenants.offboard(&id("initrode")).await.unwrap();
        scene
    }

    pub(crate) async fn entry(&self, whom: &str) -> Value {
        serde_json::to_value(self.registry.get(&id(whom)).await.unwrap().unwrap()).unwrap()
    }

    async fn entries(&self) -> Vec<(&'static str, Value)> {
        let mut entries = Vec::new();
        for name in OTHERS {
            entries.push((name, self.entry(name).await));
        }
        entries
    }

    /// Writes an entry, whatever it says.
    pub(crate) async fn write(&self, mut entry: Value) {
        let whom: TenantId = serde_json::from_value(entry["tenant"].clone()).unwrap();
        let stored = self.registry.get(&whom).await.unwrap().map_or(0, |stored| stored.version);
        entry["version"] = json!(stored + 1);
        let entry: Entry = serde_json::from_value(entry).unwrap();
        self.registry.put(&entry).await.unwrap();
    }

    /// All that KMS knows of keys that were not made for acme.
    pub(crate) async fn others(&self) -> Vec<String> {
        let regions = [HOME, ABROAD, ELSEWHERE].map(|region| self.others_in(region));
        let mut all = join_all(regions).await.concat();
        all.sort();
        all
    }

    async fn others_in(&self, region: &str) -> Vec<String> {
        let kms = self.office.kms(region);
        let listed = kms.list_aliases().into_paginator().items().send().try_collect().await.unwrap();
        let keys = kms.list_keys().into_paginator().items().send().try_collect().await.unwrap();
        let mut all = Vec::new();
        for key in keys.into_iter().filter_map(|key| key.key_id) {
            if self.own.lock().unwrap().contains(&key) {
                continue;
            }
            let known = kms.describe_key().key_id(&key).send().await.unwrap().key_metadata.unwrap();
            if known.description().is_some_and(|description| description.contains("tenant acme")) {
                self.own.lock().unwrap().insert(key);
                continue;
            }
            let policy = kms.get_key_policy().key_id(&key).send().await.unwrap().policy;
            let tags = kms.list_resource_tags().key_id(&key).send().await.unwrap().tags;
            let rotation = match known.key_state {
                Some(KeyState::Enabled | KeyState::Disabled) => {
                    let status = kms.get_key_rotation_status().key_id(&key).send().await.unwrap();
                    (status.rotation_period_in_days, status.key_rotation_enabled)
                }
                _ => (None, false),
            };
            let aliases = listed.iter().filter(|alias| alias.target_key_id() == Some(&key));
            let mut aliases: Vec<_> = aliases.filter_map(|alias| alias.alias_name()).collect();
            // Aliases of acme's own on the pool's key are its membership.
            let is_pool = aliases.contains(&"alias/customer-pool");
            aliases.retain(|alias| !(is_pool && alias.starts_with("alias/customer-acme")));
            all.push(format!("{region} {aliases:?} {known:?} {policy:?} {tags:?} {rotation:?}"));
        }
        all
    }

    /// Has acme's entry say something else before each command. Gives whether that did harm to another's key, which is `before` afterwards.
    async fn suffers(&self, forged: &Value, before: &mut Vec<String>) -> bool {
        let whom: TenantId = serde_json::from_value(forged["tenant"].clone()).unwrap();
        for command in Command::ALL {
            self.write(forged.clone()).await;
            command.run(&self.tenants, &whom).await;
        }
        let after = self.others().await;
        std::mem::replace(before, after) != *before
    }
}

/// The hostile values of one entry, by what they say.
fn forgeries(own: &Value, others: &[(&str, Value)]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Value)| {
        let mut entry = own.clone();
        change(&mut entry);
        all.push((what, entry));
    };
    let pending = |operation: &str, key: &Value, target: Value| {
        json!({ "operation": operation, "id": "00112233445566778899aabbccddeeff", "claims": 1, "claimed": own["created"],
            "by": "nobody", "target": target, "key": key, "material": "forged", "days": 2000, "replicas": [ELSEWHERE] })
    };
    let operations = ["onboard", "rotate", "rekey", "suspend", "resume", "offboard", "cancel_offboarding"];
    let states = ["onboarding", "active", "suspended", "offboarded"];
    for state in states {
        add(format!("state {state}"), &|entry| entry["state"] = json!(state));
        add(format!("state {state}, without keys"), &|entry| {
            entry["state"] = json!(state);
            entry["generations"] = json!([]);
        });
    }
    add("tier pool".into(), &|entry| entry["tier"] = json!({ "kind": "pool" }));
    add("alias".into(), &|entry| entry["alias"] = json!("alias/customer-globex"));
    add("regions".into(), &|entry| entry["regions"] = json!([ELSEWHERE]));
    add("regions reversed".into(), &|entry| entry["regions"] = json!([ABROAD, HOME]));
    add("regions no regions".into(), &|entry| {
        entry["regions"] = json!(["alias/x", "169.254.169.254/", "../x", "localhost#", ""])
    });
    add("members".into(), &|entry| entry["members"] = json!(["globex"]));
    add("deletion past".into(), &|entry| {
        entry["state"] = json!("offboarded");
        entry["deletion"] = json!("2020-01-01T00:00:00Z");
    });
    for (name, other) in others {
        let key = &other["generations"][0]["key"];
        for kind in
            [json!({ "kind": "dedicated" }), json!({ "kind": "pool" }), json!({ "kind": "shared", "pool": name })]
        {
            add(format!("tier {kind}, key of {name}"), &|entry| {
                entry["tier"] = kind.clone();
                entry["regions"] = other["regions"].clone();
                entry["generations"][0]["key"] = key.clone();
                if kind["kind"] == "shared" {
                    entry["generations"][0]["pool"] = json!(name);
                }
            });
        }
        for state in states {
            add(format!("state {state}, key of {name}, regions"), &|entry| {
                entry["state"] = json!(state);
                entry["regions"] = json!([HOME, ABROAD]);
                entry["generations"].as_array_mut().unwrap().insert(0, other["generations"][0].clone());
                entry["deletion"] = json!("2020-01-01T00:00:00Z");
            });
        }
        let shared = json!({ "kind": "shared", "pool": name });
        for operation in operations {
            for target in [json!({ "kind": "dedicated" }), json!({ "kind": "pool" }), shared.clone()] {
                // Where a change leads matters to two operations.
                if target["kind"] != "dedicated" && !["onboard", "rekey"].contains(&operation) {
                    continue;
                }
                add(format!("pending {operation} to {target}, key of {name}"), &|entry| {
                    entry["pending"] = pending(operation, key, target.clone());
                    if operation == "onboard" {
                        entry["state"] = json!("onboarding");
                        entry["tier"] = target.clone();
                        entry["generations"] = json!([]);
                    }
                });
            }
        }
        for operation in operations {
            add(format!("aside {operation}, key of {name}"), &|entry| {
                entry["state"] = json!("suspended");
                entry["aside"] = pending(operation, key, shared.clone());
            });
        }
        add(format!("key of the pool {name}"), &|entry| entry["generations"][0]["pool"] = json!(name));
        add(format!("former key of the pool {name}"), &|entry| {
            let mut former = other["generations"][0].clone();
            former["pool"] = json!(name);
            entry["generations"].as_array_mut().unwrap().insert(0, former);
        });
    }
    all
}

/// Every so many of the forgeries, one after the other: how many there are in all, and which did harm.
async fn attacked(lane: usize) -> (usize, Vec<String>) {
    let scene = Scene::set().await;
    let others = scene.entries().await;
    let (mut harm, mut before) = (Vec::new(), scene.others().await);
    let mut number = lane;
    loop {
        // Another acme each time: the keys of the last one are used up.
        let whom = format!("acme-{number}");
        scene.tenants.onboard(&id(&whom)).await.unwrap();
        let forgeries = forgeries(&scene.entry(&whom).await, &others);
        let Some((what, forged)) = forgeries.get(number) else { return (forgeries.len(), harm) };
        if scene.suffers(forged, &mut before).await {
            harm.push(what.clone());
        }
        // The others' entries too are as they were.
        for (_, entry) in &others {
            scene.write(entry.clone()).await;
        }
        number += LANES;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_an_entry_gets_an_operator_to_act_on_anothers_key() {
    let lanes = join_all((0..LANES).map(|lane| tokio::spawn(attacked(lane)))).await;
    let (counts, harm): (Vec<_>, Vec<_>) = lanes.into_iter().map(Result::unwrap).unzip();
    let harm = harm.concat();
    assert!(counts[0] > 100, "{counts:?}");
    assert!(harm.is_empty(), "of {} forgeries {} did harm: {harm:#?}", counts[0], harm.len());
}

#[tokio::test]
async fn a_forged_pool_puts_nobodys_alias_on_anothers_key() {
    let scene = Scene::set().await;
    let globex = scene.entry("globex").await;
    for kind in ["generations", "tier"] {
        // Globex's key as that of the pool, and globex itself as a pool.
        let mut forged = scene.entry(if kind == "tier" { "globex" } else { "pool" }).await;
        forged["generations"] = globex["generations"].clone();
        forged["regions"] = globex["regions"].clone();
        forged["tier"] = json!({ "kind": "pool" });
        forged["members"] = json!([]);
        let pool = if kind == "tier" { "globex" } else { "pool" };
        let before = scene.others().await;
        for step in 0..4 {
            scene.write(forged.clone()).await;
            let (tenants, pool) = (&scene.tenants, id(pool));
            match step {
                0 => drop(tenants.onboard(&id("acme-2")).in_pool(&pool).await),
                1 => drop(tenants.move_to(&id("acme"), Tier::Shared { pool }).await),
                2 => drop(tenants.resume(&id("tiny")).await),
                _ => drop(tenants.offboard(&id("tiny")).await),
            }
            let others = |line: &String| !line.contains("customer-pool");
            let (now, before): (Vec<_>, Vec<_>) = (
                scene.others().await.into_iter().filter(others).collect(),
                before.clone().into_iter().filter(others).collect(),
            );
            assert_eq!(now, before, "{kind} {step}");
        }
    }
}

#[tokio::test]
async fn a_pool_that_is_in_use_is_not_ended_whatever_the_entry_says() {
    let scene = Scene::set().await;
    let pool = scene.entry("pool").await;
    for tier in ["pool", "dedicated"] {
        let mut forged = pool.clone();
        forged["members"] = json!([]);
        forged["tier"] = json!({ "kind": tier });
        scene.write(forged).await;
        let before = scene.others().await;
        let told = scene.tenants.offboard(&id("pool")).await.unwrap_err().to_string();
        assert_eq!(scene.others().await, before);
        assert!(told.contains("1 tenants on it"), "{told}");
        assert!(scene.tenants.check(&id("pool"), Operation::Suspend).await.is_ok(), "nothing has begun");
    }
}

#[tokio::test]
async fn a_flipped_tier_changes_no_policy() {
    let scene = Scene::set().await;
    for (whom, tier) in [("globex", "pool"), ("pool", "dedicated")] {
        let mut forged = scene.entry(whom).await;
        forged["tier"] = json!({ "kind": tier });
        scene.write(forged).await;
        let before = scene.others().await;
        let refused = scene.tenants.restore_policies(&id(whom)).await.unwrap_err().to_string();
        assert!(refused.contains("was not made for"), "{refused}");
        drop(scene.tenants.onboard(&id(whom)).replicas([ELSEWHERE]).await);
        drop(scene.tenants.onboard(&id(whom)).create_pool().replicas([ELSEWHERE]).await);
        drop(scene.tenants.rotate(&id(whom)).new_key().await);
        assert_eq!(scene.others().await, before, "{whom} as {tier}");
    }
}
