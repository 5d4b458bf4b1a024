//! The claims table is created and checked.

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use tenantseal::error::TableFaultKind;
use tenantseal::records::ClaimsTable;

use super::scene::{CLAIMS, builder, claims, members};
use crate::common::key_table::{NOT_RECOVERABLE, RECOVERABLE};
use crate::common::wire::{Reaction, Wire};
use crate::lookups::scene::world;

#[tokio::test]
async fn the_check_finds_a_claims_table_that_is_missing_or_another() {
    let world = world(&["acme"]).await;
    let kinds = async || {
        let checked = builder(&world.app).build(&world.app).unwrap().check_tables().await;
        checked.err().map(|error| {
            error.faults().iter().map(|fault| (fault.table().to_owned(), fault.kind().clone())).collect::<Vec<_>>()
        })
    };
    assert_eq!(kinds().await, Some(vec![(CLAIMS.to_owned(), TableFaultKind::NoClaimsTable)]));
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        attribute.build().unwrap()
    };
    let key = KeySchemaElement::builder().attribute_name("tenant").key_type(KeyType::Hash).build().unwrap();
    let other = world.plain.create_table().table_name(CLAIMS).billing_mode(BillingMode::PayPerRequest);
    other.attribute_definitions(attribute("tenant")).key_schema(key).send().await.unwrap();
    assert_eq!(kinds().await, Some(vec![(CLAIMS.to_owned(), TableFaultKind::NotAClaimsTable)]));
    let created = claims(&world.app).create_table().await.unwrap_err();
    assert_eq!(created.faults()[0].kind(), &TableFaultKind::NotAClaimsTable);
    world.plain.delete_table().table_name(CLAIMS).send().await.unwrap();
    claims(&world.app).create_table().await.unwrap();
    claims(&world.app).create_table().await.unwrap();
    assert_eq!(kinds().await, None);
}

#[tokio::test]
async fn the_check_asks_for_recovery_of_the_claims() {
    let (world, ..) = members().await;
    for (answer, expected) in [(RECOVERABLE, None), (NOT_RECOVERABLE, Some(TableFaultKind::NoClaimsRecovery))] {
        let wire = Wire::scripted(move |sent, _| match sent.operation.as_str() {
            "DescribeContinuousBackups" => Reaction::Answer(200, answer.to_owned()),
            _ => Reaction::Forward,
        });
        let config = world.over(wire);
        let seal = builder(&config).claims(ClaimsTable::new(&config, CLAIMS)).build(&config).unwrap();
        let found = seal.check_tables().await.err().map(|error| error.faults()[0].kind().clone());
        assert_eq!(found, expected);
    }
}
