//! Everything put everywhere else: attributes, items, tables, tenants, headers, and records added and removed.

use tenantseal::schema::TableSchema;
use tenantseal::{Item, TenantSeal};

use crate::attacks::victim::{ENCRYPTED, attack, bytes, store, with};
use crate::common::{World, contact, id, item, s};

fn seal(world: &World) -> TenantSeal {
    let twin = TableSchema::builder("twin").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let twin = twin.plain("company").encrypt("email").encrypt("notes").encrypt("api_keys").build().unwrap();
    world.builder().table(twin).build(&world.app).unwrap()
}

/// The attribute's form 12, whatever it is stored as: the record is the header's where it had none of its own.
fn with_record(bytes: &[u8], header: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_be_bytes();
    if bytes[0] == 0x12 { bytes.to_vec() } else { [&[0x12], &length[..], header, &bytes[1..]].concat() }
}

/// The attribute's form 11.
fn without_record(bytes: &[u8]) -> Vec<u8> {
    if bytes[0] == 0x11 {
        return bytes.to_vec();
    }
    let length = usize::from(u16::from_be_bytes([bytes[1], bytes[2]]));
    [&[0x11], &bytes[3 + length..]].concat()
}

#[tokio::test]
async fn a_sealed_value_opens_in_its_own_place_under_its_own_record_alone() {
    let world = World::start(&["acme", "globex"]).await;
    let now = seal(&world);
    // Another process, and so another data key.
    let before = store(&world, &seal(&world), "acme", "c-1").await;
    let stored = store(&world, &now, "acme", "c-1").await;
    assert_ne!(before["_seal"], stored["_seal"]);
    let twin = now.tenant(&id("acme")).seal("twin", item(&contact("acme", "c-1"))).await.unwrap();
    let sources: [(&str, Item); 5] = [
        ("this item", stored.clone()),
        ("this item, earlier", before),
        ("another item", store(&world, &now, "acme", "c-2").await),
        ("another table", twin),
        ("another tenant", store(&world, &now, "globex", "c-1").await),
    ];
    let acme = now.tenant(&id("acme"));
    let original = item(&contact("acme", "c-1"));
    let mut opened = 0;
    for (header_of, header) in &sources {
        for (source, from) in &sources {
            for place in ENCRYPTED {
                for attribute in ENCRYPTED {
                    let mut forged = stored.clone();
                    // Alone, so that only this value and this header are judged.
                    forged.retain(|name, _| !ENCRYPTED.contains(&name.as_str()));
                    forged.insert("_seal".to_owned(), header["_seal"].clone());
                    forged.insert(place.to_owned(), from[attribute].clone());
                    let is_own_place = place == attribute && source.starts_with("this item");
                    let carries_its_record = bytes(from, attribute)[0] == 0x12;
                    let is_authentic = is_own_place && (carries_its_record || header["_seal"] == from["_seal"]);
                    let expected = is_authentic.then(|| {
                        let mut expected = original.clone();
                        expected.retain(|name, _| !ENCRYPTED.contains(&name.as_str()) || name == place);
                        expected
                    });
                    let outcome = attack(&acme, forged).await;
                    assert_eq!(outcome, expected, "header of {header_of}, {attribute} of {source} as {place}");
                    opened += usize::from(outcome.is_some());
                }
            }
        }
    }
    // Two forms 11: of now under the header that three sources share, of before under their own. One form 12 of each, under any.
    assert_eq!(opened, 2 * (3 + 1) + 2 * 5);
}

#[tokio::test]
async fn a_record_that_is_added_to_a_value_or_taken_from_it_is_detected() {
    let world = World::start(&["acme"]).await;
    let now = seal(&world);
    let stored = store(&world, &now, "acme", "c-1").await;
    let acme = now.tenant(&id("acme"));
    let header = bytes(&stored, "_seal");
    for name in ENCRYPTED {
        let sealed = bytes(&stored, name);
        for changed in [with_record(&sealed, &header), without_record(&sealed)] {
            let is_changed = changed != sealed;
            let opened = attack(&acme, with(stored.clone(), name, changed)).await;
            assert_eq!(opened.is_none(), is_changed, "{name}");
        }
    }
    let mut headless = stored.clone();
    headless.remove("_seal");
    assert_eq!(attack(&acme, headless).await, None);
}

#[tokio::test]
async fn an_item_does_not_open_under_another_key() {
    let world = World::start(&["acme"]).await;
    let now = seal(&world);
    let mut stored = store(&world, &now, "acme", "c-1").await;
    stored.insert("contact_id".to_owned(), s("c-2"));
    assert_eq!(attack(&now.tenant(&id("acme")), stored.clone()).await, None);
    stored.insert("contact_id".to_owned(), s("c-1"));
    assert_eq!(attack(&now.tenant(&id("acme")), stored).await, Some(item(&contact("acme", "c-1"))));
}
