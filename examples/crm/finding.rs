//! Finding contacts by what is encrypted: by e-mail address and by telephone number, however they are written.

use std::time::Instant;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use serde::{Deserialize, Serialize};
use tenantseal::{Record, TenantId};

use crate::Outcome;
use crate::cloud::Cloud;
use crate::contact::DataSet;
use crate::terminal::Terminal;

const TABLE: &str = "people";

/// Of a contact, what people are found by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people")]
struct Person {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, index = "by-email"))]
    email: String,
    #[seal(encrypt, lookup(digits, index = "by-phone"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

/// Stores one tenant's people in a table with lookups, and finds each by address and number.
pub(crate) async fn show(terminal: Terminal, cloud: &Cloud, data: &DataSet) -> Outcome<()> {
    let started = Instant::now();
    create_table(cloud).await?;
    let by_tenant = data.by_tenant();
    let (tenant, contacts) = by_tenant.first_key_value().ok_or("there are no contacts")?;
    let people = contacts.iter().map(|contact| Person {
        tenant_id: contact.tenant_id.clone(),
        contact_id: contact.contact_id.clone(),
        email: contact.email.clone(),
        phone: contact.phone.clone(),
    });
    let people: Vec<_> = people.collect();
    let records = cloud.seal_with_lookups::<Person>().await?.tenant(&TenantId::parse(tenant)?).records::<Person>();
    records.put_many(&people).await?;

    let (mut addresses, mut numbers) = (0, 0);
    for person in &people {
        let shouted = person.email.to_ascii_uppercase();
        if !records.find_by("email", &shouted).all().await?.contains(person) {
            return Err(format!("{} is not found by e-mail address", person.contact_id).into());
        }
        addresses += 1;
        if let Some(phone) = &person.phone {
            let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
            if !records.find_by("phone", &digits).all().await?.contains(person) {
                return Err(format!("{} is not found by telephone number", person.contact_id).into());
            }
            numbers += 1;
        }
    }
    let stored = cloud.plain.scan().table_name(TABLE).send().await?;
    let shown = format!("{:?}", stored.items());
    if people.iter().any(|person| shown.contains(&person.email)) {
        return Err("an address that is found stands in the table".into());
    }
    terminal
        .done(&format!("{addresses} people of tenant {tenant} found by e-mail address, {numbers} by number"), started);
    terminal.detail("records.find_by(\"email\", \"Ada@Example.org\").one(): the index has tokens, and no address");
    Ok(())
}

/// The table, with an index on the tokens of each lookup.
async fn create_table(cloud: &Cloud) -> Outcome<()> {
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let mut table = cloud.plain.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
        table = table.attribute_definitions(attribute(name)?).key_schema(key(name, kind)?);
    }
    for (index, tokens) in [("by-email", "_seal_by_email"), ("by-phone", "_seal_by_phone")] {
        let all = Projection::builder().projection_type(ProjectionType::All).build();
        let index = GlobalSecondaryIndex::builder().index_name(index).key_schema(key(tokens, KeyType::Hash)?);
        table =
            table.attribute_definitions(attribute(tokens)?).global_secondary_indexes(index.projection(all).build()?);
    }
    table.send().await?;
    Ok(())
}
