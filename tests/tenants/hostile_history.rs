//! A registry that says of an operation that another has finished it, with a history that proves it; and copies of keys whose descriptions,
//! made by hand, say something else than those beside them. Nothing of another's is touched, and nothing is reported as done that is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kms::types::KeyState;
use serde_json::{Value, json};
use tenantseal::TenantId;
use tenantseal_tenants::{Entry, InMemoryRegistry, Page, Registry, RegistryError};

use crate::common::id;
use crate::tenants::hostile_registry::{ABROAD, Command, HOME, Scene};

/// Tells the truth of a tenant until an operation has begun and its entry was read so often since; then that it is finished.
#[derive(Debug)]
struct Liar {
    inner: Arc<InMemoryRegistry>,
    /// How many readings are true yet, once something has begun.
    left: Mutex<usize>,
    /// How the finished entry differs from one that would be sound.
    forged: Forgery,
}

type Forgery = fn(&mut Value, &Value);

impl Liar {
    /// The entry as another would have left it, if it is time to lie.
    async fn lie(&self, stored: &Entry, globex: &Value) -> Option<Entry> {
        let pending = stored.pending.as_ref()?;
        let state = match pending.operation.to_string().as_str() {
            "suspend" | "cancel-offboard" => "suspended",
            "offboard" => "offboarded",
            _ => "active",
        };
        let mut entry = serde_json::to_value(stored).unwrap();
        entry.as_object_mut().unwrap().remove("pending");
        entry["state"] = json!(state);
        entry["version"] = json!(stored.version + 1);
        (self.forged)(&mut entry, globex);
        Some(serde_json::from_value(entry).unwrap())
    }

    async fn told(&self, tenant: &TenantId) -> Option<Entry> {
        let stored = self.inner.get(tenant).await.unwrap()?;
        let globex = serde_json::to_value(self.inner.get(&id("globex")).await.unwrap().unwrap()).unwrap();
        self.lie(&stored, &globex).await
    }
}

#[async_trait]
impl Registry for Liar {
    async fn get(&self, tenant: &TenantId) -> Result<Option<Entry>, RegistryError> {
        if tenant.as_str().starts_with("acme")
            && let Some(told) = self.told(tenant).await
        {
            let mut left = self.left.lock().unwrap();
            match *left {
                0 => return Ok(Some(told)),
                _ => *left -= 1,
            }
        }
        self.inner.get(tenant).await
    }

    async fn put(&self, entry: &Entry) -> Result<(), RegistryError> {
        if *self.left.lock().unwrap() == 0 && self.told(&entry.tenant).await.is_some() {
            return Err(RegistryError::Conflict(entry.tenant.clone()));
        }
        self.inner.put(entry).await
    }

    async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Page, RegistryError> {
        self.inner.list(after, limit).await
    }

    async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, RegistryError> {
        let mut history = self.inner.history(tenant).await?;
        if *self.left.lock().unwrap() == 0 {
            history.extend(self.told(tenant).await);
        }
        Ok(history)
    }
}

/// What the tenant has before the command.
async fn prepare(scene: &Scene, command: Command, whom: &TenantId) {
    let tenants = &scene.tenants;
    if !matches!(command, Command::Onboard | Command::Shared) {
        tenants.onboard(whom).await.unwrap();
    }
    match command {
        Command::Resume => drop(tenants.suspend(whom).await.unwrap()),
        Command::Cancel => drop(tenants.offboard(whom).await.unwrap()),
        _ => {}
    }
}

/// What KMS has for a tenant.
struct Kms<'a>(&'a Scene, &'a TenantId);

