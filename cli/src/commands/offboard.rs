//! `offboard`: offboards a tenant, and writes a record for auditors.

mod record;
mod samples;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tenantseal::TenantId;
use tenantseal::schema::TenantTemplate;
use tenantseal_tenants::Operation;

use self::record::{OperatorIdentity, Record};
use self::samples::{Samples, Source, TenantSessions};
use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::{BAD, GOOD, Output, WARN, moment};
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::visible::Visible;

/// Disable a tenant's keys and schedule their deletion after 7 to 30 days.
///
/// Once a key is deleted, nothing that it sealed can be opened again, backups included. Until then `cancel-offboard`
/// keeps it. Running services use cached data keys until their leases end (15 minutes unless configured).
#[derive(Debug, Args)]
pub(crate) struct Offboard {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
    /// Days until KMS deletes the keys
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(7..=30))]
    days: u32,
    /// Write a record for auditors: FILE.md for people, FILE.json for machines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Sample sealed items of this table, and try to open them before and after, as a service would
    #[arg(long, value_name = "TABLE", requires = "report")]
    sample_table: Option<String>,
    /// Number of items to sample
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000), requires = "sample_table")]
    limit: u32,
    /// How the table's partition key contains the tenant
    #[arg(long, default_value = "{tenant}", value_name = "TEMPLATE", requires = "sample_table")]
    partition_key: String,
}

impl Offboard {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant, days, report, sample_table, limit, partition_key } = self;
        let template = TenantTemplate::parse(&partition_key)
            .map_err(|error| Failure::usage(format!("--partition-key `{partition_key}`: {error}")))?;
        let operator = aws::operator(settings).await;
        let tenants = settings.tenants(&operator, None)?;
        let before = tenants.check(&tenant, Operation::Offboard).await?;
        if output.is_dry_run() {
            let keys =
                before.iter().flat_map(|entry| &entry.generations).filter(|generation| generation.pool.is_none());
            let mut steps = vec![format!("disable every key of {tenant}, and remove its aliases on shared keys")];
            steps.extend(keys.map(|generation| format!("schedule {} for deletion in {days} days", generation.key)));
            steps.extend(
                report.map(|path| {
                    format!("write {} and {}", Record::text(&path).display(), Record::data(&path).display())
                }),
            );
            return output.print_dry_run(&steps);
        }
        if let Some(path) = &report {
            Record::check(path)?;
        }
        let what = format!(
            "This ends {tenant}: its keys are disabled, and deleted in {days} days. Without them none of its items \
             can ever be opened again."
        );
        output.confirm(&what, tenant.as_str()).await?;

        let progress = output.progress(format!("offboarding {tenant}"));
        let sessions = Sessions::new(aws::service(settings).await, tenants.tenancy().clone())?;
        let by = TenantSessions { sessions: &sessions, tenancy: tenants.tenancy(), tenant: &tenant };
        let mut samples = None;
        if let Some(table) = sample_table {
            progress.step(format!("sampling {table}"));
            // The Regions that KMS names: an entry that omits a Region hides no copy.
            let keys = tenants.show(&tenant).await?.keys;
            let regions = keys.into_iter().map(|key| key.region).chain([sessions.region().to_owned()]).collect();
            let source = Source { table, template, limit, key_table: settings.key_table.clone(), regions };
            let mut taken = Samples::take(&operator, source, &tenant).await?;
            taken.try_before(by).await?;
            samples = Some(taken);
        }
        progress.step(format!("disabling the keys of {tenant}"));
        let done = tenants.offboard(&tenant).window_days(days).await?;
        if let Some(samples) = &mut samples {
            progress.step("trying the samples again");
            samples.try_after(by).await;
        }
        let still_open = samples.as_ref().map_or(0, Samples::count_open);
        let unanswered = samples.as_ref().map_or(0, Samples::count_unanswered);
        let sampled = samples.is_some();
        let skipped = samples.as_ref().map_or(0, |samples| samples.skipped.len());
        if let Some(path) = &report {
            let keys = tenants.show(&tenant).await?.keys;
            let who = OperatorIdentity::ask(&operator).await?;
            Record {
                tenant: tenant.clone(),
                role: tenants.tenancy().role().to_string(),
                by: who,
                keys,
                done: done.clone(),
                samples,
            }
            .write(path)?;
        }
        drop(progress);

        let mut text = format!("{GOOD}✓{GOOD:#} {tenant} {}\n", done.entry.state);
        for key in &done.keys {
            let when = match key.deletion {
                Some(when) => format!("will be deleted {}", moment(when)),
                None if key.after_replicas => format!("will be deleted {days} days after its last replica"),
                None => "is deleted".to_owned(),
            };
            text.push_str(&format!("  {} in {} {when}\n", key.key, Visible(&key.region)));
        }
        if let Some(until) = done.cancellable_until {
            text.push_str(&format!("  until {} `tenantseal cancel-offboard {tenant}` keeps them\n", moment(until)));
        }
        if let Some(path) = &report {
            text.push_str(&format!(
                "  recorded in {} and {}\n",
                Record::text(path).display(),
                Record::data(path).display()
            ));
        }
        if still_open > 0 {
            text.push_str(&format!(
                "{BAD}✗{BAD:#} {still_open} sampled data keys can still be unwrapped: see the record\n"
            ));
        }
        if unanswered > 0 {
            text.push_str(&format!(
                "{BAD}✗{BAD:#} for {unanswered} sampled data keys, a Region did not say whether they can be \
                 unwrapped: see the record\n"
            ));
        }
        if skipped > 0 {
            text.push_str(&format!(
                "{WARN}-{WARN:#} {skipped} sampled data keys of compact items were not tried (--key-table): see the \
                 record\n"
            ));
        }
        let mut data = json!(done);
        if sampled {
            data["samples"] = json!({ "still_open": still_open, "unanswered": unanswered, "skipped": skipped });
        }
        output.answer(text, &data)?;
        Ok(if still_open + unanswered == 0 { Exit::Done } else { Exit::Findings })
    }
}
