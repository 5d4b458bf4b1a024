//! `init`: creates the registry's table, and the key table and the ledger if there are any.

use serde_json::json;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal_tenants::DynamoDbRegistry;

use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::{BAD, Output};
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, output: &Output) -> Result<Exit> {
    let table = settings.registry();
    let others = [("key_table", "key table", &settings.key_table), ("ledger", "ledger", &settings.ledger)];
    let others = others.into_iter().filter_map(|(name, what, table)| Some((name, what, table.as_deref()?)));
    if output.is_dry_run() {
        let steps = std::iter::once(table).chain(others.map(|(.., table)| table)).flat_map(|table| {
            [
                format!("create the table {table}, paid per request and protected from deletion"),
                "switch its point-in-time recovery on".to_owned(),
            ]
        });
        return output.print_dry_run(&steps.collect::<Vec<_>>());
    }
    let operator = aws::operator(settings).await;
    aws::region(&operator)?;
    let progress = output.progress(format!("creating the table {table}"));
    let registry = DynamoDbRegistry::new(&operator, table);
    registry.create_table().await?;
    // The tables are usable without recovery, and not every DynamoDB has it: DynamoDB Local does not.
    let recovery = registry.enable_recovery().await.map_err(Failure::from);
    let mut text = format!("the registry is table {table}\n");
    let mut data = json!({ "registry": table, "point_in_time_recovery": recovery.is_ok() });
    let mut missing: Vec<_> = recovery.err().map(|error| (table, error)).into_iter().collect();
    for (name, what, table) in others {
        progress.step(format!("creating the table {table}"));
        let entries = DynamoDbKeyTable::new(&operator, table);
        entries.create_table().await?;
        let recovery = entries.enable_recovery().await.map_err(Failure::from);
        text.push_str(&format!("the {what} is {table}\n"));
        data[name] = json!({ "table": table, "point_in_time_recovery": recovery.is_ok() });
        missing.extend(recovery.err().map(|error| (table, error)));
    }
    drop(progress);
    let next: Vec<_> = missing.iter().map(|(table, _)| switch_on(table)).collect();
    for ((table, error), command) in missing.iter().zip(&next) {
        let told = error.message();
        output.say(format_args!("{BAD}✗{BAD:#} point-in-time recovery of {table} is off: {told}\n  next: {command}"));
    }
    let done = next.is_empty();
    data["next"] = next.into();
    output.answer(text, &data)?;
    Ok(if done { Exit::Done } else { Exit::Findings })
}

/// The AWS CLI command that enables point-in-time recovery.
fn switch_on(table: &str) -> String {
    let on = "PointInTimeRecoveryEnabled=true";
    format!("aws dynamodb update-continuous-backups --table-name {table} --point-in-time-recovery-specification {on}")
}
