//! `init`: the registry's table.

use serde_json::json;
use tenantseal::tenants::DynamoDbRegistry;

use crate::aws;
use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, output: &Output) -> Result<Exit> {
    let table = settings.registry();
    if output.is_dry_run() {
        return output.would(&[
            format!("create the table {table}, paid per request and protected from deletion"),
            "switch its point-in-time recovery on".to_owned(),
        ]);
    }
    let operator = aws::operator(settings).await;
    aws::region(&operator)?;
    let progress = output.progress(format!("creating the table {table}"));
    let registry = DynamoDbRegistry::new(&operator, table);
    registry.create_table().await?;
    // The table is there and usable without it, and not every DynamoDB has it: the local one has not.
    let recovery = registry.enable_recovery().await;
    drop(progress);
    if let Err(error) = &recovery {
        output.say(format_args!("point-in-time recovery is off: {error}"));
    }
    let text = format!("the registry is the table {table}");
    output.answer(text, &json!({ "registry": table, "point_in_time_recovery": recovery.is_ok() }))?;
    Ok(Exit::Done)
}
