//! A page of 100 items that a lookup finds beside one of the same items by a plain attribute: each has an index.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_types::SdkConfig;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::schema::{Form, Lookup, TableSchema};
use tenantseal::{TenantId, TenantSeal};

use crate::{ITEMS, LENGTH, SECRETS};

const TABLE: &str = "people";
const COMPANY: &str = "Analytical Engines";
const EMAIL: &str = "ada.lovelace@example.org";
/// The indexes and their keys.
const INDEXES: [(&str, &str); 2] = [("by-company", "company"), ("by-email", "_seal_by_email")];

/// Asks for the page in one of two ways, with one tenant's client.
pub(crate) struct Finder {
    pub(crate) name: &'static str,
    client: Client,
    index: &'static str,
    condition: &'static str,
    value: &'static str,
}

impl Finder {
    /// Both, with the items in the table.
    pub(crate) async fn both(aws: &SdkConfig) -> [Self; 2] {
        create_table(&Client::new(aws)).await;
        let schema = TableSchema::builder(TABLE).partition_key("pk", "{tenant}").sort_key("sk").plain("company");
        let schema = SECRETS.into_iter().fold(schema, |schema, secret| schema.encrypt(secret)).encrypt("email");
        let schema = schema.lookup(Lookup::on("email", Form::EMAIL).index("by-email")).build().unwrap();
        let builder = TenantSeal::builder().key_service(InMemoryKeyService::new()).key_table(InMemoryKeyTable::new());
        let seal = builder.table(schema).build(aws).unwrap();
        let client = seal.tenant(&TenantId::parse("sealed").unwrap()).dynamodb();
        for at in 0..ITEMS {
            let keys = [("pk", "sealed".to_owned()), ("sk", format!("item-{at:04}"))];
            let found = [("company", COMPANY.to_owned()), ("email", EMAIL.to_owned())];
            let secrets = SECRETS.map(|secret| (secret, "x".repeat(LENGTH)));
            let all = keys.into_iter().chain(found).chain(secrets);
            let item = all.map(|(name, text)| (name.to_owned(), AttributeValue::S(text))).collect();
            client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
        }
        let plain = Self {
            name: "plain",
            client: client.clone(),
            index: "by-company",
            condition: "company = :v",
            value: COMPANY,
        };
        [plain, Self { name: "lookup", client, index: "by-email", condition: "email = :v", value: EMAIL }]
    }

    pub(crate) async fn find(&self) {
        let query = self.client.query().table_name(TABLE).index_name(self.index);
        let query = query.key_condition_expression(self.condition);
        let page = query.expression_attribute_values(":v", AttributeValue::S(self.value.to_owned())).send().await;
        assert_eq!(page.unwrap().items().len(), ITEMS);
    }
}

async fn create_table(plain: &Client) {
    let mut table = plain.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for name in ["pk", "sk"].into_iter().chain(INDEXES.map(|(_, key)| key)) {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        table = table.attribute_definitions(attribute.build().unwrap());
    }
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    for (index, name) in INDEXES {
        let all = Projection::builder().projection_type(ProjectionType::All).build();
        let index = GlobalSecondaryIndex::builder().index_name(index).projection(all);
        table = table.global_secondary_indexes(index.key_schema(key(name, KeyType::Hash)).build().unwrap());
    }
    table.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).send().await.unwrap();
}
