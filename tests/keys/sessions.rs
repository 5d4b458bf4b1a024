//! Sessions: one per tenant, named after it, renewed in time; and the mode without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SystemTimeSource;
use futures_util::future::join_all;
use tenantseal::TenantSeal;
use tenantseal::error::ConfigError;
use tenantseal::keys::{AliasTemplate, KeyServiceErrorKind, RoleArn, Tenancy};
use tenantseal_local::Outcome;

use crate::common::{Contact, ROLE, World, contact, id, item};

#[tokio::test]
async fn decrypt_always_names_the_alias_and_the_context_in_the_tenants_session() {
    let world = World::start(&["acme"]).await;
    world.tenant("acme").records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    world.tenant("acme").records::<Contact>().get("c-1").await.unwrap();
    let records = world.stack.calls().records();
    let decrypts: Vec<_> = records.iter().filter(|record| record.call.operation == "Decrypt").collect();
    assert_eq!(decrypts.len(), 1);
    let call = &decrypts[0].call;
    assert_eq!(call.key_id.as_deref(), Some("alias/customer-acme"));
    assert_eq!(call.session_name.as_deref(), Some("tenant-acme"));
    assert_eq!(call.encryption_context.get("tenant").map(String::as_str), Some("acme"));
    let principal = call.principal.as_deref().unwrap();
    assert!(principal.ends_with("assumed-role/TenantKeys/tenant-acme"), "{principal}");
}

#[tokio::test]
async fn a_tenancy_reaches_keys_as_its_role_and_its_aliases_do() {
    let world = World::start(&["acme"]).await;
    let tenancy = || {
        let aliases = AliasTemplate::parse("alias/customer-{tenant}").unwrap();
        Tenancy::new(RoleArn::parse(ROLE).unwrap(), aliases)
    };
    let builder = || TenantSeal::builder().tenancy(tenancy()).record::<Contact>();
    let acme = builder().build(&world.app).unwrap().tenant(&id("acme"));
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    let read = world.tenant("acme").records::<Contact>().get("c-1").await;
    assert_eq!(read.unwrap(), Some(contact("acme", "c-1")));
    let two = builder().alias_template("alias/{tenant}").build(&world.app);
    assert!(matches!(two, Err(ConfigError::AliasTemplateOfATenancy)));
}

#[tokio::test]
async fn credentials_that_expired_at_aws_are_renewed() {
    let world = World::start(&["acme"]).await;
    let seal = world.builder().data_key_revalidation(Duration::from_millis(50)).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    world.stack.clock().advance(Duration::from_secs(2 * 60 * 60));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
    assert_eq!(world.stack.calls().count("AssumeRole"), 2);
    // The wall clock alone said so, and no call was made in vain.
    let records = world.stack.calls().records();
    assert!(records.iter().all(|record| record.outcome == Outcome::Answered), "{records:?}");
}

