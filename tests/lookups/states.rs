//! A lookup is built and retired while items are written.

use tenantseal::schema::{Form, Lookup, LookupBuilder, TableSchema};
use tenantseal::{Tenant, error::Error};

use super::scene::{TABLE, attributes, builder, contact, key, put, stored, tokens, world};
use crate::common::{World, id, s, sealing_error};

fn schema(lookups: &[LookupBuilder<'_>]) -> TableSchema {
    lookups.iter().fold(attributes(), |schema, lookup| schema.lookup(*lookup)).build().unwrap()
}

fn acme(world: &World, lookups: &[LookupBuilder<'_>]) -> Tenant {
    builder(world, schema(lookups)).build(&world.app).unwrap().tenant(&id("acme"))
}

const OLD: LookupBuilder<'_> = Lookup::on("email", Form::EXACT).index("by-email");
const NEW: LookupBuilder<'_> = Lookup::on("email", Form::EMAIL).named("email_2");

async fn written(world: &World, tenant: &Tenant, update: &str) -> Vec<String> {
    let request = tenant.dynamodb().update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
    let request = request.update_expression(update);
    let request = match update.contains(":e") {
        true => request.expression_attribute_values(":e", s("ada@x.org")),
        false => request,
    };
    request.send().await.unwrap();
    tokens(&stored(world, "acme", "c-1").await).into_keys().collect()
}

async fn refusal(tenant: &Tenant) -> String {
    let request = tenant.dynamodb().scan().table_name(TABLE).filter_expression("email = :e");
    let request = request.expression_attribute_values(":e", s("ada@x.org"));
    match request.send().await {
        Ok(_) => String::new(),
        failed => sealing_error(failed).to_string(),
    }
}

#[tokio::test]
async fn a_lookup_that_is_built_is_written_and_not_asked() {
    let world = world(&["acme"]).await;
    let alone = acme(&world, &[OLD.building()]);
    assert_eq!(written(&world, &alone, "SET email = :e").await, ["email"]);
    assert!(refusal(&alone).await.contains("lookup `email` of attribute `email` is `building`"));
    let beside = acme(&world, &[OLD, NEW.building()]);
    assert_eq!(written(&world, &beside, "SET email = :e").await, ["email", "email_2"]);
    assert_eq!(refusal(&beside).await, "");
    let request =
        beside.dynamodb().query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :e");
    let output = request.expression_attribute_values(":e", s("ada@x.org")).send().await.unwrap();
    assert_eq!(output.count(), 1);
}

#[tokio::test]
async fn a_retired_lookup_loses_its_tokens_write_by_write() {
    let world = world(&["acme"]).await;
    let both = acme(&world, &[OLD, NEW]);
    assert_eq!(written(&world, &both, "SET email = :e").await, ["email", "email_2"]);
    let retired = acme(&world, &[OLD.retired(), NEW]);
    assert_eq!(written(&world, &retired, "SET notes = :e").await, ["email", "email_2"]);
    assert_eq!(written(&world, &retired, "SET email = :e").await, ["email_2"]);
    assert_eq!(refusal(&retired).await, "");
    assert_eq!(written(&world, &both, "SET email = :e").await, ["email", "email_2"]);
    assert_eq!(written(&world, &retired, "REMOVE email").await, [""; 0]);
    put(&retired.dynamodb(), contact("acme", "c-1", [("email", s("ada@x.org"))])).await;
    assert_eq!(tokens(&stored(&world, "acme", "c-1").await).into_keys().collect::<Vec<_>>(), ["email_2"]);
    let alone = acme(&world, &[OLD.retired()]);
    assert!(refusal(&alone).await.contains("lookup `email` of attribute `email` is `retired`"));
}

#[tokio::test]
async fn a_name_keeps_its_definition() {
    let world = world(&["acme"]).await;
    written(&world, &acme(&world, &[OLD]), "SET email = :e").await;
    let changed = acme(&world, &[Lookup::on("email", Form::EMAIL).index("by-email")]);
    let request = changed.dynamodb().put_item().table_name(TABLE);
    let request = request.set_item(Some(contact("acme", "c-2", [("email", s("eve@x.org"))])));
    let error = sealing_error(request.send().await);
    assert!(matches!(error, Error::KeyTable(_)), "{error}");
    assert!(stored(&world, "acme", "c-2").await.is_empty());
}
