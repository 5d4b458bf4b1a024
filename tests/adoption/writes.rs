//! What is written at each stage, and what is refused at all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, PutRequest, TransactWriteItem, Update, WriteRequest};
use tenantseal::adoption::AdoptionStage;
use tenantseal::error::{LeaveErrorKind, SealError};
use tenantseal::{Error, Item, Tenant};

use super::scene::{LEASE, Scene, at, plaintext};
use crate::common::hook::{Hook, When};
use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, canary, contact, id, s, sealing_error};

/// Writes contacts in every way: by name, the id of the one that it writes, each as [`plaintext`].
async fn write_everywhere(acme: &Tenant) -> Vec<&'static str> {
    let dynamodb = acme.dynamodb();
    dynamodb.put_item().table_name("crm").set_item(Some(plaintext("put"))).send().await.unwrap();
    let put = PutRequest::builder().set_item(Some(plaintext("batch"))).build().unwrap();
    let batch = dynamodb.batch_write_item();
    batch.request_items("crm", vec![WriteRequest::builder().put_request(put).build()]).send().await.unwrap();
    let put = Put::builder().table_name("crm").set_item(Some(plaintext("transaction"))).build().unwrap();
    let update = Update::builder().table_name("crm").set_key(Some(at("transacted-update")));
    let (expression, values) = assigning("transacted-update");
    let update = update.update_expression(expression).set_expression_attribute_values(Some(values)).build().unwrap();
    let transaction = dynamodb.transact_write_items();
    let transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
    transaction.transact_items(TransactWriteItem::builder().update(update).build()).send().await.unwrap();
    let (expression, values) = assigning("update");
    let update = dynamodb.update_item().table_name("crm").set_key(Some(at("update"))).update_expression(expression);
    update.set_expression_attribute_values(Some(values)).send().await.unwrap();
    acme.records::<Contact>().put(&contact("acme", "record")).await.unwrap();
    vec!["put", "batch", "transaction", "transacted-update", "update", "record"]
}

/// An update that assigns all that [`plaintext`] has.
fn assigning(contact_id: &str) -> (String, Item) {
    let item = plaintext(contact_id);
    let others = item.into_iter().filter(|(name, _)| !["tenant_id", "contact_id"].contains(&name.as_str()));
    let values: Item = others.map(|(name, value)| (format!(":{name}"), value)).collect();
    let sets: Vec<_> = values.keys().map(|name| format!("{} = {name}", &name[1..])).collect();
    (format!("SET {}", sets.join(", ")), values)
}

#[tokio::test]
async fn at_the_first_stage_every_write_stores_what_a_plain_client_would() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    for contact_id in write_everywhere(&scene.acme()).await {
        assert_eq!(scene.world.stored("acme", contact_id).await, plaintext(contact_id));
    }
    // Nothing was sealed, so no data key was made but the leave's.
    assert_eq!(scene.world.stack.calls().count("GenerateDataKey"), 1);
}

#[tokio::test]
async fn at_all_other_stages_no_plaintext_leaves_a_process() {
    for stage in [AdoptionStage::None, AdoptionStage::Sealing, AdoptionStage::Closed] {
        let scene = Scene::at(stage).await;
        let wire = Wire::open();
        let acme = scene.builder().build(&scene.world.over(wire.clone())).unwrap().tenant(&id("acme"));
        for contact_id in write_everywhere(&acme).await {
            let stored = scene.world.stored("acme", contact_id).await;
            assert!(["email", "notes", "api_keys"].iter().all(|name| stored[*name].is_b()), "{stage:?}: {stored:?}");
            assert_eq!(acme.open("crm", stored).await.unwrap(), plaintext(contact_id));
        }
        let secret = canary();
        let mut item = plaintext("secret");
        item.insert("notes".to_owned(), s(&secret));
        acme.dynamodb().put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
        let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(at("secret")));
        let update = update.update_expression("SET email = if_not_exists(email, :v), notes = :v");
        update.expression_attribute_values(":v", s(&secret)).send().await.unwrap();
        for sent in wire.sent() {
            let text = String::from_utf8_lossy(&sent.body).into_owned();
            assert!(!text.contains(&secret) && !text.contains("notes on"), "{stage:?}: {}", sent.operation);
        }
    }
}