#[tokio::test]
async fn sessions_of_a_fleet_do_not_end_at_once() {
    let tenants: Vec<String> = (0..40).map(|at| format!("t{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let seal = world.builder().data_key_revalidation(Duration::from_secs(60)).build(&world.app).unwrap();
    let sealed =
        || {
            join_all(tenants.iter().map(|tenant| async {
                seal.tenant(&id(tenant)).seal("crm", item(&contact(tenant, "c-1"))).await.unwrap()
            }))
        };
    let sessions_after = async |minutes: u64| {
        world.stack.clock().advance(Duration::from_secs(minutes * 60));
        world.stack.calls().reset();
        sealed().await;
        world.stack.calls().count("AssumeRole")
    };
    sealed().await;
    assert_eq!(sessions_after(49).await, 0);
    // Half of them, with luck that is never as bad as one of a million million.
    let half_way = sessions_after(3).await;
    assert!((1..40).contains(&half_way), "{half_way} of 40 sessions ended in the first half of five minutes");
    assert_eq!(sessions_after(3).await, 40 - half_way);
}

#[tokio::test]
async fn a_session_is_asked_for_once_although_who_asked_first_goes_away() {
    let world = World::start(&["acme"]).await;
    let stored = world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    world.stack.calls().reset();
    world.stack.faults().on("AssumeRole").delay(Duration::from_millis(300));
    let acme = world.tenant("acme");
    let sealing = tokio::spawn({
        let acme = acme.clone();
        async move { acme.seal("crm", item(&contact("acme", "c-2"))).await }
    });
    while world.stack.calls().count("AssumeRole") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let opening = tokio::spawn(async move { acme.open("crm", stored).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    sealing.abort();
    opening.await.unwrap().unwrap();
    // What was begun for the one who went away goes on for who comes next.
    let calls = world.stack.calls();
    while calls.count("GenerateDataKey") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt")), (1, 1, 1));
}

#[tokio::test]
async fn calls_with_refused_credentials_renew_them_once_also_one_by_one() {
    for apart in [Duration::ZERO, Duration::from_millis(40)] {
        let world = World::start(&["acme"]).await;
        for at in 0..12 {
            world.tenant("acme").records::<Contact>().put(&contact("acme", &format!("c-{at}"))).await.unwrap();
        }
        // Its wall clock does not know that the sessions are over at AWS.
        let config = world.app.clone().into_builder().time_source(SystemTimeSource::new()).build();
        let acme = world.builder().build(&config).unwrap().tenant(&id("acme"));
        acme.records::<Contact>().put(&contact("acme", "own")).await.unwrap();
        world.stack.calls().reset();
        world.stack.clock().advance(Duration::from_secs(2 * 60 * 60));
        for nth in 0..12 {
            let calls = AtomicUsize::new(0);
            let late = world.stack.faults().on("Decrypt");
            late.when(move |_| calls.fetch_add(1, Ordering::SeqCst) == nth).delay(apart * u32::try_from(nth).unwrap());
        }
        let page = acme.dynamodb().scan().table_name("crm").send().await.unwrap();
        assert_eq!(page.items().len(), 13);
        let calls = world.stack.calls().count("AssumeRole");
        assert!(calls <= 2, "12 calls with expired credentials, {apart:?} apart, assumed the role {calls} times");
    }
}

/// Counts how often the application's own credentials are asked for.
#[derive(Debug)]
struct Counting {
    credentials: Credentials,
    fetched: Arc<AtomicUsize>,
}

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        future::ProvideCredentials::ready(Ok(self.credentials.clone()))
    }
}

#[tokio::test]
async fn the_applications_own_credentials_are_not_fetched_again_for_each_tenant() {
    let tenants: Vec<String> = (0..150).map(|at| format!("t{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let fetched = Arc::new(AtomicUsize::new(0));
    let counting = Counting { credentials: world.credentials.clone(), fetched: Arc::clone(&fetched) };
    let counting = SharedCredentialsProvider::new(counting);
    let app = world.app.clone().into_builder().credentials_provider(counting);
    let cache = aws_smithy_runtime::client::identity::IdentityCache::lazy().build();
    let seal = world.builder().build(&app.identity_cache(cache).build()).unwrap();
    for tenant in &tenants {
        seal.tenant(&id(tenant)).records::<Contact>().put(&contact(tenant, "c-1")).await.unwrap();
    }
    let fetched = fetched.load(Ordering::SeqCst);
    assert!(fetched <= 4, "the application's credentials were fetched {fetched} times for 150 tenants");
}

#[tokio::test]
async fn the_mode_without_sessions_sends_the_alias_arn() {
    let world = World::start(&[]).await;
    let keys = world.stack.account("111111111111").unwrap();
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let service = keys.user("service").permission(allow).create().unwrap();
    let key = world.admin.create_key().send().await.unwrap().key_metadata.unwrap();
    world.admin.create_alias().alias_name("alias/customer-acme").target_key_id(key.key_id).send().await.unwrap();
    let config = world.stack.sdk_config(&service);
    let build = || {
        let builder = TenantSeal::builder().ambient_credentials("111111111111").record::<Contact>();
        builder.build(&config).unwrap().tenant(&id("acme"))
    };
    world.plain.list_tables().send().await.unwrap();
    let stored = build().seal("crm", crate::common::item(&contact("acme", "c-1"))).await.unwrap();
    let opened = build().open("crm", stored).await.unwrap();
    assert_eq!(opened, crate::common::item(&contact("acme", "c-1")));
    let records = world.stack.calls().records();
    let used: Vec<_> =
        records.iter().filter(|record| ["GenerateDataKey", "Decrypt"].contains(&&*record.call.operation)).collect();
    assert_eq!(used.len(), 2);
    for record in used {
        assert_eq!(record.call.key_id.as_deref(), Some("arn:aws:kms:us-east-1:111111111111:alias/customer-acme"));
    }
    assert_eq!(world.stack.calls().count("AssumeRole"), 0);
}

#[tokio::test]
async fn an_unavailable_session_fails_its_tenant_alone_and_is_requested_again() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let (acme, globex) = (seal.tenant(&id("acme")), seal.tenant(&id("globex")));
    world
        .stack
        .faults()
        .on("AssumeRole")
        .when(|call| call.session_name.as_deref() == Some("tenant-acme"))
        .fail("AccessDenied", 403);
    let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
    assert!(matches!(error, tenantseal::Error::KeyService(error) if error.kind() == KeyServiceErrorKind::Denied));
    globex.records::<Contact>().put(&contact("globex", "c-1")).await.unwrap();
    world.stack.faults().clear();
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
}

#[tokio::test]
async fn a_session_serves_all_keys_of_its_tenant() {
    let world = World::start(&["acme"]).await;
    for at in 0..5 {
        world.tenant("acme").records::<Contact>().put(&contact("acme", &format!("c-{at}"))).await.unwrap();
    }
    world.stack.calls().reset();
    let acme = world.tenant("acme");
    let contacts: Vec<String> = (0..5).map(|at| format!("c-{at}")).collect();
    let records = acme.records::<Contact>();
    for found in join_all(contacts.iter().map(|contact_id| records.get(contact_id).into_future())).await {
        assert!(found.unwrap().is_some());
    }
    assert_eq!((world.stack.calls().count("AssumeRole"), world.stack.calls().count("Decrypt")), (1, 5));
}
