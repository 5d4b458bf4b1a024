//! One put and one get with tenantseal; `email` is encrypted.

#[path = "../../program.rs"]
mod program;

use tenantseal::schema::TableSchema;
use tenantseal::{TenantId, TenantSeal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let crm =
        TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("id").encrypt("email").build()?;
    let role = "arn:aws:iam::111111111111:role/TenantKeys";
    let seal = TenantSeal::builder().assume_role(role).table(crm).build(&aws)?;
    let dynamodb = seal.tenant(&TenantId::parse("acme")?).dynamodb();
    program::run(dynamodb).await
}
