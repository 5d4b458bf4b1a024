//! The client that the program is given.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;

pub(crate) fn client(aws: &SdkConfig) -> Result<Client, Box<dyn Error>> {
    let seal = tenantseal::TenantSeal::builder()
        .assume_role("arn:aws:iam::111111111111:role/TenantKeys")
        .table(schema()?)
        .build(aws)?;
    Ok(seal.tenant(&tenantseal::TenantId::parse("acme")?).dynamodb())
}

/// Declares each attribute of the table. The client refuses an undeclared attribute before it sends anything.
pub(crate) fn schema() -> Result<tenantseal::schema::TableSchema, Box<dyn Error>> {
    let schema = tenantseal::schema::TableSchema::builder("tickets")
        .partition_key("tenant_id", "{tenant}")
        .sort_key("ticket_id")
        .plain("queue")
        .plain("version")
        .plain("closed")
        .encrypt("customer")
        .encrypt("subject")
        .encrypt("messages")
        .encrypt("answer")
        .encrypt("closed_by");
    Ok(schema.build()?)
}
