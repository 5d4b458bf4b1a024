//! What each operation does, and what it refuses.

use std::time::Duration;

use aws_sdk_kms::types::KeyState;
use tenantseal_tenants::{Error, InMemoryRegistry, Operation, Registry, State, Tier};

use crate::common::id;
use crate::tenants::office::{ALL, Office};

const HOME: &str = "us-east-1";

#[tokio::test]
async fn an_onboarded_tenant_seals_and_opens_and_its_key_is_as_the_guide_says() {
    let office = Office::open().await;
    let tenants = office.tenants();
    let entry = tenants.onboard(&id("acme")).await.unwrap();
    assert_eq!(
        (entry.state, &entry.tier, entry.alias.as_str()),
        (State::Active, &Tier::Dedicated, "alias/customer-acme")
    );
    assert_eq!(entry.by, "arn:aws:iam::111111111111:user/admin");
    assert_eq!(entry.pending, None);
    let sealed = office.seal("acme").await.unwrap();
    assert_eq!(sealed.0, entry.current().unwrap().key.to_string());
    office.open_sealed("acme", &sealed).await.unwrap();

    let shown = tenants.show(&id("acme")).await.unwrap();
    let [key] = &shown.keys[..] else { panic!("{shown:?}") };
    assert_eq!((key.state.as_deref(), key.rotation_days, key.rotations), (Some("Enabled"), Some(365), Some(0)));
    assert_eq!(key.aliases, ["alias/customer-acme".to_owned(), format!("alias/customer-acme/{}", key.key.key_id())]);
    assert_eq!(key.policy_is_ours, Some(true));
    let tags = office.kms(HOME).list_resource_tags().key_id(key.key.key_id()).send().await.unwrap().tags.unwrap();
    assert!(tags.iter().any(|tag| tag.tag_key() == "TenantId" && tag.tag_value() == "acme"));

    // Again: nothing more.
    assert_eq!(tenants.onboard(&id("acme")).await.unwrap(), entry);
    assert_eq!(office.stack.calls().count("CreateKey"), 1);
    let states: Vec<_> = tenants.history(&id("acme")).await.unwrap().iter().map(|entry| entry.state).collect();
    assert_eq!(states.first(), Some(&State::Onboarding));
    assert_eq!(states.last(), Some(&State::Active));
}

#[tokio::test]
async fn a_tenant_with_replicas_works_in_every_region() {
    let office = Office::open().await;
    let tenants = office.tenants();
    let entry = tenants.onboard(&id("acme")).replicas(["eu-central-1"]).await.unwrap();
    assert_eq!(entry.regions, [HOME, "eu-central-1"]);
    let (arn, blob) = office.seal("acme").await.unwrap();
    assert!(arn.contains("/mrk-"));
    let abroad = office.session("acme", "eu-central-1").await;
    let opened =
        abroad.decrypt().key_id("alias/customer-acme").ciphertext_blob(blob).encryption_context("tenant", "acme");
    opened.send().await.unwrap();
    let report = tenants.offboard(&id("acme")).await.unwrap();
    let regions: Vec<_> = report.keys.iter().map(|key| key.region.as_str()).collect();
    assert_eq!(regions, ["eu-central-1", HOME], "a primary waits for its replicas");
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys.len(), 2);
}

#[tokio::test]
async fn each_rotation_says_what_it_costs_and_old_data_keys_open() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).await.unwrap();
    let first = office.seal("acme").await.unwrap();

    let automatic = tenants.rotate(&id("acme")).every_days(90).await.unwrap();
    assert_eq!((automatic.cost.now, automatic.cost.later), (0, 2));
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].rotation_days, Some(90));
    assert!(matches!(tenants.rotate(&id("acme")).every_days(30).await, Err(Error::RotationPeriod(30))));
    tenants.rotate(&id("acme")).await.unwrap();
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].rotation_days, Some(90), "it keeps its period");

    for expected in [1, 1, 0] {
        let on_demand = tenants.rotate(&id("acme")).on_demand().await.unwrap();
        assert_eq!((on_demand.cost.now, on_demand.cost.later), (expected, 0));
        office.open_sealed("acme", &first).await.unwrap();
    }
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].rotations, Some(3));

    let rotated = tenants.rotate(&id("acme")).new_key().await.unwrap();
    assert_eq!((rotated.cost.now, rotated.cost.later), (1, 2));
    assert_eq!(rotated.entry.generations.len(), 2);
    let periods = tenants.show(&id("acme")).await.unwrap().keys.into_iter().map(|key| key.rotation_days);
    assert_eq!(periods.collect::<Vec<_>>(), [Some(90); 2], "the new key inherits it");
    let second = office.seal("acme").await.unwrap();
    assert_ne!(first.0, second.0);
    for sealed in [&first, &second] {
        office.open_sealed("acme", sealed).await.unwrap();
    }
    let again = tenants.rotate(&id("acme")).new_key().if_generation(1).await.unwrap();
    assert_eq!((again.entry, again.cost.now), (rotated.entry, 0));
}

