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

/// The attribute may be older than the lookup. Then `if_not_exists` leaves it, and its own value's token would be wrong.
#[tokio::test]
async fn if_not_exists_leaves_no_token_while_a_lookup_is_built() {
    let world = world(&["acme"]).await;
    put(&acme(&world, &[]).dynamodb(), contact("acme", "c-1", [("email", s("older@x.org"))])).await;
    let building = acme(&world, &[OLD.building()]);
    assert_eq!(written(&world, &building, "SET email = if_not_exists(email, :e)").await, [""; 0]);
    let ready = acme(&world, &[OLD]);
    let delete = |value| {
        let delete = ready.dynamodb().delete_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
        delete.condition_expression("email = :e").expression_attribute_values(":e", s(value)).send()
    };
    assert!(delete("ada@x.org").await.is_err(), "it is not the item's value");
    assert_eq!(written(&world, &building, "SET email = :e").await, ["email"]);
    delete("ada@x.org").await.unwrap();
}

/// Two forms give two answers, and the order of declarations must not choose.
#[tokio::test]
async fn of_two_forms_the_one_named_as_the_attribute_answers() {
    const EXACT: LookupBuilder<'_> = Lookup::on("phone", Form::EXACT);
    const DIGITS: LookupBuilder<'_> = Lookup::on("phone", Form::DIGITS);
    let world = world(&["acme"]).await;
    let found = async |lookups: &[LookupBuilder<'_>], value: &str| {
        let acme = acme(&world, lookups);
        put(&acme.dynamodb(), contact("acme", "c-1", [("phone", s("+49 30"))])).await;
        let request = acme.dynamodb().scan().table_name(TABLE).filter_expression("phone = :p");
        let filtered = request.expression_attribute_values(":p", s(value)).send().await;
        let update = acme.dynamodb().update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
        let update = update.update_expression("SET notes = :n").expression_attribute_values(":n", s("n"));
        let held = update.condition_expression("phone = :p").expression_attribute_values(":p", s(value)).send().await;
        match filtered {
            Ok(found) => {
                assert_eq!(held.is_ok(), found.count() == 1, "a filter and a condition have one answer");
                Ok(found.count())
            }
            failed => Err(sealing_error(failed).to_string()),
        }
    };
    let (exact, digits) = (EXACT, DIGITS.named("phone_2"));
    for lookups in [[exact, digits], [digits, exact]] {
        assert_eq!((found(&lookups, "4930").await, found(&lookups, "+49 30").await), (Ok(0), Ok(1)));
    }
    let refused = found(&[EXACT.named("phone_3"), digits], "4930").await.unwrap_err();
    assert!(refused.contains("`phone_2`, `phone_3`") && refused.contains("the attribute's name"), "{refused}");
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
