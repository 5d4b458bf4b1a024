//! Several operators at once, and many tenants at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tenantseal_tenants::{InMemoryRegistry, Tenants};

use crate::common::id;
use crate::tenants::office::Office;

#[tokio::test]
async fn operators_who_onboard_one_tenant_at_once_make_one_key() {
    let office = Office::open().await;
    let registry = Arc::new(InMemoryRegistry::default());
    let operator = |name: &str| {
        Tenants::builder(office.tenancy.clone(), registry.clone())
            .operator(name)
            .create_key_grace_period(Duration::from_secs(5))
            .poll_interval(Duration::from_millis(5))
            .request_interval(Duration::ZERO)
            .build(&office.admin)
            .unwrap()
    };
    office.stack.faults().on("CreateKey").delay(Duration::from_millis(100));
    let runs = (0..6).map(|n| {
        let tenants = operator(&format!("operator-{n}"));
        tokio::spawn(async move { tenants.onboard(&id("acme")).await })
    });
    let mut keys = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        keys.push(run.await.unwrap().unwrap().current().unwrap().key.to_string());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1);
    assert_eq!(office.stack.calls().count("CreateKey"), 1);
}

#[tokio::test]
async fn an_operator_who_was_too_slow_deletes_the_key_that_nobody_needs() {
    let office = Office::open().await;
    let registry = Arc::new(InMemoryRegistry::default());
    let operator = || {
        Tenants::builder(office.tenancy.clone(), registry.clone())
            .create_key_grace_period(Duration::ZERO)
            .request_interval(Duration::ZERO)
            .build(&office.admin)
            .unwrap()
    };
    // The first is given up too early, while its CreateKey is still on the way.
    office.stack.faults().on("CreateKey").times(1).delay(Duration::from_millis(500));
    let slow = tokio::spawn({
        let tenants = operator();
        async move { tenants.onboard(&id("acme")).await }
    });
    while office.stack.calls().count("CreateKey") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let quick = operator().onboard(&id("acme")).await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap().generations, quick.generations);
    let states: Vec<_> =
        office.keys("us-east-1").await.into_iter().map(|key| (key.state.to_string(), key.aliases.len())).collect();
    assert_eq!(states, [("Enabled".to_owned(), 2), ("PendingDeletion".to_owned(), 0)]);
}

#[tokio::test]
async fn many_are_onboarded_below_the_rate_of_kms_and_one_failure_stays_one() {
    let office = Office::open().await;
    let interval = Duration::from_millis(40);
    let tenants = office.builder(InMemoryRegistry::default()).request_interval(interval).build(&office.admin).unwrap();
    office
        .stack
        .faults()
        .on("CreateAlias")
        .when(|call| call.key_id.as_deref() == Some("alias/customer-t3"))
        .fail("KMSInternalException", 500);
    let began = Instant::now();
    let results: Vec<_> = tenants.onboard_many((0..10).map(|n| id(&format!("t{n}")))).collect().await;
    // Twenty aliases at least, in turns.
    assert!(began.elapsed() >= interval * 19, "{:?}", began.elapsed());
    let failed: Vec<_> =
        results.iter().filter(|(_, result)| result.is_err()).map(|(tenant, _)| tenant.as_str()).collect();
    assert_eq!((results.len(), failed), (10, vec!["t3"]));
    let page = tenants.list(None, 100).await.unwrap();
    assert_eq!(page.entries.len(), 10);
}