impl Kms<'_> {
    async fn behind(&self, alias: &str, region: &str) -> Option<aws_sdk_kms::types::KeyMetadata> {
        let described = self.0.office.kms(region).describe_key().key_id(alias).send().await;
        described.ok()?.key_metadata
    }

    fn alias(&self) -> String {
        format!("alias/customer-{}", self.1)
    }

    async fn seals(&self, region: &str) -> bool {
        let kms = self.0.office.session(self.1.as_str(), region).await;
        let request = kms.generate_data_key().key_id(self.alias()).number_of_bytes(32);
        request.encryption_context("tenant", self.1.as_str()).send().await.is_ok()
    }

    /// The states of all keys that were made for the tenant.
    async fn states(&self) -> Vec<KeyState> {
        let mut states = Vec::new();
        for region in [HOME, ABROAD] {
            for key in self.0.office.keys(region).await {
                let known = self.behind(&key.id, region).await.unwrap();
                let made_for = format!("tenantseal: tenant {},", self.1);
                if known.description().is_some_and(|said| said.starts_with(&made_for)) {
                    states.push(key.state);
                }
            }
        }
        states
    }

    /// Whether it is as the command says when it is done. `before` is the key that was behind the alias.
    async fn is_so(&self, command: Command, before: Option<&str>) -> bool {
        let current = self.behind(&self.alias(), HOME).await;
        let pool = self.behind("alias/customer-pool", HOME).await.unwrap();
        let is = |key: &str| current.as_ref().is_some_and(|current| current.key_id == key);
        match command {
            Command::Suspend => !self.seals(HOME).await && !self.seals(ABROAD).await,
            Command::Onboard | Command::Resume => self.seals(HOME).await,
            Command::Replicas => self.seals(HOME).await && self.seals(ABROAD).await,
            Command::Offboard => self
                .states()
                .await
                .iter()
                .all(|state| matches!(state, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)),
            Command::Cancel => self.states().await.iter().all(|state| *state == KeyState::Disabled),
            Command::NewKey => current.is_some() && !before.is_some_and(is) && self.seals(HOME).await,
            Command::ToPool | Command::Shared => is(&pool.key_id),
            Command::EveryDays => {
                let key = current.unwrap().key_id;
                let status = self.0.office.kms(HOME).get_key_rotation_status().key_id(key).send().await.unwrap();
                status.rotation_period_in_days == Some(100)
            }
            Command::OnDemand => {
                let key = current.unwrap().key_id;
                let kms = self.0.office.kms(HOME);
                let rotated = kms.list_key_rotations().key_id(&key).send().await.unwrap().rotations.unwrap_or_default();
                let status = kms.get_key_rotation_status().key_id(key).send().await.unwrap();
                !rotated.is_empty() || status.on_demand_rotation_start_date.is_some()
            }
            Command::AsPool | Command::Mend | Command::Show => true,
        }
    }
}

const FORGERIES: [(&str, Forgery); 3] = [
    ("finished", |_, _| ()),
    ("finished long ago", |entry, _| {
        for date in ["created", "updated", "deletion"] {
            entry[date] = json!("2020-01-01T00:00:00Z");
        }
    }),
    ("finished with another's key", |entry, globex| {
        entry["generations"] = globex["generations"].clone();
        entry["regions"] = globex["regions"].clone();
    }),
];

