//! What cannot be swept is listed, and the sweep goes on.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::sweep::SkipReason;

use super::{EMAIL, counts, fill, is_to, old, over, sealing, skipped, with};
use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{World, id, s};
use crate::lookups::scene::{TABLE, assert_right, contact, item, key, put, stored, world};

/// Stores an item with other attributes, as someone with access to the table alone would.
async fn forge<const N: usize>(world: &World, contact: &str, attributes: [(&str, AttributeValue); N]) {
    let mut stored = stored(world, "acme", contact).await;
    stored.extend(item(attributes));
    put(&world.plain, stored).await;
}

#[tokio::test]
async fn hostile_items_are_listed_and_do_not_stop_the_sweep() {
    let world = world(&["acme", "globex"]).await;
    let seal = sealing(&world, with(EMAIL));
    let (acme, globex) = (seal.tenant(&id("acme")), seal.tenant(&id("globex")));
    for contact_id in ["c-0", "c-1", "c-2", "c-3", "c-4"] {
        put(&acme.dynamodb(), contact("acme", contact_id, [("email", s("ada@x.org"))])).await;
    }
    put(&globex.dynamodb(), contact("globex", "g-1", [("email", s("ada@x.org"))])).await;
    let foreign = stored(&world, "globex", "g-1").await["_seal_by_email"].clone();
    forge(&world, "c-1", [("_seal_by_email", foreign)]).await;
    forge(&world, "c-2", [("_seal_by_email", s("\u{1b}[2J"))]).await;
    forge(&world, "c-3", [("_seal", AttributeValue::B(b"no header".to_vec().into()))]).await;
    put(&world.plain, contact("no/tenant", "x", [("email", s("in plain"))])).await;
    // In the right shape, but of no value of the item's.
    forge(&world, "c-4", [("_seal_by_email", s(&format!("acme.{}", "A".repeat(24))))]).await;

    let report = seal.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [7, 2, 3], "{report}");
    assert_eq!(skipped(&report), [(SkipReason::NoTenant, 1), (SkipReason::Unopened, 1)]);
    let suspicious: Vec<_> = report.suspicious().listed().iter().map(|item| item.key()["contact_id"].clone()).collect();
    assert_eq!((report.suspicious().items(), suspicious.len()), (2, 2));
    assert!(suspicious.contains(&s("c-1")) && suspicious.contains(&s("c-2")));
    let unopened = report.skipped().find(|(reason, _)| *reason == SkipReason::Unopened).unwrap().1;
    assert_eq!(unopened.listed()[0].key(), &key("acme", "c-3"));
    assert!(unopened.listed()[0].error().unwrap().contains("attribute `_seal` does not open"), "{unopened:?}");
    for contact in ["c-0", "c-1", "c-2", "c-4"] {
        assert_right(&acme, &stored(&world, "acme", contact).await).await;
    }
    assert!(!report.changed_nothing());
    assert!(!format!("{report:?}").contains("c-3"), "keys are data");
}

/// Settings that all tenants share, beside their items: no lookup concerns them, whatever the template says.
#[tokio::test]
async fn items_of_no_tenant_without_anything_sealed_keep_no_pass_from_its_end() {
    let world = world(&["acme"]).await;
    let seal = sealing(&world, with(EMAIL));
    put(&seal.tenant(&id("acme")).dynamodb(), contact("acme", "c-0", [("email", s("ada@x.org"))])).await;
    put(&world.plain, contact("#settings", "theme", [("status", s("dark"))])).await;
    let report = seal.reindex(TABLE).run().await.unwrap();
    assert_eq!((counts(&report), report.of_no_tenant()), ([2, 1, 0], 1));
    assert!(report.changed_nothing() && report.to_string().contains("1 of no tenant"), "{report}");
    let stored = stored(&world, "acme", "c-0").await;
    for name in ["_seal", "_seal_by_email", "email"] {
        let mut sealed = contact("#settings", "theme", []);
        sealed.insert(name.to_owned(), stored[name].clone());
        put(&world.plain, sealed).await;
        let report = seal.reindex(TABLE).run().await.unwrap();
        assert_eq!((skipped(&report), report.of_no_tenant()), (vec![(SkipReason::NoTenant, 1)], 0), "{name}");
        assert!(!report.changed_nothing());
    }
}

