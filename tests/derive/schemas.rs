//! What a schema says of its attributes, keys and table.

use super::*;

#[test]
fn a_schema_says_what_each_field_is_in_the_order_of_declaration() {
    #[derive(Serialize, Deserialize, Record)]
    #[seal(table = "crm")]
    struct Contact {
        #[seal(partition_key, tenant)]
        tenant_id: String,
        #[seal(sort_key)]
        contact_id: String,
        company: String,
        #[seal(plain)]
        said_aloud: String,
        #[seal(encrypt)]
        email: String,
        #[seal(encrypt)]
        api_keys: HashMap<String, String>,
    }
    assert_eq!(
        Contact::SCHEMA,
        RecordSchema::new(
            Some("crm"),
            &[
                RecordField::PartitionKey { name: "tenant_id", tenant: "{tenant}" },
                RecordField::SortKey { name: "contact_id" },
                RecordField::Plain { name: "company" },
                RecordField::Plain { name: "said_aloud" },
                RecordField::Encrypted { name: "email" },
                RecordField::Encrypted { name: "api_keys" },
            ]
        )
    );
}

#[test]
fn a_template_names_the_tenants_part_of_the_key() {
    #[derive(Record)]
    #[seal(table = "pooled")]
    struct Pooled {
        #[seal(partition_key)]
        #[seal(tenant = "TENANT#{tenant}#")]
        pk: String,
    }
    assert_eq!(Pooled::SCHEMA.fields(), [RecordField::PartitionKey { name: "pk", tenant: "TENANT#{tenant}#" }]);
}

#[test]
fn keys_may_come_with_a_flattened_record() {
    #[derive(Record, Serialize)]
    struct Keys {
        #[seal(partition_key, tenant = "T#{tenant}")]
        pk: String,
        #[seal(sort_key)]
        sk: String,
    }
    #[derive(Record, Serialize)]
    #[seal(table = "orders")]
    struct Order {
        #[serde(flatten)]
        keys: Keys,
        #[seal(encrypt)]
        card: String,
    }
    writes_what_it_declares(&Order { keys: Keys { pk: "T#a".into(), sk: "1".into() }, card: "4".into() });
    assert_eq!(Order::SCHEMA.fields()[0], RecordField::Flatten(&Keys::SCHEMA));
}

#[test]
fn a_skipped_field_is_not_an_attribute() {
    #[derive(Serialize, Deserialize, Record)]
    struct Skips {
        #[serde(skip)]
        never: u8,
        #[serde(skip_serializing, default)]
        only_read: u8,
        #[serde(skip_deserializing)]
        only_written: u8,
        #[serde(skip_serializing, skip_deserializing)]
        never_either: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[seal(encrypt)]
        sometimes: Option<u8>,
    }
    assert_eq!(declared(&Skips::SCHEMA), ["only_read", "only_written", "sometimes"]);
}

#[test]
fn an_alias_is_a_name_that_may_be_stored() {
    #[derive(Serialize, Deserialize, Record)]
    struct Aliased {
        #[serde(alias = "old", alias = "older", alias = "old", alias = "now")]
        now: u8,
    }
    assert_eq!(declared(&Aliased::SCHEMA), ["now", "old", "older"]);
}

#[test]
fn a_schema_is_a_constant() {
    #[derive(Record)]
    struct One {
        a: u8,
    }
    const FIELDS: &[RecordField] = One::SCHEMA.fields();
    assert_eq!(FIELDS.len(), 1);
}
