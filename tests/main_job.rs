//! An annotated struct travels through real KMS, STS and DynamoDB clients into a pooled table and back.

use crate::common::Contact;
use crate::common::{World, contact};

#[tokio::test]
async fn a_record_comes_back_and_was_never_stored_in_plaintext() {
    let world = World::start(&["acme", "globex"]).await;
    let acme = world.tenant("acme");
    let records = acme.records::<Contact>();
    records.put(&contact("acme", "c-1")).await.unwrap();
    assert_eq!(records.get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
    assert_eq!(records.get("c-2").await.unwrap(), None);

    let stored = world.stored("acme", "c-1").await;
    for name in ["email", "notes", "api_keys", "_seal"] {
        assert!(stored[name].is_b(), "{name}");
    }
    assert!(!format!("{stored:?}").contains("example.org"));

    let found: Vec<Contact> = records.query().begins_with("c-").stream().try_collect().await.unwrap();
    assert_eq!(found, [contact("acme", "c-1")]);
    assert_eq!(world.stack.calls().count("AssumeRole"), 1);
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 1);
    assert_eq!(world.stack.calls().count("Decrypt"), 0);
}
