//! The handler, given what the local stack's stream really has: in each shape that the same record comes in.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::collections::HashMap;

use aws_lambda_events::dynamodb::Event;
use aws_sdk_dynamodbstreams::types::{AttributeValue as Streamed, Record as Streamable, ShardIteratorType};
use serde_json::{Value, json};
use tenantseal::aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, StreamViewType,
};
use tenantseal::changes::{Change, ChangeError, ChangeKind, Changes, StoredChange};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{Item, TenantId, TenantSeal};
use tenantseal_local::Stack;
use tenantseal_stream_handler::{Consumer, Contact, handle};

const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

struct World {
    stack: Stack,
    config: aws_types::SdkConfig,
}

impl World {
    /// With the tenants `acme` and `globex`, and a table with a stream.
    async fn start() -> Self {
        let stack = Stack::start().await.unwrap();
        let service = stack.account("222222222222").unwrap().user("service").permission(EVERYTHING).create().unwrap();
        let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
        let keys = stack.account("111111111111").unwrap();
        let role = keys.role("TenantKeys").trust(tenancy.trust_policy(&[service.user_arn()]));
        role.permission(tenancy.role_policy(stack.region())).create().unwrap();
        let admin = keys.user("admin").permission(EVERYTHING).create().unwrap();
        let kms = aws_sdk_kms::Client::new(&stack.sdk_config(&admin));
        for tenant in ["acme", "globex"].map(id) {
            let policy = tenancy.key_policy(&tenant).unwrap().to_string();
            let key = kms.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id;
            let alias = tenancy.alias(&tenant);
            kms.create_alias().alias_name(alias.as_str()).target_key_id(key).send().await.unwrap();
        }
        let world = Self { config: stack.sdk_config(&service), stack };
        world.create_table().await;
        world
    }

    async fn create_table(&self) {
        let client = tenantseal::aws_sdk_dynamodb::Client::new(&self.config);
        let stream = StreamSpecification::builder().stream_enabled(true);
        let stream = stream.stream_view_type(StreamViewType::NewAndOldImages).build().unwrap();
        let mut table = client.create_table().table_name("crm").billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            table = table.attribute_definitions(attribute.build().unwrap());
            table = table.key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap());
        }
        table.stream_specification(stream).send().await.unwrap();
    }

    fn seal(&self) -> TenantSeal {
        TenantSeal::builder().assume_role(ROLE).record::<Contact>().build(&self.config).unwrap()
    }

    /// All records of the table's stream.
    async fn records(&self) -> Vec<Streamable> {
        // A service of its own in AWS, and the same address here.
        let config = aws_sdk_dynamodbstreams::config::Builder::from(&self.config);
        let client = config.endpoint_url(self.stack.dynamodb_url()).build();
        let client = aws_sdk_dynamodbstreams::Client::from_conf(client);
        let streams = client.list_streams().table_name("crm").send().await.unwrap();
        let arn = streams.streams()[0].stream_arn().unwrap().to_owned();
        let described = client.describe_stream().stream_arn(&arn).send().await.unwrap().stream_description.unwrap();
        let mut records = Vec::new();
        for shard in described.shards() {
            let iterator = client.get_shard_iterator().stream_arn(&arn).shard_id(shard.shard_id().unwrap());
            let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
            let page = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
            records.extend(page.records.unwrap_or_default());
        }
        records
    }
}

fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

fn contact(tenant: &str, email: &str) -> Contact {
    Contact { tenant_id: tenant.to_owned(), contact_id: "c-1".to_owned(), email: email.to_owned() }
}

fn item(contact: &Contact) -> Item {
    let Contact { tenant_id, contact_id, email } = contact;
    let values = [("tenant_id", tenant_id), ("contact_id", contact_id), ("email", email)];
    values.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.clone()))).into()
}

/// Both tenants put a contact; `acme` then changes it, puts it again as it is, and deletes it.
async fn write(world: &World) {
    for (tenant, emails) in
        [("acme", &["a@example.org", "b@example.org", "b@example.org"][..]), ("globex", &["g@example.org"])]
    {
        let records = world.seal().tenant(&id(tenant)).records::<Contact>();
        for email in emails {
            records.put(&contact(tenant, email)).await.unwrap();
        }
        if tenant == "acme" {
            records.delete("c-1").await.unwrap();
        }
    }
}

type Told = (String, ChangeKind, Option<Item>, Option<Item>, bool);

fn told(changes: &Changes) -> Vec<Told> {
    let told = |change: &Change| {
        let images = [change.new_image(), change.old_image()].map(|image| image.item().cloned());
        let [new, old] = images;
        assert!(!change.is_refused() && change.keys().len() == 2);
        (change.tenant().to_string(), change.kind(), new, old, change.is_sealing_only())
    };
    changes.iter().map(|change| told(change.as_ref().unwrap())).collect()
}

fn expected() -> Vec<Told> {
    let [a, b, g] = [("acme", "a@example.org"), ("acme", "b@example.org"), ("globex", "g@example.org")]
        .map(|(tenant, email)| Some(item(&contact(tenant, email))));
    vec![
        ("acme".to_owned(), ChangeKind::Insert, a.clone(), None, false),
        ("acme".to_owned(), ChangeKind::Modify, b.clone(), a, false),
        ("acme".to_owned(), ChangeKind::Modify, b.clone(), b.clone(), true),
        ("acme".to_owned(), ChangeKind::Remove, None, b, false),
        ("globex".to_owned(), ChangeKind::Insert, g, None, false),
    ]
}

