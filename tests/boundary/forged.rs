//! Key records that someone with access to the table made up: they cost the item, and nothing else.

use std::collections::HashSet;

use futures_util::future::join_all;
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::{Error, Item, Tenant};

use crate::common::{Contact, World, contact};

/// A key record in its parts, read as docs/FORMAT.md describes it, for tenant `acme` without static pairs.
#[derive(Clone)]
struct Forged {
    version: Vec<u8>,
    key_id: Vec<u8>,
    created: Vec<u8>,
    context: Vec<u8>,
    check: Vec<u8>,
    kek: Vec<u8>,
    wrapped: Vec<u8>,
}

impl Forged {
    fn from(stored: &Item) -> Self {
        let mut rest = stored["_seal"].as_b().unwrap().as_ref();
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at(count);
            rest = after;
            taken.to_vec()
        };
        let (version, key_id, created) = (take(1), take(16), take(4));
        let context = take(1 + 1 + "tenant".len() + 2 + "acme".len());
        assert!(context.ends_with(b"acme"));
        let check = take(16);
        let mut kek = take(2);
        assert_eq!(kek[0], 0x01);
        kek.extend(take(usize::from(kek[1]) + 5 + 16));
        let length = take(2);
        let wrapped = take(usize::from(u16::from_be_bytes([length[0], length[1]])));
        assert!(rest.is_empty());
        Self { version, key_id, created, context, check, kek, wrapped }
    }

    fn into_header(self, mut stored: Item) -> Item {
        let Self { version, key_id, created, context, check, kek, wrapped } = self;
        let length = u16::try_from(wrapped.len()).unwrap().to_be_bytes().to_vec();
        let record = [version, key_id, created, context, check, kek, length, wrapped].concat();
        stored.insert("_seal".to_owned(), aws_sdk_dynamodb::types::AttributeValue::B(record.into()));
        stored
    }
}

/// A world in which `acme` has items `c-1` and `c-2` under two data keys, and a reader with an empty cache.
struct Scene {
    world: World,
    reader: Tenant,
    items: [Item; 2],
}

impl Scene {
    async fn set() -> Self {
        let world = World::start(&["acme", "globex"]).await;
        for contact_id in ["c-1", "c-2"] {
            let writer = world.tenant("acme");
            writer.records::<Contact>().put(&contact("acme", contact_id)).await.unwrap();
        }
        let items = [world.stored("acme", "c-1").await, world.stored("acme", "c-2").await];
        world.stack.calls().reset();
        Self { reader: world.tenant("acme"), world, items }
    }

    async fn get(&self, contact_id: &str) -> Result<Option<Contact>, Error> {
        self.reader.records::<Contact>().get(contact_id).await
    }