#[tokio::test]
async fn tenants_that_cannot_be_opened_are_listed_and_others_swept() {
    let world = world(&["acme", "globex"]).await;
    let key = world.onboard("initech").await;
    world.onboard("former").await;
    let before = old(&world);
    for (tenant, contacts) in [("acme", 2), ("globex", 2), ("initech", 2), ("former", 1)] {
        fill(&before, tenant, contacts).await;
    }
    world.admin.disable_key().key_id(&key).send().await.unwrap();
    world.admin.delete_alias().alias_name("alias/customer-former").send().await.unwrap();
    put(&world.plain, contact("nobody", "n-1", [])).await;
    world
        .stack
        .faults()
        .on("*")
        .when(|call| call.key_id.as_deref() == Some("alias/customer-globex"))
        .fail("KMSInternalException", 500);

    let seal = sealing(&world, with(EMAIL.building()));
    let report = seal.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [8, 1, 2], "what has nothing to open needs no key: {report}");
    let expected = [(SkipReason::NotOnboarded, 1), (SkipReason::Suspended, 2), (SkipReason::Unavailable, 2)];
    assert_eq!(skipped(&report), expected);
    let retryable: Vec<_> = report.skipped().filter(|(reason, _)| reason.is_retryable()).collect();
    assert_eq!(retryable.len(), 1);
    let error = retryable[0].1.listed()[0].error().unwrap();
    assert!(error.contains("for tenant `globex`: the key service is throttling or unavailable"), "{error}");

    world.stack.faults().clear();
    world.admin.enable_key().key_id(&key).send().await.unwrap();
    // Another process: this one has just seen them fail.
    let seal = sealing(&world, with(EMAIL.building()));
    let report = seal.reindex(TABLE).tenants([id("globex"), id("initech")]).run().await.unwrap();
    assert_eq!((counts(&report), report.other_tenants()), ([8, 0, 4], 4), "{report}");
}

#[tokio::test]
async fn an_item_whose_value_the_lookup_does_not_take_is_listed() {
    let world = world(&["acme"]).await;
    put(
        &old(&world).tenant(&id("acme")).dynamodb(),
        contact("acme", "c-0", [("email", AttributeValue::N("1".into()))]),
    )
    .await;
    let report = sealing(&world, with(EMAIL.building())).reindex(TABLE).run().await.unwrap();
    assert_eq!(skipped(&report), [(SkipReason::Value, 1)]);
    let error = report.skipped().next().unwrap().1.listed()[0].error().unwrap();
    assert!(error.contains("`email`"), "{error}");
}

#[tokio::test]
async fn an_item_that_dynamodb_refuses_is_listed_and_others_are_written() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 3).await;
    let refused = r#"{"__type": "com.amazon.coral.validate#ValidationException",
        "message": "Item size to update has exceeded the maximum allowed size"}"#;
    let wire = Wire::scripted(move |sent, before| match is_to(sent, "UpdateItem") && before == 0 {
        true => Reaction::Answer(400, refused.to_owned()),
        false => Reaction::Forward,
    });
    let report = over(&world, with(EMAIL.building()), &wire).reindex(TABLE).run().await.unwrap();
    assert_eq!((skipped(&report), report.rewritten()), (vec![(SkipReason::Refused, 1)], 2));
    assert!(report.skipped().next().unwrap().1.listed()[0].error().unwrap().contains("maximum allowed size"));
}

#[tokio::test]
async fn a_forged_lookup_key_keeps_nobody_else_from_being_swept() {
    let world = world(&["acme", "globex"]).await;
    let before = old(&world);
    fill(&before, "acme", 1).await;
    fill(&before, "globex", 1).await;
    sealing(&world, with(EMAIL.building())).reindex(TABLE).run().await.unwrap();
    let (_, entry, _) = world.entries("lookup#").await.into_iter().find(|(tenant, ..)| tenant == "globex").unwrap();
    world.plant_entry("globex", &entry, crate::common::key_table::b(b"forged")).await;
    let report = sealing(&world, with(EMAIL.building())).reindex(TABLE).run().await.unwrap();
    assert_eq!((skipped(&report), report.right()), (vec![(SkipReason::LookupKey, 1)], 1));
    let error = report.skipped().next().unwrap().1.listed()[0].error().unwrap();
    assert!(error.contains("lookup key 1 of tenant `globex` is forged"), "{error}");
}

#[tokio::test]
async fn an_item_that_others_keep_writing_is_listed_as_busy() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 1).await;
    // As a writer that changes the address before each write of the sweep.
    let now = stored(&world, "acme", "c-0").await;
    let failed = move |_: &Sent| {
        let mut item: serde_json::Value = serde_json::json!({});
        for (name, value) in &now {
            item[name] = serde_json::to_value(serde_dynamo::AttributeValue::from(value.clone())).unwrap();
        }
        let body = serde_json::json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed", "Item": item });
        Reaction::Answer(400, body.to_string())
    };
    let wire = Wire::scripted(move |sent, _| match is_to(sent, "UpdateItem") {
        true => failed(sent),
        false => Reaction::Forward,
    });
    let report = over(&world, with(EMAIL.building()), &wire).reindex(TABLE).run().await.unwrap();
    assert_eq!(skipped(&report), [(SkipReason::Busy, 1)]);
    assert_eq!(wire.bodies("UpdateItem").len(), 5);
}
