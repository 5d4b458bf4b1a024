//! `schema check`: keys, indexes and recovery of a table, and what a sample of its items is stored as.

use clap::Args;
use serde_json::json;
use tenantseal::error::TableFaultKind;
use tenantseal::schema::TableSchema;

use super::findings::{Finding, findings};
use super::sample::Sample;
use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::locked::LockedTable;
use crate::output::{BAD, BOLD, DIM, GOOD, Output, count};
use crate::settings::Settings;
use crate::visible::Visible;

/// Check a table, and a sample of its items, against the lock file.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    table: LockedTable,
    /// How many items to read at most; 0 reads none
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    sample: u32,
}

impl Check {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let locked = self.table.read()?;
        let config = aws::operator(settings).await;
        aws::region(&config)?;
        let client = aws_sdk_dynamodb::Client::new(&config);
        let progress = output.progress(format!("checking {}", locked.physical));
        let mut found = faults(&client, &locked.physical, &locked.schema).await?;
        let recovery = recovery(&client, &locked.physical).await;
        found.extend(recovery.as_ref().ok().filter(|is_on| !**is_on).map(|_| Finding::recovery(&locked.physical)));
        let sample = Sample::take(&client, &locked, self.sample, &progress).await?;
        drop(progress);
        found.extend(findings(&sample));
        let mut unchecked: Vec<_> =
            locked.left_out.iter().map(|lookup| format!("lookup {lookup}: its form is in your code")).collect();
        unchecked.extend(recovery.err().map(|why| format!("point-in-time recovery: {why}")));
        unchecked.extend(sample.unchecked());
        let data = json!({
            "table": locked.schema.name(), "physical": locked.physical, "findings": found, "sample": sample,
            "not_checked": unchecked,
        });
        let title = format!("{BOLD}{}{BOLD:#}\n", Visible(&locked.physical));
        output.answer(format!("{title}{}{}", sample.describe(), summary(&found, &unchecked)), &data)?;
        Ok(if found.is_empty() { Exit::Done } else { Exit::Findings })
    }
}

/// What is wrong with the table itself. A question that DynamoDB did not answer is no finding.
async fn faults(client: &aws_sdk_dynamodb::Client, physical: &str, schema: &TableSchema) -> Result<Vec<Finding>> {
    let Err(error) = schema.check_table(client, physical).await else { return Ok(Vec::new()) };
    let finding = |fault: &tenantseal::error::TableFault| match fault.kind() {
        TableFaultKind::NotFound => {
            Err(Failure::new(Exit::NotFound, format!("there is no table `{physical}` in this account and Region"))
                .help("check --physical, --profile and --region"))
        }
        TableFaultKind::Unanswered { action, said, is_retryable } => {
            let exit = if *is_retryable { Exit::Unreachable } else { Exit::Aws };
            Err(Failure::new(exit, said.clone())
                .help(format!("allow `{action}`, and check credentials, --region and --endpoint-url")))
        }
        kind => Ok(Finding::of_table(kind)),
    };
    error.faults().iter().map(finding).collect()
}

/// Whether point-in-time recovery is on, or why nobody said.
async fn recovery(client: &aws_sdk_dynamodb::Client, physical: &str) -> Result<bool, String> {
    let answer = client.describe_continuous_backups().table_name(physical).send().await;
    let said = |failure: Failure| failure.message().trim_end_matches([':', ' ']).to_owned();
    let answer = answer.map_err(|error| said(Failure::aws("DescribeContinuousBackups", &error)))?;
    let described = answer.continuous_backups_description;
    let recovery = described.and_then(|backups| backups.point_in_time_recovery_description);
    let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
    Ok(status == Some(aws_sdk_dynamodb::types::PointInTimeRecoveryStatus::Enabled))
}

fn summary(found: &[Finding], unchecked: &[String]) -> String {
    let mut text = String::new();
    for Finding { wrong, fix, .. } in found {
        text += &format!("{BAD}✗{BAD:#} {}\n    fix: {}\n", Visible(wrong), Visible(fix));
    }
    for what in unchecked {
        text += &format!("{DIM}- not checked: {}{DIM:#}\n", Visible(what));
    }
    text + &match found.len() {
        0 if unchecked.is_empty() => format!("{GOOD}✓{GOOD:#} the table is as the lock file says\n"),
        0 => format!("{GOOD}✓{GOOD:#} what was checked is as the lock file says\n"),
        1 => "1 finding\n".to_owned(),
        many => format!("{} findings\n", count(many as f64)),
    }
}
