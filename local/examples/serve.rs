//! Serves a stack to other processes, such as boto3 and the AWS CLI, until Ctrl-C.
//!
//! ```text
//! $ cargo run -p tenantseal-local --example serve
//! export AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:40001
//! …
//! ```

use std::io::{self, Write};

use serde_json::json;
use tenantseal_local::Stack;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stack = Stack::start().await?;
    let account = stack.account("111111111111")?;
    let everything = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let tenant_keys = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "arn:aws:kms:*:111111111111:key/*",
        "Condition": { "StringEquals": { "kms:RequestAlias": "alias/customer-${aws:PrincipalTag/TenantId}" } } } });
    let trust = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "AWS": account.root_arn() },
        "Action": ["sts:AssumeRole", "sts:TagSession"] } });
    let admin = account.user("admin").permission(everything).create()?;
    let role = account.role("TenantKeys").trust(trust).permission(tenant_keys).create()?;

    for (name, value) in stack.environment(&admin) {
        println!("export {name}={value}");
    }
    println!("# a role for the data of the tenant in the session tag TenantId: {}", role.arn());
    io::stdout().flush()?;
    tokio::signal::ctrl_c().await?;
    stack.shutdown().await;
    Ok(())
}
