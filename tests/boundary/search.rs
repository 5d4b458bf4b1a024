//! SearchVectors: a vector that is stored as it is finds the tenant's own items, opened.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::search_vectors::builders::SearchVectorsFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, SearchSchemaElement, SearchSchemaElementType, VectorAttributeDefinition,
    VectorDistanceFunction, VectorIndex,
};
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant};

use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id, s, sealing_error};

fn schema(tenant: &str) -> TableSchema {
    let schema = TableSchema::builder("notes").partition_key("tenant_id", tenant).sort_key("note_id");
    schema.plain("near").plain("kind").encrypt("text").build().unwrap()
}

fn vector(numbers: &[&str]) -> Vec<AttributeValue> {
    numbers.iter().map(|number| AttributeValue::N((*number).to_owned())).collect()
}

fn note(tenant: &str, note: &str, kind: &str, near: &[&str]) -> Item {
    let pairs = [("tenant_id", s(tenant)), ("note_id", s(note)), ("kind", s(kind)), ("text", s(&format!("of {note}")))];
    let mut item: Item = pairs.map(|(name, value)| (name.to_owned(), value)).into();
    item.insert("near".to_owned(), AttributeValue::L(vector(near)));
    item
}

/// A table of notes with vector indexes: with the tenant in the search schema as its key or as a filter, and without.
async fn world() -> World {
    let world = World::start(&["acme", "globex"]).await;
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = |name: &str, schema: &[(&str, SearchSchemaElementType)]| {
        let vector = VectorAttributeDefinition::builder().attribute_name("near").build().unwrap();
        let index = VectorIndex::builder().index_name(name).vector_attribute(vector).dimensions(2);
        let index = index.distance_function(VectorDistanceFunction::Euclidean);
        let index = index.projection(Projection::builder().projection_type(ProjectionType::All).build());
        let schema = schema.iter().map(|(name, kind)| {
            let element = SearchSchemaElement::builder().attribute_name(*name).search_schema_element_type(kind.clone());
            element.build().unwrap()
        });
        index.set_search_schema(Some(schema.collect()).filter(|schema: &Vec<_>| !schema.is_empty())).build().unwrap()
    };
    use SearchSchemaElementType::{Hash, InlineFilter};
    let mut create = world.plain.create_table().table_name("notes").billing_mode(BillingMode::PayPerRequest);
    for name in ["tenant_id", "note_id", "kind"] {
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(definition.build().unwrap());
    }
    create
        .key_schema(key("tenant_id", KeyType::Hash))
        .key_schema(key("note_id", KeyType::Range))
        .vector_indexes(index("by-tenant", &[("tenant_id", Hash), ("kind", InlineFilter)]))
        .vector_indexes(index("filtered", &[("tenant_id", InlineFilter), ("kind", InlineFilter)]))
        .vector_indexes(index("of-all", &[]))
        .send()
        .await
        .unwrap();
    world
}

/// A tenant's handle, and its notes stored.
async fn with_notes(world: &World, tenant: &str) -> Tenant {
    let handle = world.builder().table(schema("{tenant}")).build(&world.app).unwrap().tenant(&id(tenant));
    for (name, kind, near) in [("n-1", "open", ["1", "0"]), ("n-2", "done", ["0", "1"])] {
        let put = handle.dynamodb().put_item().table_name("notes");
        put.set_item(Some(note(tenant, name, kind, &near))).send().await.unwrap();
    }
    handle
}

fn near(client: &Client, index: &str) -> SearchVectorsFluentBuilder {
    let search = client.search_vectors().table_name("notes").index_name(index).top_k(10);
    search.set_search_vector(Some(vector(&["1", "0"])))
}

#[tokio::test]
async fn a_search_finds_the_tenants_own_items_alone_and_opens_them() {
    let world = world().await;
    with_notes(&world, "globex").await;
    let acme = with_notes(&world, "acme").await.dynamodb();
    let (mut first, mut second) = (note("acme", "n-1", "open", &["1", "0"]), note("acme", "n-2", "done", &["0", "1"]));
    // DynamoDB gives the vectors back only when they are asked for.
    first.remove("near");
    second.remove("near");
    for index in ["by-tenant", "filtered"] {
        let found = near(&acme, index).send().await.unwrap().search_results.unwrap();
        let items: Vec<_> = found.into_iter().map(|found| found.item.unwrap()).collect();
        assert_eq!(items, [first.clone(), second.clone()], "{index}");

        let asked = near(&acme, index).search_condition_expression("tenant_id = :t AND kind = :k");
        let asked = asked.expression_attribute_values(":t", s("acme")).expression_attribute_values(":k", s("done"));
        let found = asked.send().await.unwrap().search_results.unwrap();
        assert_eq!(found.iter().map(|found| found.item().unwrap()).collect::<Vec<_>>(), [&second], "{index}");

        let added = near(&acme, index).search_condition_expression("kind = :k");
        let found = added.expression_attribute_values(":k", s("open")).send().await.unwrap().search_results.unwrap();
        assert_eq!(found.iter().map(|found| found.item().unwrap()).collect::<Vec<_>>(), [&first], "{index}");

        let cut = near(&acme, index).projection_expression("#x").expression_attribute_names("#x", "text");
        let found = cut.send().await.unwrap().search_results.unwrap();
        assert_eq!(found[0].item(), Some(&[("text".to_owned(), s("of n-1"))].into()), "{index}");
    }
}