#[tokio::test]
async fn suspension_and_offboarding_end_access_and_both_can_be_taken_back() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).await.unwrap();
    let first = office.seal("acme").await.unwrap();
    tenants.rotate(&id("acme")).new_key().await.unwrap();
    let second = office.seal("acme").await.unwrap();

    assert_eq!(tenants.suspend(&id("acme")).await.unwrap().state, State::Suspended);
    assert_eq!(office.seal("acme").await.unwrap_err(), "DisabledException");
    for sealed in [&first, &second] {
        assert_eq!(office.open_sealed("acme", sealed).await.unwrap_err(), "DisabledException");
    }
    tenants.resume(&id("acme")).await.unwrap();
    for sealed in [&first, &second] {
        office.open_sealed("acme", sealed).await.unwrap();
    }

    let report = tenants.offboard(&id("acme")).window_days(7).await.unwrap();
    assert_eq!((report.entry.state, report.keys.len(), report.evicted), (State::Offboarded, 2, 0));
    assert!(report.cancellable_until.is_some());
    assert_eq!(report.entry.deletion, report.cancellable_until);
    assert!(office.open_sealed("acme", &first).await.is_err());

    assert_eq!(tenants.cancel_offboard(&id("acme")).await.unwrap().state, State::Suspended);
    assert!(office.open_sealed("acme", &first).await.is_err(), "it comes back disabled");
    tenants.resume(&id("acme")).await.unwrap();
    for sealed in [&first, &second] {
        office.open_sealed("acme", sealed).await.unwrap();
    }
}

#[tokio::test]
async fn after_its_deletion_a_tenant_cannot_be_called_back_but_begin_anew() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).await.unwrap();
    let sealed = office.seal("acme").await.unwrap();
    tenants.offboard(&id("acme")).window_days(7).await.unwrap();
    office.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    assert!(matches!(tenants.cancel_offboard(&id("acme")).await, Err(Error::KekDeleted(_))));
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].state, None);
    let tenants_again = tenants.onboard(&id("acme")).await.unwrap();
    assert_eq!(tenants_again.state, State::Active);
    assert!(office.open_sealed("acme", &sealed).await.is_err(), "what the former key sealed is lost");
    office.seal("acme").await.unwrap();
}

#[tokio::test]
async fn a_client_forgets_the_data_keys_of_an_offboarded_tenant_at_once() {
    let world = crate::common::World::start(&[]).await;
    let office = Office {
        admin: world
            .stack
            .sdk_config(&world.stack.account("111111111111").unwrap().user("admin").permission(ALL).create().unwrap()),
        service: world.app.clone(),
        tenancy: world.tenancy.clone(),
        stack: world.stack,
    };
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).await.unwrap();
    let seal = tenantseal::TenantSeal::builder().assume_role(crate::common::ROLE).record::<crate::common::Contact>();
    let seal = seal.build(&office.service).unwrap();
    let acme = seal.tenant(&id("acme"));
    let item = acme.seal("crm", crate::common::item(&crate::common::contact("acme", "c-1"))).await.unwrap();
    acme.open("crm", item.clone()).await.unwrap();
    let report = tenants.offboard(&id("acme")).evict(&seal).await.unwrap();
    assert_eq!(report.evicted, 1);
    assert!(acme.open("crm", item).await.unwrap_err().is_revoked());
}

#[tokio::test]
async fn an_illegal_transition_names_the_state_and_what_is_allowed() {
    let office = Office::open().await;
    let tenants = office.tenants();
    let acme = &id("acme");
    assert!(matches!(tenants.suspend(acme).await, Err(Error::UnknownTenant(_))));
    tenants.onboard(acme).await.unwrap();
    tenants.suspend(acme).await.unwrap();
    let refused = tenants.rotate(acme).new_key().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "tenant `acme` is suspended, so `rekey` is not possible; possible: resume, suspend, offboard, cancel-offboard"
    );
    assert!(!refused.is_retryable());
    tenants.offboard(acme).await.unwrap();
    for refused in [tenants.suspend(acme).await, tenants.resume(acme).await, tenants.onboard(acme).await] {
        let Err(Error::Transition(refused)) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.state(), State::Offboarded);
    }
    assert!(matches!(tenants.offboard(acme).window_days(6).await, Err(Error::DeletionWindow(6))));
    assert!(tenants.check(acme, Operation::CancelOffboarding).await.is_ok());
    assert!(matches!(tenants.check(acme, Operation::Resume).await, Err(Error::Transition(_))));
    assert!(matches!(tenants.check(&id("new"), Operation::Onboard).await, Ok(None)));
}

#[tokio::test]
async fn a_foreign_account_creates_nothing() {
    let office = Office::open().await;
    let tenants = office.builder(InMemoryRegistry::default()).build(&office.service).unwrap();
    let refused = tenants.onboard(&id("acme")).await.unwrap_err();
    assert!(
        matches!(&refused, Error::WrongAccount { expected, actual } if expected == "111111111111" && actual == "222222222222")
    );
    assert_eq!(office.stack.calls().count("CreateKey"), 0);
}