    async fn read_forged(&self, forge: impl FnOnce(&mut Forged, &Forged)) -> Error {
        let [first, second] = &self.items;
        let mut forged = Forged::from(first);
        forge(&mut forged, &Forged::from(second));
        self.world.plant(forged.into_header(first.clone())).await;
        let error = self.get("c-1").await.expect_err("a forged record opens nothing");
        assert!(error.is_integrity(), "{error}");
        // Nothing of the failure stays: the tenant's other items open, and so does this one when it is put right.
        assert_eq!(self.get("c-2").await.unwrap(), Some(contact("acme", "c-2")));
        self.world.plant(first.clone()).await;
        assert_eq!(self.get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
        error
    }
}

fn fault(error: &Error) -> Option<OpenFault> {
    match error.cause() {
        Error::Open(OpenError::Attribute { fault, .. }) => Some(*fault),
        _ => None,
    }
}

#[tokio::test]
async fn a_record_that_names_another_tenants_key_is_forged() {
    let scene = Scene::set().await;
    scene.world.tenant("globex").records::<Contact>().put(&contact("globex", "c-1")).await.unwrap();
    let theirs = scene.world.stored("globex", "c-1").await["_seal"].as_b().unwrap().clone().into_inner();
    let at = theirs.windows(9).position(|window| window == b"us-east-1").unwrap();
    let kek = theirs[at - 2..at + 9 + 5 + 16].to_vec();
    let error = scene.read_forged(|forged, _| forged.kek = kek).await;
    assert_eq!(fault(&error), Some(OpenFault::ForgedRecord), "{error}");
    let records = scene.world.stack.calls().records();
    let of_acme = records.iter().filter(|record| record.call.session_name.as_deref() == Some("tenant-acme"));
    assert!(of_acme.clone().filter(|record| record.call.operation == "Decrypt").count() > 0);
    for record in of_acme.filter(|record| record.call.operation == "Decrypt") {
        assert_eq!(record.call.key_id.as_deref(), Some("alias/customer-acme"));
    }
}

#[tokio::test]
async fn a_record_with_another_key_id_time_or_check_is_forged() {
    for forge in [
        |forged: &mut Forged, _: &Forged| forged.key_id[3] ^= 1,
        |forged: &mut Forged, _: &Forged| forged.created[0] ^= 0x80,
        |forged: &mut Forged, _: &Forged| forged.check[15] ^= 1,
        |forged: &mut Forged, other: &Forged| forged.key_id.clone_from(&other.key_id),
        |forged: &mut Forged, other: &Forged| forged.check.clone_from(&other.check),
        |forged: &mut Forged, other: &Forged| forged.wrapped.clone_from(&other.wrapped),
    ] {
        let scene = Scene::set().await;
        let error = scene.read_forged(forge).await;
        assert_eq!(fault(&error), Some(OpenFault::ForgedRecord), "{error}");
    }
}

#[tokio::test]
async fn a_forged_record_is_refused_also_when_the_key_that_it_names_is_cached() {
    for forge in [
        |forged: &mut Forged, _: &Forged| forged.created[0] ^= 0x80,
        |forged: &mut Forged, _: &Forged| forged.check[0] ^= 1,
        |forged: &mut Forged, other: &Forged| forged.check.clone_from(&other.check),
    ] {
        let scene = Scene::set().await;
        scene.get("c-1").await.unwrap();
        scene.get("c-2").await.unwrap();
        scene.world.stack.calls().reset();
        let error = scene.read_forged(forge).await;
        assert_eq!(fault(&error), Some(OpenFault::ForgedRecord), "{error}");
        assert_eq!(scene.world.stack.calls().count("Decrypt"), 0);
    }
}

#[tokio::test]
async fn the_records_of_two_keys_of_one_tenant_cannot_be_exchanged() {
    let scene = Scene::set().await;
    let error = scene.read_forged(|forged, other| forged.clone_from(other)).await;
    assert_eq!(fault(&error), Some(OpenFault::NotAuthentic), "{error}");
}

#[tokio::test]
async fn a_record_of_another_context_is_refused_before_any_call() {
    for forge in [
        |forged: &mut Forged, _: &Forged| *forged.context.last_mut().unwrap() ^= 1,
        |forged: &mut Forged, _: &Forged| forged.context[2] = b'T',
        |forged: &mut Forged, _: &Forged| {
            forged.context = b"\x02\x01a\x00\x01b\x06tenant\x00\x04acme".to_vec();
        },
    ] {
        let scene = Scene::set().await;
        let [first, second] = &scene.items;
        let mut forged = Forged::from(first);
        forge(&mut forged, &Forged::from(second));
        scene.world.plant(forged.into_header(first.clone())).await;
        let error = scene.get("c-1").await.unwrap_err();
        assert_eq!(fault(&error), Some(OpenFault::ForeignContext), "{error}");
        assert_eq!(scene.world.key_calls(), 0);
    }
}

#[tokio::test]
async fn a_wrapped_key_unknown_to_kms_is_an_error_that_names_the_attribute() {
    let scene = Scene::set().await;
    let error = scene.read_forged(|forged, _| forged.wrapped[20] ^= 1).await;
    assert!(error.to_string().contains("`_seal`"), "{error}");
}

#[tokio::test]
async fn a_page_of_forged_records_costs_a_bounded_number_of_calls() {
    let scene = Scene::set().await;
    let [first, second] = &scene.items;
    for at in 0..300_u32 {
        let mut forged = Forged::from(first);
        let bytes = at.to_be_bytes();
        forged.key_id[..4].copy_from_slice(&bytes);
        match at % 3 {
            0 => forged.wrapped[20..24].copy_from_slice(&bytes),
            1 => forged.wrapped = Forged::from(second).wrapped,
            _ => {}
        }
        let mut stored = forged.into_header(first.clone());
        let contact_id = aws_sdk_dynamodb::types::AttributeValue::S(format!("f-{at:03}"));
        stored.insert("contact_id".to_owned(), contact_id);
        scene.world.plant(stored).await;
    }
    let error = scene.reader.dynamodb().scan().table_name("crm").send().await;
    let error = crate::common::sealing_error(error);
    assert!(error.is_integrity(), "{error}");
    let calls = scene.world.stack.calls().count("Decrypt");
    assert!(calls <= 40, "one page of forged records cost {calls} calls");
    assert_eq!(scene.get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
}

#[tokio::test]
async fn reading_a_forged_record_repeatedly_costs_a_bounded_number_of_calls() {
    let scene = Scene::set().await;
    let [first, _] = &scene.items;
    let mut forged = Forged::from(first);
    forged.key_id[0] ^= 1;
    scene.world.plant(forged.into_header(first.clone())).await;
    for _ in 0..50 {
        assert!(scene.get("c-1").await.unwrap_err().is_integrity());
    }
    let calls = scene.world.stack.calls().count("Decrypt");
    assert!(calls <= 10, "a forged record that is read 50 times cost {calls} calls (design: negative caching)");
}

#[tokio::test]
async fn a_forged_record_neither_revokes_its_tenant_nor_evicts_a_key() {
    let scene = Scene::set().await;
    scene.get("c-2").await.unwrap();
    let before = scene.world.stack.calls().count("Decrypt");
    let error = scene.read_forged(|forged, _| forged.wrapped[20] ^= 1).await;
    assert!(!error.is_revoked() && !error.is_retryable());
    // The forged one and the one that was put right; the cached key of `c-2` served on.
    assert!(scene.world.stack.calls().count("Decrypt") <= before + 2);
}

#[tokio::test]
async fn an_attribute_with_a_forged_record_of_its_own_is_the_one_named() {
    let scene = Scene::set().await;
    let [first, _] = &scene.items;
    let mut forged = Forged::from(first);
    forged.key_id[0] ^= 1;
    let header = forged.into_header(first.clone())["_seal"].as_b().unwrap().clone().into_inner();
    let mut named = HashSet::new();
    for attribute in ["email", "notes", "api_keys"] {
        let mut carried = vec![0x12];
        carried.extend_from_slice(&u16::try_from(header.len()).unwrap().to_be_bytes());
        carried.extend_from_slice(&header);
        carried.extend_from_slice(&first[attribute].as_b().unwrap().as_ref()[1..]);
        let mut stored = first.clone();
        stored.insert(attribute.to_owned(), aws_sdk_dynamodb::types::AttributeValue::B(carried.into()));
        scene.world.plant(stored).await;
        match scene.get("c-1").await.unwrap_err().cause() {
            Error::Open(OpenError::Attribute { attribute, fault: OpenFault::ForgedRecord }) => {
                named.insert(attribute.clone())
            }
            other => panic!("{other}"),
        };
    }
    assert_eq!(named, HashSet::from(["email".to_owned(), "notes".to_owned(), "api_keys".to_owned()]));
}

#[tokio::test]
async fn while_forged_records_are_read_warm_keys_open_and_cold_ones_do_not() {
    let scene = Scene::set().await;
    scene.get("c-2").await.unwrap();
    let [first, second] = &scene.items;
    let forged = (0..400_u32).map(|at| {
        let mut forged = Forged::from(first);
        forged.key_id[..4].copy_from_slice(&at.to_be_bytes());
        forged.into_header(first.clone())
    });
    // The last in the queue is genuine.
    let items: Vec<Item> = forged.chain([first.clone()]).collect();
    let mut tries = join_all(items.into_iter().map(|item| scene.reader.open("crm", item))).await;
    let cold = tries.pop().unwrap().unwrap_err();
    assert!(cold.is_retryable() && !cold.is_revoked() && !cold.is_integrity(), "{cold}");
    assert!(tries.iter().all(Result::is_err));
    assert!(scene.world.stack.calls().count("Decrypt") < 150, "the tries are bounded");
    scene.reader.open("crm", second.clone()).await.unwrap();
    scene.world.stack.clock().advance(std::time::Duration::from_secs(1));
    scene.reader.open("crm", first.clone()).await.unwrap();
}
