//! What someone who writes the table or the ledger can make of a re-wrap.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::Item;
use tenantseal::keys::KeyTable;
use tenantseal::sweep::SkipReason;

use super::scene::{Scene, reader};
use crate::common::{contact, id, item, s};

fn header(stored: &Item) -> Vec<u8> {
    stored["_seal"].as_b().unwrap().clone().into_inner()
}

fn with_header(stored: &Item, contact_id: &str, header: Vec<u8>) -> Item {
    let mut stored = stored.clone();
    stored.insert("contact_id".to_owned(), s(contact_id));
    stored.insert("_seal".to_owned(), AttributeValue::B(Blob::new(header)));
    stored
}

#[tokio::test]
async fn hostile_records_are_listed_and_never_wrapped_anew() {
    let scene = Scene::start().await;
    let genuine = scene.fill(2).await;
    let (first, second) = (header(&genuine[0].1), header(&genuine[2].1));
    scene.onboard("zeta").await;
    let zeta = scene.seal().tenant(&id("zeta")).seal("crm", item(&contact("zeta", "c-1"))).await.unwrap();
    let wrapped = first.len() - 150;
    let mut corrupt = first.clone();
    corrupt[wrapped] ^= 1;
    // The identity of one data key with the wrapped key of another, both genuine.
    let exchanged = [&first[..first.len() - 170], &second[second.len() - 170..]].concat();
    let hostile = [
        ("another tenant's record", header(&zeta)),
        ("a corrupt wrapped key", corrupt),
        ("another data key's wrapped key", exchanged),
        ("no record", vec![1, 2, 3]),
    ];
    for (contact_id, header) in &hostile {
        scene.world.plant(with_header(&genuine[0].1, contact_id, header.clone())).await;
    }
    scene.rekey("acme").await;
    scene.world.stack.calls().reset();
    let report = scene.rewrap(&scene.rewrapper()).await;
    let skipped: Vec<_> = report.skipped().map(|(reason, listed)| (reason, listed.items())).collect();
    assert_eq!(skipped, [(SkipReason::Unopened, hostile.len() as u64)], "{report}");
    assert_eq!((report.rewritten(), scene.world.stack.calls().count("ReEncrypt")), (4, 2), "{report}");
    for (contact_id, header) in &hostile {
        assert_eq!(self::header(&scene.world.stored("acme", contact_id).await), *header);
    }
    reader(&scene.world).all_open(&genuine).await;
}

#[tokio::test]
async fn a_record_that_the_ledger_was_made_to_say_replaces_nothing() {
    let scene = Scene::start().await;
    let genuine = scene.fill(2).await;
    scene.rekey("acme").await;
    // What the ledger will say of each data key, and then the new wrapped keys exchanged.
    let dry = Scene::entries(&scene).await;
    assert!(dry.is_empty());
    let rewrapper = scene.rewrapper();
    scene.rewrap(&rewrapper).await;
    let entries = scene.entries().await;
    assert_eq!(entries.len(), 2);
    for (contact_id, stored) in &genuine {
        scene.world.plant(stored.clone()).await;
        assert_eq!(scene.world.stored("acme", contact_id).await, *stored);
    }
    for (at, (entry, stored)) in entries.iter().enumerate() {
        let (_, other) = &entries[1 - at];
        let forged = [&stored[..stored.len() - 170], &other[other.len() - 170..]].concat();
        scene.ledger.compare_and_swap("acme", entry, Some(stored), &forged).await.unwrap();
    }
    scene.world.stack.calls().reset();
    let report = scene.rewrap(&scene.rewrapper()).await;
    let skipped: Vec<_> = report.skipped().map(|(reason, listed)| (reason, listed.items())).collect();
    assert_eq!(skipped, [(SkipReason::Unopened, 4)], "{report}");
    assert_eq!(report.rewritten(), 0);
    reader(&scene.world).all_open(&genuine).await;
    // An entry that is nothing at all is replaced.
    for (entry, _) in scene.entries().await {
        let stored = scene.ledger.get("acme", &entry).await.unwrap().unwrap();
        scene.ledger.compare_and_swap("acme", &entry, Some(&stored), b"nothing").await.unwrap();
    }
    let report = scene.rewrap(&scene.rewrapper()).await;
    assert_eq!((report.rewritten(), report.is_clean()), (4, true), "{report}");
    reader(&scene.world).all_open(&genuine).await;
}

impl Scene {
    /// The entries of the ledger for the data keys of what is stored.
    async fn entries(&self) -> Vec<(String, Vec<u8>)> {
        let mut entries = std::collections::BTreeMap::new();
        for name in ["put-0", "put-1"] {
            let header = header(&self.world.stored("acme", name).await);
            let kid: String = header[1..17].iter().map(|byte| format!("{byte:02x}")).collect();
            let entry = format!("rewrap#{kid}#{}", self.world.stack.region());
            if let Some(stored) = self.ledger.get("acme", &entry).await.unwrap() {
                entries.insert(entry, stored);
            }
        }
        entries.into_iter().collect()
    }
}