#[tokio::test]
async fn what_is_not_adopted_is_sealed_beside_what_is_plain() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let builder = scene.world.builder().ledger(scene.ledger.clone()).adopt("crm", ["email"]);
    let acme = builder.build(&scene.world.app).unwrap().tenant(&id("acme"));
    for contact_id in write_everywhere(&acme).await {
        let stored = scene.world.stored("acme", contact_id).await;
        assert_eq!(stored["email"], plaintext(contact_id)["email"]);
        assert!(stored["notes"].is_b() && stored["api_keys"].is_b(), "{stored:?}");
        assert_eq!(acme.open("crm", stored).await.unwrap(), plaintext(contact_id));
    }
}

#[tokio::test]
async fn what_is_sealed_or_looks_so_is_refused_by_name_at_the_first_stage() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let sealed = scene.world.tenant("acme").seal("crm", plaintext("c-1")).await.unwrap();
    let own = scene.builder().own_bytes("crm", "notes").build(&scene.world.app).unwrap().tenant(&id("acme"));
    let mut looks_sealed = plaintext("c-1");
    looks_sealed.insert("notes".to_owned(), AttributeValue::B(Blob::new([0x13; 64])));
    let mut one_sealed = plaintext("c-1");
    one_sealed.insert("notes".to_owned(), sealed["notes"].clone());
    for (acme, given) in [(scene.acme(), &one_sealed), (scene.acme(), &looks_sealed), (own, &looks_sealed)] {
        let is_refused = |error: Error| {
            assert!(matches!(&error, Error::Seal(SealError::AlreadySealed(name)) if name == "notes"), "{error}");
        };
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(given.clone()));
        is_refused(sealing_error(put.send().await));
        let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(at("c-1")));
        let update = update.update_expression("SET notes = :v");
        is_refused(sealing_error(update.expression_attribute_values(":v", given["notes"].clone()).send().await));
    }
    let put = scene.acme().dynamodb().put_item().table_name("crm").set_item(Some(sealed));
    assert!(matches!(sealing_error(put.send().await), Error::Seal(SealError::AlreadySealed(name)) if name == "_seal"));
}

#[tokio::test]
async fn what_expressions_may_do_does_not_depend_on_the_stage() {
    let mut verdicts = Vec::new();
    for stage in [AdoptionStage::None, AdoptionStage::Plain, AdoptionStage::Sealing, AdoptionStage::Closed] {
        let scene = Scene::at(stage).await;
        let acme = scene.acme();
        let mut of_stage = Vec::new();
        for update in [
            "SET email = :v",
            "SET email = if_not_exists(email, :v)",
            "SET email = if_not_exists(notes, :v)",
            "REMOVE email",
            "ADD email :v",
            "DELETE email :v",
            "SET email = notes",
            "SET company = email",
            "SET api_keys.mail = :v",
            "SET notes = list_append(notes, :v)",
        ] {
            let request = acme.dynamodb().update_item().table_name("crm").set_key(Some(at("c-1")));
            let request = request.update_expression(update);
            let request = match update.contains(":v") {
                true => request.expression_attribute_values(":v", s("value")),
                false => request,
            };
            let sent = request.send().await;
            of_stage.push((update, sent.err().and_then(|error| Error::find_in(&error).map(ToString::to_string))));
        }
        for condition in [
            "attribute_exists(email)",
            "attribute_not_exists(email)",
            "email = :v",
            "email IN (:v)",
            "begins_with(email, :v)",
            "contains(api_keys, :v)",
            "attribute_type(email, :v)",
            "size(email) > :v",
            "api_keys.mail = :v",
        ] {
            let scan = acme.dynamodb().scan().table_name("crm").filter_expression(condition);
            let scan = match condition.contains(":v") {
                true => scan.expression_attribute_values(":v", s("S")),
                false => scan,
            };
            let error = scan.send().await.err();
            of_stage.push((condition, error.and_then(|error| Error::find_in(&error).map(ToString::to_string))));
        }
        verdicts.push(of_stage);
    }
    let refused = verdicts[0].iter().filter(|(_, verdict)| verdict.is_some()).count();
    assert_eq!(refused, 14, "{:#?}", verdicts[0]);
    verdicts.iter().for_each(|of_stage| assert_eq!(of_stage, &verdicts[0]));
}

