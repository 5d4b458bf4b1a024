//! Lookup keys on KMS, and their entries in DynamoDB: agreed on by the fleet, and out of reach for who may not use the
//! tenant's key.

use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use futures_util::future::join_all;
use tenantseal::keys::{AliasTemplate, KeyTableErrorKind, KmsKeyService, RoleArn, Scope, Tenancy};
use tenantseal_core::format::{LookupDefinition, LookupKind};
use tenantseal_core::keys::{DataKeys, DeclaredLookup, KeyError, LookupKeys, Settings};

use crate::common::key_table::{b, key_table, to_key_table};
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id};

/// A process that declares the lookup `email` of the table `crm`.
struct Process(DataKeys);

impl Process {
    fn start(config: &SdkConfig, tenancy: &Tenancy) -> Self {
        let definition = LookupDefinition::new(LookupKind::Equality, 128, [("email", "email")]).unwrap();
        let lookup = DeclaredLookup { table: "crm".to_owned(), name: "email".to_owned(), number: 1, definition };
        let settings =
            Settings { key_table: Some(Arc::new(key_table(config))), lookups: vec![lookup], ..Settings::default() };
        let service = Arc::new(KmsKeyService::assume_role(config, tenancy.clone()).unwrap());
        let time = tenantseal_kms::config::time(config);
        Self(settings.build(service, "us-east-1", time, tenantseal_kms::config::retries(config)).unwrap())
    }

    async fn keys(&self, tenant: &str) -> Result<LookupKeys, KeyError> {
        self.0.for_tenant(&id(tenant)).lookup_keys(&[1]).await
    }

    async fn token(&self, tenant: &str) -> Result<String, KeyError> {
        let keys = self.keys(tenant).await?;
        Ok(keys.mac_key("crm", "email").unwrap().token(&[tenant], &[b"\x01ada@example.org"]))
    }
}

impl World {
    fn lookups(&self) -> Process {
        Process::start(&self.app, &self.tenancy)
    }
}

