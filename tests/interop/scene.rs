//! Tables, and values of every type.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::{Value, json};
use tenantseal::schema::TableSchema;
use tenantseal::{Item, Tenant, TenantSealBuilder};

use crate::common::key_table::KEY_TABLE;
use crate::common::{World, id, s};
use crate::interop::python::Job;

/// The encrypted attributes, one of each type and another string.
pub(crate) const ENCRYPTED: [&str; 11] =
    ["text", "note", "number", "binary", "flag", "nothing", "map", "list", "texts", "numbers", "binaries"];

/// A table, its schema, and how the library and the reader are configured for it.
pub(crate) struct Table {
    pub schema: TableSchema,
    pub template: &'static str,
    pub physical: &'static str,
    /// The static pairs of the context: the current ones, then former ones.
    pub contexts: Vec<Vec<(&'static str, &'static str)>>,
    /// Whether the data keys are shared, and items refer to them.
    pub shared: Shared,
}

/// What a key table is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    Not,
    WithRecords,
    Compactly,
}

impl Table {
    /// A table with a sort key of this type, or without one.
    pub(crate) async fn create(
        world: &World,
        name: &'static str,
        template: &'static str,
        sort_key: Option<ScalarAttributeType>,
    ) -> Self {
        let mut schema = TableSchema::builder(name).partition_key("tenant_id", template).plain("company");
        if sort_key.is_some() {
            schema = schema.sort_key("contact_id");
        }
        let schema = ENCRYPTED.into_iter().fold(schema, |schema, name| schema.encrypt(name)).build().unwrap();
        match sort_key {
            Some(kind) => world.create_table_with(name, kind).await,
            None => create_without_sort_key(world, name).await,
        }
        Self { schema, template, physical: name, contexts: vec![vec![]], shared: Shared::Not }
    }

    /// A sealing library that holds no data key yet: it makes another one, or asks for each.
    pub(crate) fn tenant(&self, world: &World, tenant: &str) -> Tenant {
        let Self { schema, template: _, physical, contexts, shared } = self;
        let builder: TenantSealBuilder = match shared {
            Shared::Not => world.builder(),
            Shared::WithRecords => world.sharing(),
            Shared::Compactly => world.sharing().compact(schema.name()),
        };
        let builder = builder.table(schema.clone());
        let builder = match *physical == schema.name() {
            true => builder,
            false => builder.table_name(schema.name(), *physical),
        };
        let (current, former) = contexts.split_first().unwrap();
        let builder = current.iter().fold(builder, |builder, (name, value)| builder.context(*name, *value));
        let builder = former.iter().fold(builder, |builder, pairs| builder.former_context(pairs.iter().copied()));
        builder.build(&world.app).unwrap().tenant(&id(tenant))
    }

    /// The reader's job: the tenant's partition, as the tenant.
    pub(crate) fn job<'a>(&'a self, tenant: &'a str, partition: &'a str) -> Job<'a> {
        let context = |pairs: &Vec<(&str, &str)>| {
            let pairs = pairs.iter().copied().chain([("tenant", tenant)]);
            Value::Object(pairs.map(|(name, value)| (name.to_owned(), value.into())).collect())
        };
        let encrypted = self.schema.attributes().filter(|(_, protection)| protection.is_encrypted());
        let schema = json!({
            "table": self.schema.name(), "partition_key": self.schema.partition_key(), "template": self.template,
            "sort_key": self.schema.sort_key(), "encrypted": encrypted.map(|(name, _)| name).collect::<Vec<_>>(),
        });
        let contexts = self.contexts.iter().map(context).collect();
        let key_table = (self.shared != Shared::Not).then_some(KEY_TABLE);
        Job { table: self.physical, schema, partition, tenant, session: tenant, contexts, key_table }
    }

    /// What the application sees in a partition.
    pub(crate) async fn seen(&self, tenant: &Tenant, partition: &str) -> Vec<Item> {
        query(&tenant.dynamodb(), self.physical, partition).await
    }

    /// What DynamoDB stores in a partition.
    pub(crate) async fn stored(&self, world: &World, partition: &str) -> Vec<Item> {
        query(&world.plain, self.physical, partition).await
    }

    pub(crate) async fn put(&self, client: &aws_sdk_dynamodb::Client, item: Item) {
        client.put_item().table_name(self.physical).set_item(Some(item)).send().await.unwrap();
    }
}

async fn query(client: &aws_sdk_dynamodb::Client, table: &str, partition: &str) -> Vec<Item> {
    let query = client.query().table_name(table).consistent_read(true).key_condition_expression("tenant_id = :t");
    query.expression_attribute_values(":t", s(partition)).send().await.unwrap().items.unwrap()
}