#[tokio::test]
async fn a_process_frozen_between_leave_and_signature_writes_nothing() {
    for when in [When::BeforeRetryLoop, When::BeforeSigning, When::BeforeTransmit] {
        let scene = Scene::at(AdoptionStage::Plain).await;
        let acme = scene.acme();
        // Now the process knows the leave.
        acme.records::<Contact>().put(&contact("acme", "before")).await.unwrap();
        let (clock, frozen) = (scene.world.stack.clock().clone(), Arc::new(AtomicUsize::new(0)));
        let times = Arc::clone(&frozen);
        let hook = Hook::at(when, move |_| {
            if times.fetch_add(1, Ordering::Relaxed) == 0 {
                clock.advance(LEASE * 20);
            }
        });
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(plaintext("frozen")));
        let sent = put.customize().interceptor(hook).send().await;
        assert_eq!(frozen.load(Ordering::Relaxed), 1, "{when:?}");
        match when {
            // The leave was asked for again before the signature.
            When::BeforeRetryLoop => drop(sent.unwrap()),
            _ => {
                let error = sealing_error(sent);
                let is_expired = matches!(&error, Error::Leave(leave) if leave.kind() == LeaveErrorKind::Expired);
                assert!(is_expired && error.is_retryable(), "{when:?}: {error}");
                let get = scene.world.plain.get_item().table_name("crm").set_key(Some(at("frozen")));
                assert_eq!(get.send().await.unwrap().item, None, "{when:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_retry_after_the_flip_does_not_send_plaintext_again() {
    let scene = Arc::new(Scene::at(AdoptionStage::Plain).await);
    let wire = {
        let scene = Arc::clone(&scene);
        Wire::scripted(move |sent, before| match (sent.operation.as_str(), before) {
            // The operator seals while the first attempt is under way, and a lease goes by.
            ("PutItem", 1) => {
                let scene = Arc::clone(&scene);
                Reaction::After(Box::pin(async move {
                    let seal = scene.adopting();
                    seal.adoption("crm").unwrap().seal(&id("acme")).await.unwrap();
                    scene.world.stack.clock().advance(LEASE);
                    std::future::pending::<()>().await;
                }))
            }
            _ => Reaction::Forward,
        })
    };
    let seal = scene.builder().build(&scene.world.over(wire.clone())).unwrap();
    let acme = seal.tenant(&id("acme"));
    acme.records::<Contact>().put(&contact("acme", "before")).await.unwrap();
    let timeouts = aws_sdk_dynamodb::config::timeout::TimeoutConfig::builder();
    let timeouts = timeouts.operation_attempt_timeout(std::time::Duration::from_secs(2)).build();
    let config = aws_sdk_dynamodb::config::Builder::from(&scene.world.over(wire.clone())).timeout_config(timeouts);
    let put = acme.dynamodb_with(config).put_item().table_name("crm").set_item(Some(plaintext("twice")));
    let error = put.send().await.unwrap_err();
    let error = Error::find_in(&error).unwrap();
    assert!(matches!(error.cause(), Error::Leave(leave) if leave.kind() == LeaveErrorKind::Expired), "{error}");
    // The first attempt may have written.
    assert!(!error.is_retryable() && error.written() == tenantseal::error::Written::Unknown, "{error}");
    assert_eq!(wire.bodies("PutItem").len(), 2);
}
