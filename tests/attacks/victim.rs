//! What is attacked: items that the library itself stored, by PutItem and UpdateItem.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::error::OpenError;
use tenantseal::keys::KeyServiceErrorKind;
use tenantseal::{Error, Item, Tenant, TenantSeal};

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

/// Opens a damaged item: none, when it is refused with an error that carries nothing of the item.
pub(crate) async fn attack(tenant: &Tenant, damaged: Item) -> Option<Item> {
    refused(tenant.open("crm", damaged).await).expect("few enough records that do not open")
}

/// Too many attacks on one tenant are refused without a look, so that they cannot use up the key service's quota.
#[derive(Debug)]
struct TooMany;

fn refused(result: Result<Item, Error>) -> Result<Option<Item>, TooMany> {
    let error = match result {
        Ok(opened) => return Ok(Some(opened)),
        Err(error) => error,
    };
    match error.cause() {
        Error::Open(OpenError::Attribute { attribute, .. }) => {
            assert!(ENCRYPTED.contains(&&**attribute) || attribute == "_seal", "{attribute}");
        }
        Error::KeyService(error) if error.kind() == KeyServiceErrorKind::TooManyRefused => return Err(TooMany),
        // The record names a key that is none of the tenant's.
        Error::KeyService(error) if error.missing_alias().is_some() => {}
        _ => panic!("{error}"),
    }
    let text = format!("{error} {error:?}");
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    Ok(None)
}

/// Somebody who attacks more often than one process puts up with: then it is the next process's turn.
pub(crate) struct Attacker<'w> {
    world: &'w World,
    tenant: Tenant,
    /// What a new process opens first, so that its keys are in use.
    opens: Option<Item>,
}

impl<'w> Attacker<'w> {
    pub(crate) async fn new(world: &'w World, opens: Option<Item>) -> Self {
        let mut attacker = Self { world, tenant: world.tenant("acme"), opens };
        attacker.restart().await;
        attacker
    }

    /// Attacks another process.
    pub(crate) async fn restart(&mut self) {
        self.tenant = self.world.tenant("acme");
        if let Some(item) = &self.opens {
            self.tenant.open("crm", item.clone()).await.unwrap();
        }
    }

    pub(crate) async fn attack(&mut self, damaged: Item) -> Option<Item> {
        if let Ok(outcome) = refused(self.tenant.open("crm", damaged.clone()).await) {
            return outcome;
        }
        self.restart().await;
        attack(&self.tenant, damaged).await
    }
}
