//! What every registry must do, done by each of them.

use std::sync::Arc;

use tenantseal_tenants::{DynamoDbRegistry, Entry, InMemoryRegistry, Registry, RegistryError};

use crate::common::id;
use crate::common::wire::{Reaction, Wire};
use crate::tenants::office::Office;

fn entry(tenant: &str, version: u64) -> Entry {
    serde_json::from_value(serde_json::json!({
        "tenant": tenant, "state": "active", "tier": {"kind": "shared", "pool": "small-1"},
        "alias": format!("alias/customer-{tenant}"),
        "generations": [{"number": 1, "key": "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "since": "2026-11-22T18:00:00.123Z", "pool": "small-1"}],
        "regions": ["us-east-1", "eu-west-1"], "members": ["a", "b"],
        "pending": {"operation": "rotate", "id": "00", "claims": 1, "claimed": "2026-11-22T18:00:00Z", "by": "someone",
            "target": {"kind": "dedicated"}, "material": "x"},
        "deletion": "2026-12-22T18:00:00Z", "created": "2026-11-22T18:00:00Z", "updated": "2026-11-22T18:00:00Z",
        "by": "arn:aws:iam::111111111111:user/admin", "version": version,
    }))
    .unwrap()
}

async fn conforms(registry: Arc<dyn Registry>) {
    assert_eq!(registry.get(&id("acme")).await.unwrap(), None);
    assert!(registry.history(&id("acme")).await.unwrap().is_empty());

    // What is put comes back, whole.
    registry.put(&entry("acme", 1)).await.unwrap();
    assert_eq!(registry.get(&id("acme")).await.unwrap(), Some(entry("acme", 1)));

    // Only the next version is taken, and what was refused left no trace.
    for version in [1, 3, 7] {
        let refused = registry.put(&entry("acme", version)).await.unwrap_err();
        assert!(matches!(refused, RegistryError::Conflict(_)), "{refused}");
        assert!(refused.is_retryable());
    }
    let refused = registry.put(&entry("other", 2)).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Conflict(_)), "{refused}");
    assert_eq!(registry.get(&id("other")).await.unwrap(), None);

    // The history is complete and in order.
    for version in 2..=12 {
        registry.put(&entry("acme", version)).await.unwrap();
    }
    let versions: Vec<_> = registry.history(&id("acme")).await.unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=12).collect::<Vec<_>>());

    // Of many writers of one version, one wins.
    let writers = (0..8).map(|_| {
        let registry = Arc::clone(&registry);
        tokio::spawn(async move { registry.put(&entry("acme", 13)).await })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        match writer.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, RegistryError::Conflict(_)), "{error}"),
        }
    }
    assert_eq!(won, 1);

    // The list has each tenant once, in order, page by page.
    for tenant in ["zeta", "Beta", "acme-2", "acme_1"] {
        registry.put(&entry(tenant, 1)).await.unwrap();
    }
    let mut after = None;
    let mut listed = Vec::new();
    loop {
        let page = registry.list(after.as_ref(), 2).await.unwrap();
        assert!(page.entries.len() <= 2);
        listed.extend(page.entries.iter().map(|entry| (entry.tenant.to_string(), entry.version)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = [("Beta", 1), ("acme", 13), ("acme-2", 1), ("acme_1", 1), ("zeta", 1)];
    assert_eq!(listed, expected.map(|(tenant, version)| (tenant.to_owned(), version)));
}

#[tokio::test]
async fn the_registry_in_memory_conforms() {
    conforms(Arc::new(InMemoryRegistry::default())).await;
}

#[tokio::test]
async fn the_registry_in_dynamodb_conforms() {
    let (_office, registry) = Office::with_table().await;
    conforms(Arc::new(registry)).await;
}

#[tokio::test]
async fn a_missing_table_is_named_and_creating_it_twice_does_no_harm() {
    let office = Office::open().await;
    let registry = DynamoDbRegistry::new(&office.admin, "tenants");
    let missing = registry.get(&id("acme")).await.unwrap_err();
    assert!(matches!(missing, RegistryError::TableNotFound(ref table) if table == "tenants"), "{missing}");
    registry.create_table().await.unwrap();
    registry.put(&entry("acme", 1)).await.unwrap();
    registry.create_table().await.unwrap();
    assert_eq!(registry.get(&id("acme")).await.unwrap(), Some(entry("acme", 1)));
}

#[tokio::test]
async fn recovery_to_any_second_is_asked_for() {
    let office = Office::open().await;
    // The local DynamoDB has no backups; what matters is what is asked.
    let wire = Wire::scripted(|sent, _| {
        assert_eq!(sent.operation, "UpdateContinuousBackups");
        let asked: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(asked["TableName"], "tenants");
        assert_eq!(asked["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
        Reaction::Answer(200, r#"{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED"}}"#.to_owned())
    });
    let config = office.admin.to_builder().http_client(wire).build();
    DynamoDbRegistry::new(&config, "tenants").enable_recovery().await.unwrap();
}