fn json_of(image: Option<&HashMap<String, Streamed>>) -> Value {
    image.map_or(Value::Null, |image| serde_json::to_value(serde_dynamo::Item::from(image.clone())).unwrap())
}

/// A record in JSON, as a Lambda function gets it.
fn in_json(record: &Streamable) -> Value {
    let change = record.dynamodb().unwrap();
    let mut images = json!({ "Keys": json_of(change.keys()), "SequenceNumber": change.sequence_number().unwrap() });
    for (name, image) in [("NewImage", change.new_image()), ("OldImage", change.old_image())] {
        if image.is_some() {
            images[name] = json_of(image);
        }
    }
    images["SizeBytes"] = json!(change.size_bytes().unwrap_or_default());
    images["StreamViewType"] = json!("NEW_AND_OLD_IMAGES");
    images["ApproximateCreationDateTime"] = json!(1_700_000_000);
    json!({
        "eventID": record.event_id(), "eventName": record.event_name().unwrap().as_str(), "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "dynamodb": images,
    })
}

#[tokio::test]
async fn what_was_written_comes_out_of_the_stream_in_every_shape() {
    let world = World::start().await;
    write(&world).await;
    let records = world.records().await;
    let lines: Vec<Value> = records.iter().map(in_json).collect();
    assert!(!format!("{lines:?}").contains("example.org"), "the stream has it sealed");
    let seal = world.seal();
    assert_eq!(told(&seal.open_changes("crm", records).await.unwrap()), expected(), "of the SDK");

    let parsed = |line: &Value| StoredChange::from_json(line.to_string().as_bytes());
    assert_eq!(told(&seal.open_changes("crm", lines.iter().map(parsed)).await.unwrap()), expected(), "in JSON");

    let event: Event = serde_json::from_value(json!({ "Records": lines })).unwrap();
    let event = seal.open_changes("crm", event.records).await.unwrap();
    assert_eq!(told(&event), expected(), "of a function");

    let exported = lines.iter().map(|line| {
        let mut line = line["dynamodb"].clone();
        line.as_object_mut().unwrap().retain(|name, _| ["Keys", "NewImage", "OldImage"].contains(&name.as_str()));
        line["Metadata"] = json!({ "WriteTimestampMicros": { "N": "1" } });
        parsed(&line)
    });
    assert_eq!(told(&seal.open_changes("crm", exported).await.unwrap()), expected(), "of an export");

    let items = lines.iter().filter(|line| line["dynamodb"]["NewImage"].is_object());
    let items = items.map(|line| parsed(&json!({ "Item": line["dynamodb"]["NewImage"] })));
    let new: Vec<_> = told(&seal.open_changes("crm", items).await.unwrap()).into_iter().map(|told| told.2).collect();
    assert_eq!(new, expected().into_iter().map(|told| told.2).filter(Option::is_some).collect::<Vec<_>>());
}

#[derive(Default)]
struct Kept {
    changes: Vec<(String, ChangeKind)>,
    dead: Vec<Option<String>>,
}

impl Consumer for Kept {
    fn changed(&mut self, change: Change) {
        self.changes.push((change.tenant().to_string(), change.kind()));
    }

    fn dead_letter(&mut self, error: ChangeError) {
        self.dead.push(error.sequence_number().map(str::to_owned));
    }
}

#[tokio::test]
async fn the_answer_names_the_record_from_which_the_stream_comes_again() {
    let world = World::start().await;
    write(&world).await;
    let lines: Vec<Value> = world.records().await.iter().map(in_json).collect();
    let event = |lines: &[Value]| serde_json::from_value::<Event>(json!({ "Records": lines })).unwrap();
    let seal = world.seal();

    // A record that never opens counts as done, and is kept.
    let mut poisoned = lines.clone();
    poisoned[1]["dynamodb"]["Keys"]["tenant_id"] = json!({ "N": "7" });
    let mut kept = Kept::default();
    let answer = handle(&seal, &mut kept, event(&poisoned)).await.unwrap();
    assert_eq!(answer.batch_item_failures, []);
    let [acme, globex] = ["acme", "globex"].map(str::to_owned);
    let done = [(acme.clone(), ChangeKind::Insert), (acme, ChangeKind::Remove), (globex, ChangeKind::Insert)];
    assert_eq!(kept.changes, done, "and a record that was only sealed again is skipped");
    let number = |line: &Value| line["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
    assert_eq!(kept.dead, [number(&lines[1])]);

    // While KMS is out of reach, nothing after the first record that needs it is handled.
    world.stack.faults().on("Decrypt").fail("KMSInternalException", 500);
    let mut kept = Kept::default();
    let answer = handle(&world.seal(), &mut kept, event(&lines)).await.unwrap();
    let from: Vec<_> = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    assert_eq!((from, kept.changes, kept.dead), (vec![number(&lines[0])], vec![], vec![]));
}
