//! Keys that were made by hand, as docs/OPERATIONS.md says, and by whom the registry was lost.

use aws_sdk_kms::types::{KeyState, Tag};
use tenantseal_tenants::{Error, InMemoryRegistry, Operation, State};

use crate::common::id;
use crate::tenants::office::Office;
use crate::tenants::steps::REGIONS;

/// To the letter of docs/OPERATIONS.md, "By hand". Gives the key's id.
pub(crate) async fn by_hand(office: &Office, description: &str, multi_region: bool) -> String {
    let kms = office.kms(REGIONS[0]);
    let policy = office.tenancy.key_policy(&id("acme")).unwrap().to_string();
    let tag = Tag::builder().tag_key("TenantId").tag_value("acme").build().unwrap();
    let request = kms.create_key().policy(&policy).description(description).tags(tag).multi_region(multi_region);
    let key = request.send().await.unwrap().key_metadata.unwrap().key_id;
    kms.enable_key_rotation().key_id(&key).send().await.unwrap();
    for alias in [format!("alias/customer-acme/{key}"), "alias/customer-acme".to_owned()] {
        kms.create_alias().alias_name(alias).target_key_id(&key).send().await.unwrap();
    }
    key
}

#[tokio::test]
async fn a_key_that_was_made_by_hand_is_taken_over_and_lives_as_any_other() {
    for description in ["tenantseal: tenant acme", "tenantseal: tenant acme, by Jo", ""] {
        let office = Office::open().await;
        let tenants = office.tenants();
        let key = by_hand(&office, description, false).await;
        let sealed = office.seal("acme").await.unwrap();
        let entry = tenants.onboard(&id("acme")).await.unwrap();
        assert_eq!((entry.state, entry.current().unwrap().key.key_id()), (State::Active, key.as_str()));
        assert_eq!(office.stack.calls().count("CreateKey"), 1, "that by hand");
        let new = tenants.rotate(&id("acme")).new_key().await.unwrap();
        assert_eq!(new.entry.generations.len(), 2);
        office.open_sealed("acme", &sealed).await.unwrap();
        tenants.suspend(&id("acme")).await.unwrap();
        assert!(office.open_sealed("acme", &sealed).await.is_err());
        tenants.resume(&id("acme")).await.unwrap();
        tenants.offboard(&id("acme")).await.unwrap();
        let keys = office.keys(REGIONS[0]).await;
        assert!(keys.iter().all(|key| key.state == KeyState::PendingDeletion), "{keys:?}");
        tenants.cancel_offboard(&id("acme")).await.unwrap();
        tenants.resume(&id("acme")).await.unwrap();
        office.open_sealed("acme", &sealed).await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_whose_entry_was_lost_gets_its_own_key_back_with_its_replicas() {
    let office = Office::open().await;
    let lost = office.tenants();
    let before = lost.onboard(&id("acme")).replicas([REGIONS[1]]).await.unwrap();
    let tenants = office.builder(InMemoryRegistry::default()).build(&office.admin).unwrap();
    let entry = tenants.onboard(&id("acme")).await.unwrap();
    assert_eq!((entry.regions, entry.generations[0].key.clone()), (before.regions, before.generations[0].key.clone()));
    assert_eq!(office.stack.calls().count("CreateKey"), 1);
}

#[tokio::test]
async fn an_alias_on_a_key_of_another_is_refused_before_anything_begins() {
    let office = Office::open().await;
    let tenants = office.tenants();
    let globex = tenants.onboard(&id("globex")).await.unwrap();
    let key = globex.current().unwrap().key.key_id();
    office.kms(REGIONS[0]).create_alias().alias_name("alias/customer-acme").target_key_id(key).send().await.unwrap();
    let refused = tenants.onboard(&id("acme")).await.unwrap_err();
    assert!(matches!(refused, Error::AliasTaken { .. }), "{refused}");
    assert_eq!(office.stack.calls().count("CreateKey"), 1);
    assert!(tenants.check(&id("acme"), Operation::Onboard).await.unwrap().is_none());
}

#[tokio::test]
async fn a_single_region_key_by_hand_cannot_be_taken_over_with_replicas() {
    let office = Office::open().await;
    let tenants = office.tenants();
    by_hand(&office, "tenantseal: tenant acme", false).await;
    let refused = tenants.onboard(&id("acme")).replicas([REGIONS[1]]).await.unwrap_err();
    assert!(matches!(refused, Error::SingleRegion(_)), "{refused}");
    assert_eq!(tenants.onboard(&id("acme")).await.unwrap().regions, [REGIONS[0]]);
}
