//! Every refusal and every error that this library knows, each brought about with a canary in what is refused.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::auth::DefaultAuthSchemeResolver;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, KeysAndAttributes, ScalarAttributeType, TimeToLiveSpecification,
    TransactWriteItem,
};

use tenantseal::records::{PageToken, attribute};

use crate::common::wire::Reaction;
use crate::common::{Contact, Unregistered, contact, id, item, key, s};
use crate::errors::Misread;
use crate::repository::{Line, Person};
use crate::scene::{Scene, call, service_error};

#[tokio::test]
async fn no_refusal_shows_a_canary() {
    let mut scene = Scene::set().await;
    let acme = scene.cold("acme");
    let dynamodb = acme.dynamodb();
    let records = acme.records::<Contact>();
    records.put(&scene.contact()).await.unwrap();
    let [text, digits] = scene.canaries.clone();
    let secret = || s(&text);
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    let get = || dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let query = || dynamodb.query().table_name("crm").expression_attribute_values(":t", s("acme"));

    // Refusal
    scene.fails("unknown table", put().table_name("unknown").item("email", secret()).send().await);
    let keys = KeysAndAttributes::builder().keys(key("acme", &text)).build().unwrap();
    let by_arn = scene.builder().table_name("crm", "arn:aws:dynamodb:us-east-1:222222222222:table/crm");
    let by_arn = by_arn.build(&scene.app).unwrap().tenant(&id("acme")).dynamodb();
    let by_name = by_arn.put_item().table_name("crm").set_item(Some(item(&scene.contact()))).send().await;
    scene.fails("other table", by_name);
    scene.fails("no table", dynamodb.batch_get_item().request_items("", keys).send().await);
    let token = PageToken::from(text.as_str());
    scene.fails("a page token of somebody's own making", records.query().page(Some(&token)).await);
    scene.fails("no record table", acme.records::<Tableless>().put(&Tableless::of(&text)).await);
    scene.fails("unregistered", acme.records::<Unregistered>().put(&Unregistered::of(&text)).await);
    let statement = dynamodb.execute_statement().statement(format!("INSERT INTO crm VALUE {{'email': '{text}'}}"));
    scene.fails("unsupported", statement.parameters(secret()).send().await);
    let without = scene.builder().control_plane(false).build(&scene.app).unwrap().tenant(&id("acme")).dynamodb();
    scene.fails("control plane", without.describe_table().table_name(&text).send().await);
    let expires = TimeToLiveSpecification::builder().attribute_name("email").enabled(true).build().unwrap();
    let expires = dynamodb.update_time_to_live().table_name("crm").time_to_live_specification(expires);
    scene.fails("encrypted time to live", expires.send().await);
    let defined = AttributeDefinition::builder().attribute_name("email").attribute_type(ScalarAttributeType::S);
    let defined = dynamodb.update_table().table_name("crm").attribute_definitions(defined.build().unwrap());
    scene.fails("encrypted index key", defined.send().await);
    let search = || dynamodb.search_vectors().table_name("crm").index_name("near").top_k(1);
    scene.fails("search vector", search().search_vector(secret()).send().await);
    scene.fails("legacy", get().attributes_to_get(&text).send().await);
    scene.fails("missing", dynamodb.query().table_name("crm").expression_attribute_values(":t", secret()).send().await);
    let token = dynamodb.transact_write_items().client_request_token("x".repeat(37));
    scene.fails("token", token.send().await);
    let action = dynamodb.transact_write_items().transact_items(TransactWriteItem::builder().build());
    scene.fails("action", action.send().await);
    scene.fails("empty", put().set_expression_attribute_values(Some(HashMap::new())).send().await);
    scene.fails("unused value", put().expression_attribute_values(":v", secret()).send().await);
    let undefined = put().item("email", secret()).condition_expression("company = :v");
    scene.fails("undefined value", undefined.send().await);
    scene.fails("not one tenant", query().key_condition_expression("contact_id = :t").send().await);
    scene.fails("key parts", records.get(("a", text.as_str())).await);
    let people = acme.records::<Person>();
    scene.fails("other record", acme.records::<Line>().get(format!("ORDER#{text}")).await);
    scene.fails("key twice", records.get_many([text.as_str(), text.as_str()]).await);
    scene.fails("unknown attribute", records.update("c-1").set("undeclared", &text).await);
    scene.fails("fixed attribute", records.update("c-1").set("contact_id", &text).await);
    scene.fails("value", records.update("c-1").set("company", [&text]).await);
    scene.fails(
        "value of a filter",
        records.query().filter(attribute("company").equals([&text])).stream().try_collect::<Vec<_>>().await,
    );
    scene.fails("required", records.update("c-1").remove("email").condition(attribute("company").equals(&text)).await);
    scene.fails("upsert", records.update("c-1").set("email", &text).upsert().await);
    let guests = scene.builder().record::<Guest>().build(&scene.app).unwrap().tenant(&id("acme")).records::<Guest>();
    scene.fails("tenant twice", guests.get(format!("TENANT#acme#{text}")).await);
    scene
        .fails("unheeded", acme.records::<Around<Vec<Tableless>>>().put(&Around::of(vec![Tableless::of(&text)])).await);
    scene.fails(
        "unheeded update",
        acme.records::<Around<u8>>().update("c-1").set("company", Tableless::of(&text)).await,
    );
    scene.fails("version in a batch", people.put_many([&Person::of(&text)]).await);
    // PrimaryKeyError
    let keyless = item(&scene.contact()).into_iter().filter(|(name, _)| name != "contact_id").collect();
    scene.fails("missing key", dynamodb.put_item().table_name("crm").set_item(Some(keyless)).send().await);
    scene.fails("foreign tenant", put().item("tenant_id", secret()).send().await);
    scene.fails("invalid key", put().item("contact_id", AttributeValue::Ss(vec![text.clone()])).send().await);
    scene.fails("superfluous", get().key("email", secret()).send().await);
    // SealError
    let foreign = item(&Contact { tenant_id: text.clone(), ..scene.contact() });
    scene.fails("the item of another tenant", acme.seal("crm", foreign).await);
    let party = |kind: &str, note| {
        let item = key("acme", "p-1").into_iter().chain([("kind".to_owned(), s(kind)), ("note".to_owned(), note)]);
        dynamodb.put_item().table_name("parties").set_item(Some(item.collect()))
    };
    scene.fails("discriminator", party(&text, secret()).send().await);
    scene.fails("binary", party("firm", AttributeValue::B(Blob::new(text.clone()))).send().await);
    scene.fails("undeclared", put().item("undeclared", secret()).send().await);
    scene.fails("reserved", put().item("_seal_x", secret()).send().await);
    let sealed = AttributeValue::B(Blob::new(format!("\u{11}{text}")));
    scene.fails("sealed already", put().item("email", sealed).send().await);
    for value in [
        AttributeValue::N(text.clone()),
        AttributeValue::N(format!("{digits}{digits}")),
        AttributeValue::Ss(vec![text.clone(), text.clone()]),
        AttributeValue::Ns(vec![digits.clone(), digits.clone()]),
        AttributeValue::M([(String::new(), secret())].into()),
        AttributeValue::L(vec![AttributeValue::Null(false), secret()]),
        (0..40).fold(secret(), |inner, _| AttributeValue::L(vec![inner])),
    ] {
        scene.fails("value", put().item("notes", value).send().await);
    }
    let too_large = AttributeValue::S(text.repeat(400 * 1024 / text.len()));
    scene.fails("too large", put().item("notes", too_large).send().await);
    // ExpressionError
    let nested = format!("{}email = :v{}", "(NOT ".repeat(400), ")".repeat(400));
    let many = vec!["#c=:v"; 302].join(" OR ");
    let operands = vec![":v"; 102].join(", ");
    for expression in [
        format!("email = '{text}'"),
        format!("email = {digits}"),
        format!("company = :v OR {text}"),
        "x".repeat(4_097),
        nested,
        many,
        format!("company IN ({operands})"),
        "((company = :v))".to_owned(),
        "name = :v".to_owned(),
        "_company = :v".to_owned(),
        "unheard(company, :v)".to_owned(),
        "CONTAINS(company, :v)".to_owned(),
        "#undefined = :v".to_owned(),
        "#seal = :v".to_owned(),
        "undeclared = :v".to_owned(),
        "api_keys.mail = :v".to_owned(),
        "email = :v".to_owned(),
    ] {
        let names = [("#seal", "_seal"), ("#c", "company")].into_iter().find(|(name, _)| expression.contains(name));
        let names = names.map(|(name, attribute)| HashMap::from([(name.to_owned(), attribute.to_owned())]));
        let put = put().condition_expression(expression).expression_attribute_values(":v", secret());
        scene.fails("condition", put.set_expression_attribute_names(names).send().await);
    }
    for expression in ["SET email = :v SET company = :v", "SET company = :v, company = :v", "ADD email :v"] {
        let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let update = update.update_expression(expression).expression_attribute_values(":v", secret());
        scene.fails("update", update.send().await);
    }
    for expression in ["SET api_keys.mail = :v", "REMOVE api_keys.mail SET email = :v"] {
        let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let update = update.update_expression(expression).expression_attribute_values(":v", secret());
        scene.fails("inside", update.send().await);
    }
    for expression in ["SET note = :v", "SET kind = :v"] {
        let update = dynamodb.update_item().table_name("parties").set_key(Some(key("acme", "p-1")));
        let update = update.update_expression(expression).expression_attribute_values(":v", secret());
        scene.fails("a type that is not said", update.send().await);
    }
    for condition in
        ["tenant_id = :t AND email = :v", "tenant_id = :t OR contact_id = :v", "tenant_id = :t AND tenant_id = :v"]
    {
        let query = query().key_condition_expression(condition).expression_attribute_values(":v", secret());
        scene.fails("key condition", query.send().await);
    }
    let long = format!("email, company.{}", "a".repeat(4_075));
    scene.fails("too long with what is added", get().projection_expression(long).send().await);
    // Error
    scene.fails("a record", acme.records::<Misread>().get("c-1").await);
    scene.fails("bound twice", {
        let twice = acme.dynamodb_with(dynamodb.config().to_builder());
        twice.put_item().table_name("crm").set_item(Some(item(&scene.contact()))).send().await
    });
    let over = aws_sdk_dynamodb::config::Config::builder().auth_scheme_resolver(DefaultAuthSchemeResolver::default());
    let replaced = put().item("email", secret()).customize().config_override(over).send().await;
    scene.fails("a replaced resolver", replaced);
    let index = dynamodb.query().table_name("crm").index_name("by-company-and-tenant");
    let index = index.key_condition_expression("company = :c").expression_attribute_values(":c", s("Example Ltd"));
    scene.fails("the tenant in an index", index.send().await);
    let refused = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"SearchConditionExpression must not contain any attributes that is not in SearchSchema. Invalid attribute: tenant_id"}"#;
    scene.react("SearchVectors", || Reaction::Answer(400, refused.to_owned()));
    let near = search().search_vector(AttributeValue::N("1".to_owned()));
    scene.fails("the tenant not in a vector index", near.send().await);
    scene.behave();
    let unaccounted = scene.builder().audit(Unaccounted).build(&scene.app).unwrap();
    let put_untold = call("PutItem", &unaccounted.tenant(&id("acme")).dynamodb(), &scene.item()).await;
    scene.fails("an audit that panics", put_untold);
    scene.react("GetItem", || Reaction::Answer(400, service_error("ValidationException")));
    scene.fails("DynamoDB", records.get("c-1").await);
    scene.behave();
    call("PutItem", &dynamodb, &scene.item()).await.unwrap();
    scene.react("GetItem", || Reaction::Alter(Box::new(|body| body.replace("\"_seal\"", "\"_other\""))));
    let result = call("GetItem", &dynamodb, &scene.item()).await;
    scene.fails("open", result);
    scene.behave();
    // The first answer is as good as lost, and the second finds nothing.
    let answers = std::sync::atomic::AtomicUsize::new(0);
    scene.react("DeleteItem", move || match answers.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Reaction::Answer(500, String::new()),
        _ => Reaction::Answer(200, "{}".to_owned()),
    });
    records.put(&scene.contact()).await.unwrap();
    let repeats = aws_sdk_dynamodb::config::retry::RetryConfig::standard();
    let repeating = scene.builder().build(&scene.app.clone().into_builder().retry_config(repeats).build()).unwrap();
    scene.fails("an answer is lost", repeating.tenant(&id("acme")).records::<Contact>().take("c-1").await);
    scene.behave();
    people.put(&Person::of(&text)).await.unwrap();
    scene.fails("conflict", people.put(&Person::of(&text)).await);
    scene.fails("cancelled", acme.transact_write().with(people.put(&Person::of(&text))).await);
    scene.react("BatchWriteItem", || Reaction::Answer(400, service_error("ValidationException")));
    scene.fails("not written", records.put_many([&scene.contact()]).await);
    scene.behave();
    let unprocessed = format!(r#"{{"Responses":{{}},"UnprocessedKeys":{{"crm":{{"Keys":[{}]}}}}}}"#, own_key());
    scene.react("BatchGetItem", move || Reaction::Answer(200, unprocessed.clone()));
    tokio::time::pause();
    scene.fails("unprocessed", records.get_many(["c-1"]).await);
    tokio::time::resume();
    scene.behave();
    scene.world.stack.faults().on("AssumeRole").fail("AccessDenied", 403);
    let result = call("GetItem", &scene.cold("acme").dynamodb(), &scene.item()).await;
    scene.fails("key", result);
    scene.behave();
    let result = call("PutItem", &scene.compact("acme").dynamodb(), &scene.item()).await;
    scene.fails("no key table", result);

    for operation in ["PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems"] {
        let adopting = scene.adopting("acme", Some(b"no leave")).await.dynamodb();
        scene.fails(&format!("{operation} under a forged leave"), call(operation, &adopting, &scene.item()).await);
    }

    let swapped = scene.builder().table_name("parties", "crm").table_name("crm", "contacts").build(&scene.app).unwrap();
    let opened = swapped.tenant(&id("acme")).open("crm", scene.item()).await;
    scene.fails("a name that is one table's and another's physical name", opened);

    crate::lookups::refuse(&mut scene).await;
    crate::unique::refuse(&mut scene).await;
    // Errors of objects have their scenarios in blobs/tests/blobs/leaks.rs.
    scene.assert_covered(include_str!("../../src/error.rs"), "Error", &["Blob", "S3"]);
    // There is no operation that the SDK has and neither list knows, and no unique lookup is built without claims.
    scene.assert_covered(include_str!("../../src/error/refusal.rs"), "Refusal", &["UnknownOperation", "NoClaims"]);
    scene.assert_covered(include_str!("../../src/item/error.rs"), "PrimaryKeyError", &[]);
    // An operation waits for the lookup keys of its tokens. The operating system's generator does not fail at a test's
    // wish; and a key that the key table does not hold is never
    // given to a compact table, which the sealing checks once more.
    scene.assert_covered(
        include_str!("../../src/item/error.rs"),
        "SealError",
        &["NoLookupKey", "Random", "NotInKeyTable"],
    );
    scene.assert_covered(include_str!("../../src/expression/error.rs"), "ExpressionError", &[]);
    scene.assert_unseen();
}