async fn create_without_sort_key(world: &World, name: &str) {
    let attribute = AttributeDefinition::builder().attribute_name("tenant_id").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("tenant_id").key_type(KeyType::Hash);
    let create = world.plain.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    create.send().await.unwrap();
}

pub(crate) fn n(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

pub(crate) fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(crate) fn map<const N: usize>(fields: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn texts(members: &[&str]) -> AttributeValue {
    AttributeValue::Ss(members.iter().map(|&member| member.to_owned()).collect())
}

fn numbers(members: &[&str]) -> AttributeValue {
    AttributeValue::Ns(members.iter().map(|&member| member.to_owned()).collect())
}

fn binaries(members: &[&[u8]]) -> AttributeValue {
    AttributeValue::Bs(members.iter().map(|member| Blob::new(*member)).collect())
}

/// An item of this key without anything else.
pub(crate) fn bare(partition: &str, sort_key: impl Into<Option<AttributeValue>>) -> Item {
    let sort_key = sort_key.into().map(|value| ("contact_id".to_owned(), value));
    [("tenant_id".to_owned(), s(partition))].into_iter().chain(sort_key).collect()
}

/// One of each type.
pub(crate) fn full(partition: &str, sort_key: impl Into<Option<AttributeValue>>) -> Item {
    with(
        bare(partition, sort_key),
        [
            ("company", s("Example Ltd")),
            ("text", s("grüße \u{1f511}")),
            ("note", s("another text")),
            ("number", n("-1234.5600")),
            ("binary", b(&[0, 1, 254, 255])),
            ("flag", AttributeValue::Bool(true)),
            ("nothing", AttributeValue::Null(true)),
            // UTF-16 would sort the last two the other way round.
            (
                "map",
                map([
                    ("b", n("1")),
                    ("a", s("x")),
                    ("a b", s("")),
                    ("_seal", s("free")),
                    ("\u{ffff}", b(b"")),
                    ("\u{10000}", n("0")),
                ]),
            ),
            ("list", AttributeValue::L(vec![s("b"), n("2"), s("a"), AttributeValue::Bool(false), map([])])),
            ("texts", texts(&["b", "a", "ab", "é", "\u{ffff}", "\u{10000}"])),
            ("numbers", numbers(&["10", "9", "-1", "0", "0.5", "1e2"])),
            ("binaries", binaries(&[b"b", b"a", b"ab", b"\xff"])),
        ],
    )
}

/// What is empty, and may be.
pub(crate) fn empty(partition: &str, sort_key: impl Into<Option<AttributeValue>>) -> Item {
    with(
        bare(partition, sort_key),
        [
            ("company", s("Example Ltd")),
            ("text", s("")),
            ("number", n("0")),
            ("binary", b(b"")),
            ("flag", AttributeValue::Bool(false)),
            ("map", map([])),
            ("list", AttributeValue::L(vec![])),
            ("texts", texts(&[""])),
            ("numbers", numbers(&["-0.00"])),
            ("binaries", binaries(&[b"", b"\0"])),
        ],
    )
}

/// Numbers in every notation and at every limit, and lists and maps as deep as they go.
pub(crate) fn extreme(partition: &str, sort_key: impl Into<Option<AttributeValue>>) -> Item {
    let most = "9".repeat(38);
    let written = [
        "1",
        "1.0",
        "10e-1",
        "+1",
        "001",
        "1.",
        ".5",
        "-.5E1",
        "-0",
        "0e9",
        "150",
        "-0.05",
        "1E125",
        "-1e125",
        "1e-130",
        "-1e-130",
        "9.9999999999999999999999999999999999999E+125",
        "12345678901234567890.123456789012345678",
        &most,
    ];
    let deep = |inner| {
        (1..31).fold(inner, |value, at| match at % 2 {
            0 => AttributeValue::L(vec![value, s("after")]),
            _ => map([("in", value), ("j", s("after"))]),
        })
    };
    with(
        bare(partition, sort_key),
        [
            ("number", n(&format!("-{most}"))),
            ("list", AttributeValue::L(written.into_iter().map(n).collect())),
            ("map", deep(map([("texts", texts(&["x"])), ("empty", s(""))]))),
            ("note", s("\0 \u{7f} \u{e9} e\u{301} \u{feff}")),
        ],
    )
}

pub(crate) fn with<const N: usize>(mut item: Item, attributes: [(&str, AttributeValue); N]) -> Item {
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item
}
