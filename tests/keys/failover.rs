//! A process near one Region, whose tenants' keys lie in another one too: who is asked while the near one is out.

use std::time::{Duration, Instant};

use aws_types::SdkConfig;
use tenantseal::error::ConfigError;
use tenantseal::keys::{
    EncryptionContext, InMemoryKeyService, InvalidKmsConfig, InvalidRegions, KeyService, KeyServiceErrorKind,
    KmsKeyService,
};
use tenantseal::{Error, Item, TenantSeal, TenantSealBuilder};
use tenantseal_core::error::chain;

use super::regions::{EU, Fleet, HOME, ROLE, tenancy};
use crate::common::{Contact, contact, id, item};

fn builder() -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).record::<Contact>()
}

fn process(config: &SdkConfig) -> TenantSeal {
    builder().regions([HOME, EU]).build(config).unwrap()
}

async fn seal(process: &TenantSeal) -> Result<Item, Error> {
    process.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await
}

async fn open(process: &TenantSeal, stored: &Item) -> Result<Item, Error> {
    process.tenant(&id("acme")).open("crm", stored.clone()).await
}

/// Items that need as many data keys.
async fn items(fleet: &Fleet, count: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(seal(&process(&fleet.0.app)).await.unwrap());
    }
    items
}

/// An error and its causes.
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Fleet {
    /// How often the operation was asked for in the Region.
    fn asked(&self, operation: &str, region: &str) -> usize {
        let records = self.0.stack.calls().records();
        records.iter().filter(|record| record.call.operation == operation && record.call.region == region).count()
    }
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_left_within_a_second() {
    let fleet = Fleet::of_tenant_with(true).await;
    let stored = items(&fleet, 2).await;
    let process = process(&fleet.0.app);
    seal(&process).await.unwrap();
    let sessions = fleet.0.stack.calls().count("AssumeRole");
    fleet.0.stack.faults().on("*").in_region(HOME).hang();
    let begun = Instant::now();
    open(&process, &stored[0]).await.unwrap();
    let took = begun.elapsed();
    assert!(Duration::from_millis(900) < took && took < Duration::from_secs(4), "{took:?}");
    assert_eq!((fleet.asked("Decrypt", HOME), fleet.asked("Decrypt", EU)), (1, 1));
    assert_eq!(fleet.0.stack.calls().count("AssumeRole"), sessions, "one session reaches all Regions");
}

#[tokio::test]
async fn an_outage_costs_few_calls_and_no_error() {
    let fleet = Fleet::of_tenant_with(true).await;
    let stored = items(&fleet, 12).await;
    let process = process(&fleet.0.app);
    seal(&process).await.unwrap();
    fleet.0.stack.faults().on("*").in_region(HOME).fail("InternalFailure", 500);
    for stored in &stored {
        open(&process, stored).await.unwrap();
    }
    // Three failures open the Region's circuit; a probe or two may follow.
    let failed = fleet.asked("Decrypt", HOME);
    assert!((3..=6).contains(&failed), "{failed}");
    assert_eq!(fleet.asked("Decrypt", EU), stored.len());
}

#[tokio::test]
async fn a_process_that_starts_in_an_outage_gets_its_session_elsewhere() {
    let fleet = Fleet::of_tenant_with(true).await;
    fleet.0.stack.faults().on("*").in_region(HOME).disconnect();
    let stored = seal(&process(&fleet.0.app)).await.unwrap();
    assert_eq!((fleet.asked("AssumeRole", EU), fleet.asked("GenerateDataKey", EU)), (1, 1));
    fleet.0.stack.faults().clear();
    open(&process(&fleet.0.app), &stored).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_is_suspended_near_is_not_served_far() {
    let fleet = Fleet::of_tenant_with(true).await;
    let (world, acme) = (&fleet.0, id("acme"));
    let service = KmsKeyService::assume_role_in(&world.app, tenancy(), [HOME, EU]).unwrap();
    let context = EncryptionContext::new(&acme, &Default::default());
    let generate = async || service.generate_data_key(&acme, &context).await;
    generate().await.unwrap();
    let alias = world.tenancy.alias(&acme);
    let key = world.admin.describe_key().key_id(alias.as_str()).send().await.unwrap().key_metadata.unwrap().key_id;
    world.admin.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(generate().await.unwrap_err().kind(), KeyServiceErrorKind::Revoked);

    world.stack.faults().on("*").in_region(HOME).disconnect();
    for _ in 0..5 {
        let error = generate().await.unwrap_err();
        assert_eq!(error.kind(), KeyServiceErrorKind::Unavailable);
        assert!(whole(&error).contains("a nearer Region refused the tenant"), "{}", whole(&error));
    }
    assert_eq!(fleet.asked("GenerateDataKey", EU), 0);
    world.stack.faults().clear();
    world.admin.enable_key().key_id(&key).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    while generate().await.is_err() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.stack.faults().on("*").in_region(HOME).disconnect();
    generate().await.unwrap();
    assert_eq!(fleet.asked("GenerateDataKey", EU), 1, "once the near Region has a key again, the far one may serve");
}

#[tokio::test]
async fn throttling_and_refusals_never_fail_over() {
    for (code, status, is_retryable) in [
        ("ThrottlingException", 400, true),
        ("LimitExceededException", 400, false),
        ("AccessDeniedException", 400, false),
        ("NotFoundException", 400, false),
        ("DisabledException", 400, false),
    ] {
        let fleet = Fleet::of_tenant_with(true).await;
        let stored = items(&fleet, 1).await;
        fleet.0.stack.faults().on("Decrypt").in_region(HOME).fail(code, status);
        let error = open(&process(&fleet.0.app), &stored[0]).await.unwrap_err();
        assert_eq!(fleet.asked("Decrypt", EU), 0, "{code}");
        assert!(!is_retryable || error.is_retryable(), "{code}: {error}");
    }
}

#[tokio::test]
async fn a_record_never_chooses_the_region() {
    let fleet = Fleet::of_tenant_with(true).await;
    let of_abroad = seal(&fleet.abroad(false)).await.unwrap();
    let before = fleet.asked("Decrypt", EU);
    open(&process(&fleet.0.app), &of_abroad).await.unwrap();
    assert_eq!((fleet.asked("Decrypt", HOME), fleet.asked("Decrypt", EU)), (1, before));
}

#[tokio::test]
async fn a_region_without_a_replica_is_unavailable_and_revokes_nobody() {
    let fleet = Fleet::of_tenant_with(true).await;
    fleet.onboard_at_home("globex").await;
    let process = process(&fleet.0.app);
    let globex = process.tenant(&id("globex"));
    let stored = globex.seal("crm", item(&contact("globex", "c-1"))).await.unwrap();
    fleet.0.stack.faults().on("*").in_region(HOME).disconnect();
    let other = builder().regions([HOME, EU]).build(&fleet.0.app).unwrap().tenant(&id("globex"));
    let error = other.seal("crm", item(&contact("globex", "c-1"))).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_revoked(), "{error}");
    let text = whole(&error);
    assert!(text.contains("us-east-1: ") && text.contains("; eu-central-1: NotFoundException"), "{text}");
    assert!(text.contains("no key of the tenant has worked there"), "{text}");
    // What is cached still serves.
    globex.open("crm", stored).await.unwrap();
}

#[tokio::test]
async fn a_list_of_regions_is_checked_when_the_client_is_built() {
    let fleet = Fleet::of_tenant_with(true).await;
    let of = |regions: &[&str]| builder().regions(regions.iter().copied()).build(&fleet.0.app).map(drop).unwrap_err();
    let nine = ["us-east-1", "a", "b", "c", "d", "e", "f", "g", "h"];
    let wrong: [(&[&str], InvalidRegions); 6] = [
        (&[], InvalidRegions::Count(0)),
        (&nine, InvalidRegions::Count(9)),
        (&[HOME, "EU central"], InvalidRegions::Name("EU central".to_owned())),
        (&[HOME, EU, HOME], InvalidRegions::Twice(HOME.to_owned())),
        (&[HOME, "cn-north-1"], InvalidRegions::Partition { region: "cn-north-1".to_owned(), near: HOME.to_owned() }),
        (&[EU, HOME], InvalidRegions::Near { first: EU.to_owned(), own: HOME.to_owned() }),
    ];
    for (regions, expected) in wrong {
        let error = of(regions);
        assert!(
            matches!(&error, ConfigError::Kms(InvalidKmsConfig::Regions(found)) if *found == expected),
            "{regions:?}: {error}"
        );
    }
    let own = TenantSeal::builder().key_service(InMemoryKeyService::new()).record::<Contact>().regions([HOME]);
    assert!(matches!(own.build(&fleet.0.app), Err(ConfigError::RegionsOfAKeyService)));
}

#[test]
fn every_policy_covers_all_regions_of_a_tenancy() {
    let two = tenancy().over([HOME, EU]);
    let keys = |region: &str| format!("arn:aws:kms:{region}:111111111111:key/*");
    for policy in [
        two.session_policy(&id("acme"), HOME).unwrap(),
        two.role_policy(HOME),
        two.operator_policy(HOME, "arn:aws:dynamodb:us-east-1:111111111111:table/tenants"),
    ] {
        let text = policy.to_string();
        assert!(text.contains(&keys(HOME)) && text.contains(&keys(EU)) && !text.contains("kms:*:"), "{text}");
    }
    let eight = (0..8).map(|at| format!("ap-southeast-{at}"));
    let wide = tenancy().over(eight);
    assert!(wide.session_policy(&id(&"x".repeat(48)), "ap-southeast-0").is_ok());
}
