//! What would store a unique value without its claim is refused before anything is sent.

use aws_sdk_dynamodb::types::{Put, PutRequest, TransactWriteItem, Update, WriteRequest};
use tenantseal::TenantSeal;
use tenantseal::error::{ConfigError, Error, Refusal};
use tenantseal::records::ClaimsTable;
use tenantseal::schema::{Form, Lookup};

use super::scene::{CLAIMS, Member, assert_unique, claimed, claims, member, members};
use crate::common::key_table::key_table;
use crate::common::{ROLE, id, key, s, sealing_error};
use crate::lookups::scene::{TABLE, attributes, contact};

fn is_refused(error: &Error) {
    assert!(matches!(error, Error::Refused(Refusal::UniqueLookup { lookup }) if lookup == "email"), "{error}");
    assert!(error.to_string().contains("typed repository"), "{error}");
}

#[tokio::test]
async fn the_drop_in_client_assigns_no_unique_value() {
    let (world, acme, _) = members().await;
    let dynamodb = acme.dynamodb();
    let item = || contact("acme", "m-1", [("email", s("ada@example.org")), ("status", s("open"))]);
    let before = world.stack.calls().count("PutItem");
    let put = dynamodb.put_item().table_name(TABLE).set_item(Some(item()));
    is_refused(&sealing_error(put.send().await));
    let request = PutRequest::builder().set_item(Some(item())).build().unwrap();
    let batch = dynamodb.batch_write_item();
    let batch = batch.request_items(TABLE, vec![WriteRequest::builder().put_request(request).build()]);
    is_refused(&sealing_error(batch.send().await));
    let put = Put::builder().table_name(TABLE).set_item(Some(item())).build().unwrap();
    let put = TransactWriteItem::builder().put(put).build();
    is_refused(&sealing_error(dynamodb.transact_write_items().transact_items(put).send().await));
    for set in ["SET email = :e", "SET email = if_not_exists(email, :e)"] {
        let update = dynamodb.update_item().table_name(TABLE).set_key(Some(key("acme", "m-1"))).update_expression(set);
        is_refused(&sealing_error(update.expression_attribute_values(":e", s("ada@example.org")).send().await));
        let update = Update::builder().table_name(TABLE).set_key(Some(key("acme", "m-1"))).update_expression(set);
        let update = update.expression_attribute_values(":e", s("ada@example.org")).build().unwrap();
        let update = TransactWriteItem::builder().update(update).build();
        is_refused(&sealing_error(dynamodb.transact_write_items().transact_items(update).send().await));
    }
    is_refused(&acme.seal(TABLE, item()).await.unwrap_err());
    assert_eq!(world.stack.calls().count("PutItem"), before);
}

#[tokio::test]
async fn batches_and_sealed_items_of_the_repository_are_refused_too() {
    let (world, _, members) = members().await;
    let Err(Error::NotWritten(failed)) = members.put_many(&[member("m-1", "ada@example.org")]).await else { panic!() };
    failed.failed().for_each(|(_, error)| is_refused(error));
    is_refused(&members.seal(&member("m-1", "ada@example.org")).await.unwrap_err());
    // What has no unique value needs no claim, and deletes leave stale ones.
    members.put_many(&[Member { email: None, ..member("m-2", "") }]).await.unwrap();
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    members.delete_many(["m-1"]).await.unwrap();
    assert_eq!(claimed(&world, "acme").await.len(), 1);
    members.put(&member("m-3", "ada@example.org")).await.unwrap();
    assert_unique(&world).await;
}

#[tokio::test]
async fn a_tenants_client_reaches_no_claims() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    let claims = claimed(&world, "acme").await;
    let entry = claims.keys().next().unwrap();
    let item = [("tenant", s("globex")), ("entry", s(entry))].map(|(name, value)| (name.to_owned(), value));
    let put = acme.dynamodb().put_item().table_name(CLAIMS).set_item(Some(item.clone().into()));
    assert!(matches!(sealing_error(put.send().await), Error::Refused(Refusal::UnknownTable(_))));
    let put = Put::builder().table_name(CLAIMS).set_item(Some(item.into())).build().unwrap();
    let put = acme.dynamodb().transact_write_items().transact_items(TransactWriteItem::builder().put(put).build());
    assert!(matches!(sealing_error(put.send().await), Error::Refused(Refusal::UnknownTable(_))));
    let get = acme.dynamodb().get_item().table_name(CLAIMS).key("tenant", s("acme")).key("entry", s(entry));
    assert!(matches!(sealing_error(get.send().await), Error::Refused(Refusal::UnknownTable(_))));
    assert_eq!(claimed(&world, "acme").await, claims);
}

#[tokio::test]
async fn unique_lookups_need_a_claims_table_of_its_own() {
    let (world, ..) = members().await;
    let builder = || TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).record::<Member>();
    let without = builder().build(&world.app).unwrap_err();
    assert!(matches!(&without, ConfigError::UniqueWithoutClaims { lookup, .. } if lookup == "email"), "{without}");
    let same = builder().claims(ClaimsTable::new(&world.app, "prod")).table_name("people", "prod");
    assert!(matches!(same.build(&world.app), Err(ConfigError::ClaimsTable(_))));
    // It has the same keys, and whoever deletes an offboarded tenant's claims would delete its key records.
    let keys = key_table(&world.app).table().to_owned();
    let same = builder().claims(ClaimsTable::new(&world.app, keys)).build(&world.app).unwrap_err();
    assert!(matches!(&same, ConfigError::ClaimsTable(_)) && same.to_string().contains("key table"), "{same}");
}

/// While a lookup is built, `if_not_exists` stores no token, and so no claim.
#[tokio::test]
async fn a_unique_lookup_that_is_built_is_refused_too() {
    let (world, ..) = members().await;
    let email = || Lookup::on("email", Form::EMAIL).unique();
    for (lookup, is_refused) in [(email().building(), true), (email().retired(), false)] {
        let schema = attributes().lookup(lookup).build().unwrap();
        let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).table(schema);
        let seal = builder.claims(claims(&world.app)).build(&world.app).unwrap();
        let dynamodb = seal.tenant(&id("acme")).dynamodb();
        for set in ["SET email = :e", "SET email = if_not_exists(email, :e)"] {
            let update =
                dynamodb.update_item().table_name(TABLE).set_key(Some(key("acme", "m-1"))).update_expression(set);
            let update = update.expression_attribute_values(":e", s("ada@example.org")).send().await;
            match is_refused {
                true => self::is_refused(&sealing_error(update)),
                false => _ = update.unwrap(),
            }
        }
    }
}
