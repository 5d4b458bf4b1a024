//! A mapper from crates.io on a tenant's client: [modyne](https://docs.rs/modyne) takes any `aws_sdk_dynamodb::Client`.
//!
//! `crm.rs` is an application on modyne. It runs once on the SDK's client and once on a tenant's. A plain client then
//! reads the table. Run it with `cargo run --example modyne`; it needs nothing else. It fails at the first wrong
//! result.

mod crm;
#[path = "../shared/local_aws.rs"]
mod local_aws;
#[path = "../shared/stored.rs"]
mod stored;

use std::error::Error;

use aws_sdk_dynamodb::Client;
use crm::{Contact, Crm, Note};
use local_aws::LocalAws;
use modyne::TestTableExt;
use stored::{compare, shown, stored};
use tenantseal::{TenantId, TenantSeal};

const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let aws = LocalAws::start(ROLE, "acme").await?;
    let schemas = crm::schemas()?;

    // modyne as usual.
    let plain = Crm(Client::new(&aws.config));
    let expected = crm::run(&plain).await?;
    let before = stored(&plain.0, &schemas).await?;
    plain.delete_table().send().await?;
    if aws.key_calls() != 0 {
        return Err("the plain client asked for a key".into());
    }

    // The same on a tenant's client.
    let seal = TenantSeal::builder()
        .assume_role(ROLE)
        .record::<crm::Stored<Contact>>()
        .record::<crm::Stored<Note>>()
        .build(&aws.config)?;
    let acme = seal.tenant(&TenantId::parse("acme")?);
    let seen = crm::run(&Crm(acme.dynamodb())).await?;
    if seen != expected {
        return Err(format!("on the plain client:\n{expected}\non the tenant's:\n{seen}").into());
    }
    println!("What the application sees through modyne, on either client:\n");
    for line in seen.lines() {
        println!("  {line}");
    }

    // Without the tenant's key.
    let after = stored(&plain.0, &schemas).await?;
    let sealed = compare(&schemas, &before, &after)?;
    let (key, item) = after.first_key_value().ok_or("nothing is stored")?;
    println!("\nWhat DynamoDB stores, of {}:\n", key.join(" / "));
    let mut attributes: Vec<_> = item.iter().collect();
    attributes.sort_by_key(|(name, _)| *name);
    for (name, value) in attributes {
        println!("  {name:<12} {}", shown(value));
    }
    println!("\n{} items, {sealed} sealed attributes, {} calls for keys.", after.len(), aws.key_calls());
    aws.stack.shutdown().await;
    Ok(())
}