fn kind(error: KeyError) -> KeyTableErrorKind {
    match error {
        KeyError::Table(error) => error.kind().clone(),
        KeyError::Service(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn processes_that_start_at_once_agree_on_a_lookup_key() {
    let world = World::with_key_table(&["acme"]).await;
    world.stack.faults().on("*").delay(Duration::from_millis(30));
    let fleet: Vec<_> = (0..10).map(|_| world.lookups()).collect();
    let tokens = join_all(fleet.iter().map(|process| async { process.token("acme").await.unwrap() })).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!(world.entries("lookup#").await.len(), 1);
    // In CloudTrail the calls for lookups are told apart.
    let calls = world.stack.calls().records().into_iter().map(|record| record.call);
    let calls: Vec<_> = calls.filter(|call| ["GenerateDataKey", "Decrypt"].contains(&&*call.operation)).collect();
    assert!(!calls.is_empty());
    for call in calls {
        let context = &call.encryption_context;
        assert!(context["purpose"] == "lookup" && context["tenant"] == "acme" && context.len() == 2, "{context:?}");
    }
    // A process that starts later asks KMS once; then it asks nobody.
    let later = world.lookups();
    world.stack.calls().reset();
    assert_eq!(later.token("acme").await.unwrap(), tokens[0]);
    assert_eq!((world.stack.calls().count("GenerateDataKey"), world.stack.calls().count("Decrypt")), (0, 1));
    world.stack.calls().reset();
    assert_eq!(later.token("acme").await.unwrap(), tokens[0]);
    assert_eq!(world.key_calls(), 0);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_makes_no_second_lookup_key() {
    let world = World::with_key_table(&["acme"]).await;
    let wire = Wire::scripted(|sent, before| match to_key_table(sent) && sent.operation == "PutItem" && before == 0 {
        true => Reaction::Lose,
        false => Reaction::Forward,
    });
    let config = world.over(wire.clone());
    let token = Process::start(&config, &world.tenancy).token("acme").await.unwrap();
    assert_eq!(wire.bodies("PutItem").len(), 2, "the SDK repeats it");
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 1);
    assert_eq!(world.lookups().token("acme").await.unwrap(), token);
}

#[tokio::test]
async fn every_scope_of_the_policies_allows_the_context_of_lookup_keys() {
    let world = World::with_key_table(&[]).await;
    let account = world.stack.account("111111111111").unwrap();
    for (name, scope) in
        [("alias", Scope::RequestAlias), ("aliases", Scope::ResourceAliases), ("tag", Scope::ResourceTag)]
    {
        let role = RoleArn::parse(&format!("arn:aws:iam::111111111111:role/By-{name}")).unwrap();
        let template = AliasTemplate::parse(&format!("alias/by-{name}-{{tenant}}")).unwrap();
        let tenancy = Tenancy::new(role, template).scoped_by(scope);
        let trust = tenancy.trust_policy(&["arn:aws:iam::222222222222:user/crm-service"]);
        let created = account.role(format!("By-{name}")).trust(trust);
        created.permission(tenancy.role_policy(world.stack.region())).create().unwrap();
        // A key of one tenant, and one that tenants share.
        for (tenant, policy) in
            [("single", tenancy.key_policy(&id("single")).unwrap()), ("shared", tenancy.shared_key_policy().unwrap())]
        {
            if tenant == "shared" && name == "tag" {
                continue; // A key has one tag.
            }
            let tag = aws_sdk_kms::types::Tag::builder().tag_key("TenantId").tag_value(tenant).build().unwrap();
            let key = world.admin.create_key().policy(policy.to_string()).tags(tag).send().await.unwrap();
            let (alias, key) = (tenancy.alias(&id(tenant)), key.key_metadata.unwrap().key_id);
            world.admin.create_alias().alias_name(alias.as_str()).target_key_id(key).send().await.unwrap();
            let tenant = tenant.to_owned();
            let made = Process::start(&world.app, &tenancy).token(&tenant).await.unwrap();
            assert_eq!(Process::start(&world.app, &tenancy).token(&tenant).await.unwrap(), made, "{name} {tenant}");
            for (tenant, entry, _) in world.entries("lookup#").await {
                world.delete_entry(&tenant, &entry).await;
            }
        }
    }
}

#[tokio::test]
async fn a_suspended_tenants_lookup_key_is_gone_with_its_lease_and_back_with_the_tenant() {
    let world = World::with_key_table(&[]).await;
    let key = world.onboard("acme").await;
    let process = world.lookups();
    let token = process.token("acme").await.unwrap();
    world.admin.disable_key().key_id(&key).send().await.unwrap();
    let KeyError::Service(error) = world.lookups().keys("acme").await.map(|_| ()).unwrap_err() else { panic!() };
    assert!(error.is_revoked(), "{error}");
    world.stack.clock().advance(Duration::from_secs(16 * 60));
    let KeyError::Service(error) = process.keys("acme").await.map(|_| ()).unwrap_err() else { panic!() };
    assert!(error.is_revoked(), "{error}");
    assert!(process.0.for_tenant(&id("acme")).warm_lookup_keys(&[1]).is_none());
    world.admin.enable_key().key_id(&key).send().await.unwrap();
    world.stack.clock().advance(Duration::from_secs(61));
    assert_eq!(process.token("acme").await.unwrap(), token);
}

#[tokio::test]
async fn tokens_outlive_the_key_that_the_alias_pointed_to() {
    let world = World::with_key_table(&[]).await;
    let former = world.onboard("acme").await;
    let token = world.lookups().token("acme").await.unwrap();
    let own = format!("alias/customer-acme/{}", former.rsplit('/').next().unwrap());
    world.admin.create_alias().alias_name(own).target_key_id(&former).send().await.unwrap();
    world.repoint("acme").await;
    let before = world.entries("lookup#").await;
    assert_eq!(world.lookups().token("acme").await.unwrap(), token);
    let after = world.entries("lookup#").await;
    assert_eq!((before[0].1.clone(), after.len()), (after[0].1.clone(), 1));
    assert_ne!(before[0].2, after[0].2, "it is wrapped again");
    // The former key goes, with all that only it can unwrap.
    world.admin.schedule_key_deletion().key_id(&former).pending_window_in_days(7).send().await.unwrap();
    world.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(world.lookups().token("acme").await.unwrap(), token);
}

#[tokio::test]
async fn a_record_that_was_exchanged_in_the_table_is_reported_and_left_alone() {
    let world = World::with_key_table(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        world.lookups().token(tenant).await.unwrap();
    }
    let entries = world.entries("lookup#").await;
    let forged = || KeyTableErrorKind::ForgedLookupKey { tenant: id("acme"), number: 1 };
    for record in [b(&entries[1].2), b(b""), crate::common::s("no binary")] {
        world.plant_entry("acme", &entries[0].1, record).await;
        let planted = world.entries_as_stored().await;
        world.stack.calls().reset();
        assert_eq!(kind(world.lookups().token("acme").await.unwrap_err()), forged());
        assert_eq!(world.key_calls(), 0, "what does not belong there costs no call");
        assert_eq!(world.entries_as_stored().await, planted);
    }
}

impl World {
    /// The entries of lookup keys as DynamoDB has them.
    async fn entries_as_stored(&self) -> Vec<String> {
        let answer = self.plain.scan().table_name(crate::common::key_table::KEY_TABLE).send().await.unwrap();
        let mut items: Vec<_> = answer
            .items()
            .iter()
            .map(|item| {
                let mut fields: Vec<_> = item.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
                fields.sort();
                fields.join(", ")
            })
            .collect();
        items.sort();
        items
    }
}

#[tokio::test]
async fn an_old_wrapping_that_is_put_back_holds_the_same_lookup_key() {
    let world = World::with_key_table(&[]).await;
    let former = world.onboard("acme").await;
    let token = world.lookups().token("acme").await.unwrap();
    let old = world.entries("lookup#").await.remove(0);
    let own = format!("alias/customer-acme/{}", former.rsplit('/').next().unwrap());
    world.admin.create_alias().alias_name(own).target_key_id(&former).send().await.unwrap();
    world.repoint("acme").await;
    assert_eq!(world.lookups().token("acme").await.unwrap(), token);
    world.plant_entry("acme", &old.1, b(&old.2)).await;
    assert_eq!(world.lookups().token("acme").await.unwrap(), token);
    assert_ne!(world.entries("lookup#").await.remove(0).2, old.2);
}