#[tokio::test]
async fn a_missing_permission_is_named_and_an_outage_is_worth_another_try() {
    let office = Office::open().await;
    let limited = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","Action":"kms:CreateAlias","Resource":"*"}]}"#;
    let user = office.stack.account("111111111111").unwrap().user("limited").permission(limited).create().unwrap();
    let registry = std::sync::Arc::new(InMemoryRegistry::default());
    let builder = |config: &aws_types::SdkConfig| {
        tenantseal_tenants::Tenants::builder(office.tenancy.clone(), registry.clone())
            .create_key_grace_period(Duration::ZERO)
            .request_interval(Duration::ZERO)
            .build(config)
            .unwrap()
    };
    let refused = builder(&office.stack.sdk_config(&user)).onboard(&id("acme")).await.unwrap_err();
    let Error::Aws(error) = &refused else { panic!("{refused:?}") };
    assert!(error.is_denied() && !refused.is_retryable());
    assert_eq!(
        refused.to_string(),
        "kms:CreateAlias in us-east-1: access denied: allow `kms:CreateAlias` for these credentials"
    );

    // Other operations wait until it is finished; with the permission it is, and with the same key.
    let tenants = builder(&office.admin);
    let refused = tenants.rotate(&id("acme")).await;
    assert!(matches!(refused, Err(Error::UnderWay { operation: Operation::Onboard, .. })));
    office.stack.faults().on("CreateAlias").fail("KMSInternalException", 500);
    assert!(tenants.onboard(&id("acme")).await.unwrap_err().is_retryable());
    office.stack.faults().clear();
    tenants.onboard(&id("acme")).await.unwrap();
    assert_eq!(office.stack.calls().count("CreateKey"), 1);
}

#[tokio::test]
async fn an_alias_without_effect_is_reported_and_a_late_one_is_waited_for() {
    let office = Office::open().await;
    let tenants = office.tenants();
    office.stack.faults().on("GenerateDataKey").times(3).fail("AccessDeniedException", 400);
    tenants.onboard(&id("late")).await.unwrap();
    assert_eq!(office.stack.calls().count("GenerateDataKey"), 4);
    let tenants = office
        .builder(InMemoryRegistry::default())
        .alias_grace_period(Duration::from_millis(20))
        .build(&office.admin)
        .unwrap();
    office.stack.faults().on("GenerateDataKey").fail("AccessDeniedException", 400);
    let refused = tenants.onboard(&id("never")).await.unwrap_err();
    assert!(matches!(&refused, Error::NotEffective { alias, .. } if alias == "alias/customer-never"), "{refused}");
}

#[tokio::test]
async fn a_key_that_was_enabled_by_hand_is_disabled_again_by_the_same_operation() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).await.unwrap();
    tenants.suspend(&id("acme")).await.unwrap();
    let [key] = &office.keys(HOME).await[..] else { panic!() };
    office.kms(HOME).enable_key().key_id(&key.id).send().await.unwrap();
    tenants.suspend(&id("acme")).await.unwrap();
    assert_eq!(office.keys(HOME).await[0].state, KeyState::Disabled);
    // And a policy that someone has changed is seen and fixed.
    let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"kms:*","Resource":"*"}]}"#;
    office.kms(HOME).put_key_policy().key_id(&key.id).policy(open).send().await.unwrap();
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].policy_is_ours, Some(false));
    tenants.restore_policies(&id("acme")).await.unwrap();
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].policy_is_ours, Some(true));
}

/// Whoever writes to the registry says which keys are a tenant's; KMS says for whom they were made.
#[tokio::test]
async fn an_entry_that_lists_another_tenants_key_costs_that_tenant_nothing() {
    let office = Office::open().await;
    let registry = std::sync::Arc::new(InMemoryRegistry::default());
    let tenants = tenantseal_tenants::Tenants::builder(office.tenancy.clone(), registry.clone())
        .probe(&office.service)
        .request_interval(Duration::ZERO)
        .build(&office.admin)
        .unwrap();
    let (acme, globex) = (&id("acme"), &id("globex"));
    let mut forged = tenants.onboard(acme).await.unwrap();
    forged.generations = tenants.onboard(globex).await.unwrap().generations;
    forged.version += 1;
    registry.put(&forged).await.unwrap();
    for refused in [
        tenants.restore_policies(acme).await.unwrap_err(),
        tenants.offboard(acme).await.map(drop).unwrap_err(),
        tenants.suspend(acme).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(refused, Error::ForeignKek { .. } | Error::UnderWay { .. }), "{refused}");
    }
    let shown = tenants.show(globex).await.unwrap();
    assert_eq!((shown.keys[0].state.as_deref(), shown.keys[0].policy_is_ours), (Some("Enabled"), Some(true)));
    office.seal("globex").await.unwrap();
}