#[tokio::test]
async fn a_search_for_another_tenants_items_is_refused_before_any_call() {
    let world = world().await;
    let wire = Wire::open();
    let acme = world.builder().table(schema("{tenant}")).build(&world.over(wire.clone())).unwrap().tenant(&id("acme"));
    let acme = acme.dynamodb();
    let theirs = near(&acme, "by-tenant").search_condition_expression("tenant_id = :t");
    let theirs = theirs.expression_attribute_values(":t", s("globex")).send().await;
    assert!(matches!(sealing_error(theirs), Error::Refused(_)));
    // On ciphertext nothing can be asked, and what no expression uses is not sent.
    let encrypted = near(&acme, "by-tenant").search_condition_expression("text = :v");
    sealing_error(encrypted.expression_attribute_values(":v", s("secret")).send().await);
    sealing_error(near(&acme, "by-tenant").expression_attribute_values(":v", s("secret")).send().await);
    sealing_error(near(&acme, "by-tenant").search_vector(s("secret")).send().await);
    sealing_error(near(&acme, "by-tenant").table_name("elsewhere").send().await);
    assert!(wire.sent().is_empty(), "{:?}", wire.sent());
}

#[tokio::test]
async fn a_vector_index_without_the_tenant_is_named_and_gives_nothing() {
    let world = world().await;
    let acme = with_notes(&world, "acme").await.dynamodb();
    let error = sealing_error(near(&acme, "of-all").send().await);
    assert!(error.to_string().contains("lacks `tenant_id` in its search schema"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn where_more_may_follow_the_tenant_a_search_must_say_what() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::scripted(|sent, _| match &*sent.operation {
        "SearchVectors" => Reaction::Answer(200, "{}".to_owned()),
        _ => Reaction::Forward,
    });
    let seal = world.builder().table(schema("TENANT#{tenant}#")).build(&world.over(wire.clone())).unwrap();
    let acme = seal.tenant(&id("acme")).dynamodb();
    sealing_error(near(&acme, "by-tenant").send().await);
    let whole = near(&acme, "by-tenant").search_condition_expression("tenant_id = :t");
    whole.expression_attribute_values(":t", s("TENANT#acme#a")).send().await.unwrap();
    assert_eq!(wire.sent().len(), 1);
}

#[tokio::test]
async fn a_search_that_is_answered_with_others_items_is_an_error() {
    let world = world().await;
    with_notes(&world, "globex").await;
    let theirs = world.plain.get_item().table_name("notes").key("tenant_id", s("globex")).key("note_id", s("n-1"));
    let theirs = theirs.send().await.unwrap().item.unwrap();
    let sealed = aws_smithy_types::base64::encode(theirs["text"].as_b().unwrap());
    let header = aws_smithy_types::base64::encode(theirs["_seal"].as_b().unwrap());
    for tenant in ["globex", "acme"] {
        let item = format!(
            r#"{{"tenant_id":{{"S":"{tenant}"}},"note_id":{{"S":"n-1"}},"text":{{"B":"{sealed}"}},"_seal":{{"B":"{header}"}}}}"#
        );
        let lying = Wire::scripted(move |sent, _| match &*sent.operation {
            "SearchVectors" => Reaction::Answer(200, format!(r#"{{"SearchResults":[{{"Item":{item},"Score":0.5}}]}}"#)),
            _ => Reaction::Forward,
        });
        let seal = world.builder().table(schema("{tenant}")).build(&world.over(lying)).unwrap();
        let error = sealing_error(near(&seal.tenant(&id("acme")).dynamodb(), "by-tenant").send().await);
        assert!(matches!(error, Error::Open(_)) && error.is_integrity(), "{error}");
    }
}

#[tokio::test]
async fn a_condition_that_grows_too_long_with_the_tenant_is_called_by_its_name() {
    let world = World::start(&["acme"]).await;
    let seal = world.builder().table(schema("{tenant}")).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme")).dynamodb();
    let placeholder = format!(":{}", "k".repeat(203));
    let long = vec![format!("kind = {placeholder}"); 19].join(" OR ") + "    ";
    assert!((4_050..4_096).contains(&long.len()), "{}", long.len());
    let value = |name: &str| (name.to_owned(), s("open"));
    let search = near(&acme, "by-tenant").search_condition_expression(&long);
    let error = sealing_error(search.set_expression_attribute_values(Some([value(&placeholder)].into())).send().await);
    assert!(error.to_string().contains(" SearchConditionExpression: "), "{error}");
    let scan = acme.scan().table_name("notes").filter_expression(long);
    let error = sealing_error(scan.set_expression_attribute_values(Some([value(&placeholder)].into())).send().await);
    assert!(error.to_string().contains(" FilterExpression: "), "{error}");
}
