//! One put and one get with the peer; `email` is encrypted.

#[path = "../../program.rs"]
mod program;

use std::collections::HashMap;

use aws_db_esdk::dynamodb::types::DynamoDbTableEncryptionConfig;
use aws_db_esdk::intercept::DbEsdkInterceptor;
use aws_db_esdk::material_providers::client::Client as MaterialProviders;
use aws_db_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_db_esdk::{CryptoAction, DynamoDbTablesEncryptionConfig};
use aws_sdk_dynamodb::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let keyring = MaterialProviders::from_conf(MaterialProvidersConfig::builder().build()?)?
        .create_aws_kms_mrk_multi_keyring()
        .generator("arn:aws:kms:us-east-1:111111111111:key/00000000-0000-0000-0000-000000000000")
        .send()
        .await?;
    let actions = [
        ("tenant_id", CryptoAction::SignOnly),
        ("id", CryptoAction::SignOnly),
        ("email", CryptoAction::EncryptAndSign),
    ];
    let crm = DynamoDbTableEncryptionConfig::builder()
        .logical_table_name("crm")
        .partition_key_name("tenant_id")
        .sort_key_name("id")
        .attribute_actions_on_encrypt(actions.map(|(name, action)| (name.to_owned(), action)))
        .keyring(keyring)
        .allowed_unsigned_attribute_prefix(":")
        .build()?;
    let tables = DynamoDbTablesEncryptionConfig::builder()
        .table_encryption_configs(HashMap::from([("crm".to_owned(), crm)]))
        .build()?;
    let config = aws_sdk_dynamodb::config::Builder::from(&aws).interceptor(DbEsdkInterceptor::new(tables)?).build();
    let dynamodb = Client::from_conf(config);
    program::run(dynamodb).await
}