#[tokio::test]
async fn no_forged_history_has_an_operation_said_to_be_done_that_is_not() {
    let scene = Scene::set().await;
    let (mut number, mut wrong) = (0, Vec::new());
    let others = scene.others().await;
    for command in Command::ALL {
        if matches!(command, Command::Mend | Command::Show | Command::AsPool) {
            continue;
        }
        for (how, forged) in FORGERIES {
            for left in 0..4 {
                number += 1;
                let whom = id(&format!("acme-{number}"));
                prepare(&scene, command, &whom).await;
                let kms = Kms(&scene, &whom);
                let before = kms.behind(&kms.alias(), HOME).await.map(|key| key.key_id);
                let liar = Liar { inner: Arc::clone(&scene.registry), left: Mutex::new(left), forged };
                let tenants = scene.office.without_waits(Arc::new(liar)).build(&scene.office.admin).unwrap();
                if command.run(&tenants, &whom).await && !kms.is_so(command, before.as_deref()).await {
                    wrong.push(format!("{command:?}, {how} after {left} readings"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "of {number} operations {} said that they are done: {wrong:#?}", wrong.len());
    assert_eq!(scene.others().await, others);
}

/// Gives a tenant's key a replica abroad, with the tenant's alias, and a description made by hand.
async fn replicate(scene: &Scene, whom: &TenantId, description: &str) {
    let kms = Kms(scene, whom);
    let key = kms.behind(&kms.alias(), HOME).await.unwrap().key_id;
    let policy = scene.office.tenancy.key_policy(whom).unwrap().to_string();
    let request = scene.office.kms(HOME).replicate_key().key_id(&key).replica_region(ABROAD).policy(policy);
    request.description(description).send().await.unwrap();
    let create = scene.office.kms(ABROAD).create_alias().alias_name(kms.alias()).target_key_id(&key);
    create.send().await.unwrap();
}

/// A tenant with a multi-Region key whose one replica was given back.
async fn primary_alone(scene: &Scene, whom: &TenantId) {
    const GIVEN_BACK: &str = "eu-west-3";
    scene.tenants.onboard(whom).replicas([GIVEN_BACK]).await.unwrap();
    let kms = Kms(scene, whom);
    let key = kms.behind(&kms.alias(), HOME).await.unwrap().key_id;
    let delete = scene.office.kms(GIVEN_BACK).schedule_key_deletion().key_id(key).pending_window_in_days(7);
    delete.send().await.unwrap();
    scene.office.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    let mut entry = scene.entry(whom.as_str()).await;
    entry["regions"] = json!([HOME]);
    scene.write(entry).await;
}

#[tokio::test]
async fn a_replica_that_contradicts_the_registry_reports_nothing_as_done() {
    let mut wrong = Vec::new();
    for description in ["tenantseal: tenant globex", "tenantseal: pool pool", "", "anything"] {
        // What waits for its deletion can be neither replicated nor described.
        for command in Command::ALL.into_iter().filter(|command| *command != Command::Cancel) {
            let scene = Scene::set().await;
            let whom = id("acme-1");
            primary_alone(&scene, &whom).await;
            // Looked at before there is a copy that says something else: then the key is known as the tenant's.
            let others = scene.others().await;
            if command == Command::Resume {
                // A key that is out of service cannot be replicated, but described.
                replicate(&scene, &whom, &format!("tenantseal: tenant {whom}")).await;
                drop(scene.tenants.suspend(&whom).await.unwrap_err());
                scene.tenants.suspend(&whom).await.unwrap();
                let key = scene.entry(whom.as_str()).await["generations"][0]["key"].as_str().unwrap().to_owned();
                let update = scene.office.kms(ABROAD).update_key_description().description(description);
                update.key_id(key.rsplit('/').next().unwrap()).send().await.unwrap();
            } else {
                replicate(&scene, &whom, description).await;
            }
            let kms = Kms(&scene, &whom);
            let before = kms.behind(&kms.alias(), HOME).await.map(|key| key.key_id);
            // The first run may correct the entry.
            let done = command.run(&scene.tenants, &whom).await || command.run(&scene.tenants, &whom).await;
            let is_claimed = done && !matches!(command, Command::Shared | Command::Onboard);
            if is_claimed && !kms.is_so(command, before.as_deref()).await {
                wrong.push(format!("{command:?} with a replica that says {description:?}"));
            }
            let is_foreign = description.starts_with("tenantseal");
            if !is_foreign && [Command::Suspend, Command::Offboard].contains(&command) {
                assert!(done, "{command:?} with a replica that says {description:?}");
            }
            assert!(scene.others().await == others, "{command:?} with a replica that says {description:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The copy whose description is to be corrected is the one that the error names.
#[tokio::test]
async fn a_replica_that_contradicts_the_registry_is_named_and_advice_fixes_it() {
    let scene = Scene::set().await;
    let whom = id("acme-1");
    primary_alone(&scene, &whom).await;
    replicate(&scene, &whom, "tenantseal: tenant globex").await;
    let told = scene.tenants.suspend(&whom).await.unwrap_err();
    let named = match &told {
        tenantseal_tenants::Error::Incomplete { failed, .. } => failed.iter().find_map(|(_, error)| match error {
            tenantseal_tenants::Error::ForeignKek { key, .. } => Some(key),
            _ => None,
        }),
        tenantseal_tenants::Error::ForeignKek { key, .. } => Some(key),
        _ => None,
    };
    let named = named.unwrap_or_else(|| panic!("{told}"));
    assert_eq!(named.region(), ABROAD, "{told}");
    let update = scene.office.kms(named.region()).update_key_description().key_id(named.key_id());
    update.description(format!("tenantseal: tenant {whom}")).send().await.unwrap();
    // It is not listed yet: that is said once.
    drop(scene.tenants.suspend(&whom).await.unwrap_err());
    scene.tenants.suspend(&whom).await.unwrap();
    assert!(Kms(&scene, &whom).is_so(Command::Suspend, None).await);
}

/// Another's key whose replica abroad says that it is acme's, in an entry of acme that lists the replica alone.
#[tokio::test]
async fn a_replica_of_anothers_key_that_says_acme_is_not_acted_on() {
    let scene = Scene::set().await;
    let others = id("umbrella");
    primary_alone(&scene, &others).await;
    replicate(&scene, &others, "tenantseal: tenant acme").await;
    let own = scene.entry("acme").await;
    let key = scene.entry(others.as_str()).await["generations"][0]["key"].as_str().unwrap().replace(HOME, ABROAD);
    for regions in [json!([ABROAD]), json!([HOME, ABROAD]), json!([])] {
        let mut forged = own.clone();
        forged["regions"] = regions.clone();
        forged["generations"][0]["key"] = json!(key);
        let looks = || async {
            let mut all = Vec::new();
            for region in [HOME, ABROAD] {
                let kms = scene.office.kms(region);
                let id = key.rsplit('/').next().unwrap();
                let known = kms.describe_key().key_id(id).send().await.unwrap().key_metadata.unwrap();
                let policy = kms.get_key_policy().key_id(id).send().await.unwrap().policy;
                let aliases = kms.list_aliases().key_id(id).send().await.unwrap().aliases.unwrap_or_default();
                let aliases: Vec<_> = aliases.into_iter().filter_map(|alias| alias.alias_name).collect();
                all.push(format!("{known:?} {policy:?} {aliases:?}"));
            }
            all
        };
        let before = looks().await;
        for command in Command::ALL {
            scene.write(forged.clone()).await;
            command.run(&scene.tenants, &id("acme")).await;
            assert_eq!(looks().await, before, "{command:?} in {regions}");
        }
    }
}
