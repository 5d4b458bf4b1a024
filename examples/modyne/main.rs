//! A mapper from the registry on a tenant's client: [modyne](https://docs.rs/modyne) takes an `aws_sdk_dynamodb::Client` and does
//! not notice which.
//!
//! `crm.rs` is an application on modyne. It runs once on the SDK's client and once on a tenant's, and a client that opens nothing
//! then looks at what the table holds. Run it with `cargo run --example modyne`; nothing else is needed. It fails as soon as
//! anything is not as it should be.

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

    // As modyne is used everywhere.
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

    // And without the tenant's key.
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