/// The key of the contact `c-1` of `acme`, as DynamoDB's JSON has it.
fn own_key() -> &'static str {
    r#"{"tenant_id":{"S":"acme"},"contact_id":{"S":"c-1"}}"#
}

/// A record that was meant to be flattened into another.
#[derive(Debug, serde::Serialize, serde::Deserialize, tenantseal::Record)]
struct Tableless {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt)]
    email: String,
}

impl Tableless {
    fn of(secret: &str) -> Self {
        Self { tenant_id: "acme".to_owned(), email: secret.to_owned() }
    }
}

/// A contact of which a field holds anything.
#[derive(Debug, serde::Serialize, serde::Deserialize, tenantseal::Record)]
#[seal(table = "crm")]
struct Around<T> {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    company: T,
}

impl<T> Around<T> {
    fn of(company: T) -> Self {
        Self { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), company }
    }
}

/// Its partition key has more than the tenant.
#[derive(Debug, serde::Serialize, serde::Deserialize, tenantseal::Record)]
#[seal(table = "guests")]
struct Guest {
    #[seal(partition_key, tenant = "TENANT#{tenant}#")]
    guest_id: String,
    #[seal(encrypt)]
    email: String,
}

/// An audit that is not kept.
struct Unaccounted;

impl tenantseal::audit::AuditSink for Unaccounted {
    fn record(&self, _: &tenantseal::audit::DataKeyUse<'_>) {
        panic!("the trail is full");
    }
}
