//! The tables of the suite: for a server, and for the library.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType,
};
use tenantseal::schema::TableSchema;

/// Whose client is compared.
pub const TENANT: &str = "acme";

/// Many kinds of items, with indexes; the partition key begins with the tenant.
pub const NOTES: &str = "notes";
/// The partition key is the tenant.
pub const CRM: &str = "crm";
/// No sort key.
pub const FLAT: &str = "flat";
/// The sort key is a number.
pub const NUMBERED: &str = "numbered";
/// The sort key is binary.
pub const BINARY: &str = "binary";

/// The tables that cases share.
pub const SHARED: [&str; 5] = [NOTES, CRM, FLAT, NUMBERED, BINARY];

const PLAIN: [&str; 21] = [
    "title",
    "grade",
    "city",
    "status",
    "owner",
    "due",
    "count",
    "price",
    "payload",
    "notes",
    "seal0",
    "doc",
    "list",
    "tags",
    "scores",
    "blobs",
    "flag",
    "ttl",
    "type",
    "with-dash",
    "size",
];
const ENCRYPTED: [&str; 9] = ["email", "secret", "memo", "profile", "phones", "keys", "amount", "name", "e-mail"];

/// What the library is told of a table.
pub fn schema(logical: &str) -> TableSchema {
    let partition = if logical == CRM { "{tenant}" } else { "T#{tenant}#" };
    let mut schema = TableSchema::builder(logical).partition_key("pk", partition);
    if logical != FLAT {
        schema = schema.sort_key("sk");
    }
    for name in PLAIN {
        schema = schema.plain(name);
    }
    for name in ENCRYPTED {
        schema = schema.encrypt(name);
    }
    schema.build().unwrap()
}

/// Creates the table.
pub async fn create(db: &Client, physical: &str, logical: &str) {
    let sort = match logical {
        NUMBERED => ScalarAttributeType::N,
        BINARY => ScalarAttributeType::B,
        _ => ScalarAttributeType::S,
    };
    let mut request = db
        .create_table()
        .table_name(physical)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .key_schema(key("pk", KeyType::Hash));
    if logical != FLAT {
        request = request.attribute_definitions(attribute("sk", sort)).key_schema(key("sk", KeyType::Range));
    }
    if ![CRM, FLAT, NUMBERED, BINARY].contains(&logical) {
        for name in ["city", "status", "owner", "due"] {
            request = request.attribute_definitions(attribute(name, ScalarAttributeType::S));
        }
        request = request
            .attribute_definitions(attribute("grade", ScalarAttributeType::N))
            .local_secondary_indexes(local("by_grade", "grade", projection(ProjectionType::All, &[])))
            .local_secondary_indexes(local("by_due", "due", projection(ProjectionType::KeysOnly, &[])))
            .global_secondary_indexes(global("by_city", ["city", "sk"], projection(ProjectionType::All, &[])))
            .global_secondary_indexes(global(
                "by_status",
                ["status", "grade"],
                projection(ProjectionType::KeysOnly, &[]),
            ))
            .global_secondary_indexes(global(
                "by_owner",
                ["owner", "sk"],
                projection(ProjectionType::Include, &["email", "title", "_seal"]),
            ))
            .global_secondary_indexes(global(
                "by_owner_unsealed",
                ["owner", "due"],
                projection(ProjectionType::Include, &["email", "title"]),
            ))
            // The other way round: the tenant is in the sort key of the index.
            .global_secondary_indexes(global("by_sk", ["sk", "pk"], projection(ProjectionType::All, &[])));
    }
    request.send().await.unwrap();
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn projection(kind: ProjectionType, names: &[&str]) -> Projection {
    let names = (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect());
    Projection::builder().projection_type(kind).set_non_key_attributes(names).build()
}

fn local(name: &str, sort: &str, projection: Projection) -> LocalSecondaryIndex {
    let keys = [key("pk", KeyType::Hash), key(sort, KeyType::Range)].to_vec();
    LocalSecondaryIndex::builder().index_name(name).set_key_schema(Some(keys)).projection(projection).build().unwrap()
}

fn global(name: &str, [partition, sort]: [&str; 2], projection: Projection) -> GlobalSecondaryIndex {
    let keys = [key(partition, KeyType::Hash), key(sort, KeyType::Range)].to_vec();
    GlobalSecondaryIndex::builder().index_name(name).set_key_schema(Some(keys)).projection(projection).build().unwrap()
}
