//! A lookup that comes later: a table is filled before `email` has one, then swept until a pass changes nothing.
//!
//! Run it with `cargo run --example reindex -- --items 500 --write-units 400 --checkpoint sweep.json`. It needs nothing
//! else: the table is on a local stack. A sweep needs the records of the application, so a command such as this one is
//! a part of the application.

#[path = "shared/local_aws.rs"]
mod local_aws;

use std::error::Error;
use std::path::PathBuf;

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use clap::Parser;
use futures_util::future::try_join_all;
use local_aws::LocalAws;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::schema::{Form, Lookup, TableSchema, TableSchemaBuilder};
use tenantseal::sweep::{ReindexReport, SweepError};
use tenantseal::{Item, TenantId, TenantSeal};

const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
const TABLE: &str = "crm";

/// Fills a table, and gives its items the tokens of a lookup that came later.
#[derive(Parser)]
struct Options {
    /// Items to put before the lookup is declared
    #[arg(long, default_value_t = 200)]
    items: usize,
    /// Segments that are read at the same time
    #[arg(long, default_value_t = 4)]
    segments: u32,
    /// Write capacity units a second
    #[arg(long, default_value_t = 1_000)]
    write_units: u32,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep the report in this file after each page, and go on from it
    #[arg(long)]
    checkpoint: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let aws = LocalAws::start(ROLE, "acme").await?;
    create_tables(&aws).await?;
    fill(&seal(&aws, attributes().build()?)?, options.items).await?;

    // What every process declares by now: its writes store tokens, and nobody asks yet.
    let building = seal(&aws, attributes().lookup(Lookup::on("email", Form::EMAIL).building()).build()?)?;
    for pass in 1.. {
        let report = sweep(&building, &options).await?;
        println!("pass {pass}: {report}");
        if options.dry_run || report.changed_nothing() {
            break;
        }
        // Somebody has to see to these.
        if report.skipped().any(|(reason, _)| !reason.is_retryable()) {
            return Err("some items cannot be swept".into());
        }
    }
    println!("{} calls of KMS and STS", aws.key_calls());
    aws.stack.shutdown().await;
    Ok(())
}

async fn sweep(seal: &TenantSeal, options: &Options) -> Result<ReindexReport, Box<dyn Error>> {
    let mut sweep = seal.reindex(TABLE).segments(options.segments).write_units(options.write_units);
    if options.dry_run {
        sweep = sweep.dry_run();
    }
    let Some(file) = &options.checkpoint else { return Ok(sweep.run().await?) };
    if let Ok(kept) = std::fs::read(file) {
        sweep = sweep.resume(serde_json::from_slice(&kept)?);
    }
    let save = |report: &ReindexReport| {
        if let Err(error) = serde_json::to_vec(report).map_err(Into::into).and_then(|json| std::fs::write(file, json)) {
            eprintln!("the checkpoint was not kept: {error}");
        }
    };
    match sweep.progress(save).run().await {
        Ok(report) => {
            std::fs::remove_file(file)?;
            Ok(report)
        }
        Err(error @ SweepError::Stopped { .. }) => Err(format!("{error}: run it again").into()),
        Err(error) => Err(error.into()),
    }
}

fn attributes() -> TableSchemaBuilder {
    TableSchema::builder(TABLE).partition_key("tenant_id", "{tenant}").sort_key("contact_id").encrypt("email")
}

fn seal(aws: &LocalAws, schema: TableSchema) -> Result<TenantSeal, Box<dyn Error>> {
    let keys = DynamoDbKeyTable::new(&aws.config, "tenantseal-keys").danger_without_recovery(); // in memory: no backups
    Ok(TenantSeal::builder().assume_role(ROLE).table(schema).key_table(keys).build(&aws.config)?)
}

async fn fill(seal: &TenantSeal, items: usize) -> Result<(), Box<dyn Error>> {
    let db = seal.tenant(&TenantId::parse("acme")?).dynamodb();
    let put = |number: usize| {
        let contact = [
            ("tenant_id", "acme".to_owned()),
            ("contact_id", format!("c-{number}")),
            ("email", format!("{number}@example.org")),
        ];
        let item: Item =
            contact.map(|(name, value)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value))).into();
        db.put_item().table_name(TABLE).set_item(Some(item)).send()
    };
    try_join_all((0..items).map(put)).await?;
    Ok(())
}

async fn create_tables(aws: &LocalAws) -> Result<(), Box<dyn Error>> {
    DynamoDbKeyTable::new(&aws.config, "tenantseal-keys").danger_without_recovery().create_table().await?;
    let mut table = aws_sdk_dynamodb::Client::new(&aws.config).create_table().table_name(TABLE);
    for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build()?).key_schema(key.build()?);
    }
    table.billing_mode(BillingMode::PayPerRequest).send().await?;
    Ok(())
}
