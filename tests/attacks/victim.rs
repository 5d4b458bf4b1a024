//! What is attacked: items that the library itself stored, by PutItem and UpdateItem.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::{Error, Item, OpenError, Tenant, TenantSeal};

use crate::common::{World, contact, id, item, key, s};

/// The encrypted attributes of a contact.
pub(crate) const ENCRYPTED: [&str; 3] = ["email", "notes", "api_keys"];

/// What no error may contain.
const SECRETS: [&str; 3] = ["example.org", "notes on", "key-of"];

pub(crate) fn bytes(item: &Item, name: &str) -> Vec<u8> {
    item[name].as_b().unwrap().clone().into_inner()
}

pub(crate) fn with(mut item: Item, name: &str, bytes: Vec<u8>) -> Item {
    item.insert(name.to_owned(), AttributeValue::B(bytes.into()));
    item
}

/// Stores a contact whose notes came by UpdateItem, so that it has a header and both forms; gives what DynamoDB holds.
pub(crate) async fn store(world: &World, seal: &TenantSeal, tenant: &str, contact_id: &str) -> Item {
    let client = seal.tenant(&id(tenant)).dynamodb();
    client.put_item().table_name("crm").set_item(Some(item(&contact(tenant, contact_id)))).send().await.unwrap();
    let update = client.update_item().table_name("crm").set_key(Some(key(tenant, contact_id)));
    let update = update.update_expression("SET notes = :notes");
    update.expression_attribute_values(":notes", s(&format!("notes on {contact_id}"))).send().await.unwrap();
    let stored = world.stored(tenant, contact_id).await;
    assert_eq!(ENCRYPTED.map(|name| bytes(&stored, name)[0]), [0x11, 0x12, 0x11]);
    stored
}

/// Opens a damaged item: none, when it is refused with an error that names an attribute and carries nothing of the item.
pub(crate) async fn attack(tenant: &Tenant, damaged: Item) -> Option<Item> {
    match tenant.open("crm", damaged).await {
        Ok(opened) => Some(opened),
        Err(error) => {
            let Error::Open(OpenError::Attribute { attribute, .. }) = &error else { panic!("{error}") };
            assert!(ENCRYPTED.contains(&&**attribute) || attribute == "_seal", "{attribute}");
            let text = format!("{error} {error:?}");
            assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
            None
        }
    }
}
