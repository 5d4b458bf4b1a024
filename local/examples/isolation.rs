//! Tenant A's session opens A's data key and is refused on B's.
//!
//! Run with `cargo run -p tenantseal-local --example isolation`.

use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::{config::Credentials, types::DataKeySpec};
use serde_json::json;
use tenantseal_local::Stack;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    // An AWS account, an administrator, and one role for the data of all tenants.
    let stack = Stack::start().await?;
    let account = stack.account("111111111111")?;
    let admin = account.user("admin").permission(allow("*", "*")).create()?;
    let role = account
        .role("TenantKeys")
        .trust(json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": { "AWS": account.root_arn() }, "Action": "sts:AssumeRole" } }))
        .permission(allow("kms:*", "arn:aws:kms:us-east-1:111111111111:key/*"))
        .create()?;
    let config = stack.sdk_config(&admin);
    let (kms, sts) = (aws_sdk_kms::Client::new(&config), aws_sdk_sts::Client::new(&config));

    // Each tenant has a key behind an alias.
    for tenant in ["a", "b"] {
        let key = kms.create_key().send().await?.key_metadata.ok_or("no metadata")?;
        kms.create_alias().alias_name(alias(tenant)).target_key_id(key.key_id).send().await?;
    }

    // A session for tenant A: the role, narrowed by a session policy to A's alias.
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
        "Condition": { "StringEquals": { "kms:RequestAlias": alias("a") } } } });
    let assumed = sts.assume_role().role_arn(role.arn()).role_session_name("a-1").policy(policy.to_string());
    let session = assumed.send().await?.credentials.ok_or("no credentials")?;
    let session = Credentials::new(
        session.access_key_id,
        session.secret_access_key,
        Some(session.session_token),
        None,
        "tenant a",
    );
    let tenant_a = aws_sdk_kms::Client::new(&stack.sdk_config(session));

    for tenant in ["a", "b"] {
        let request = tenant_a.generate_data_key().key_id(alias(tenant)).key_spec(DataKeySpec::Aes256);
        match request.send().await {
            Ok(data_key) => println!("tenant {tenant}: a data key under {}", data_key.key_id().unwrap_or_default()),
            Err(error) => println!("tenant {tenant}: {}", error.message().unwrap_or_default()),
        }
    }
    stack.shutdown().await;
    Ok(())
}

fn alias(tenant: &str) -> String {
    format!("alias/customer-{tenant}")
}

fn allow(action: &str, resource: &str) -> serde_json::Value {
    json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": action, "Resource": resource } })
}
