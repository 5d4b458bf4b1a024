//! The record of an offboarding, for auditors: Markdown for people, JSON for machines.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use serde::Serialize;
use tenantseal::TenantId;
use tenantseal_tenants::{KekDetails, Offboarded};

use super::samples::Samples;
use crate::errors::{Failure, Result};
use crate::output::date;
use crate::visible::{Visible, harmless_json};

/// The operator's credentials, as STS names them.
#[derive(Debug, Serialize)]
pub(super) struct OperatorIdentity {
    arn: String,
    account: String,
}

impl OperatorIdentity {
    pub(super) async fn ask(config: &SdkConfig) -> Result<Self> {
        let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
        let answer = answer.map_err(|error| Failure::aws("GetCallerIdentity", &error))?;
        Ok(Self { arn: answer.arn.unwrap_or_default(), account: answer.account.unwrap_or_default() })
    }
}

/// The record.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    pub(super) tenant: TenantId,
    /// The role whose sessions tested the samples.
    pub(super) role: String,
    pub(super) by: OperatorIdentity,
    /// The keys afterwards, as KMS describes them.
    pub(super) keys: Vec<KekDetails>,
    pub(super) done: Offboarded,
    pub(super) samples: Option<Samples>,
}

impl Record {
    /// The Markdown file.
    pub(super) fn text(path: &Path) -> PathBuf {
        path.with_extension("md")
    }

    /// The JSON file.
    pub(super) fn data(path: &Path) -> PathBuf {
        path.with_extension("json")
    }

    /// Refuses a path where the record could not be written afterwards.
    pub(super) fn check(path: &Path) -> Result<()> {
        let unfit = |path: &Path, what: &str| {
            Failure::usage(format!("{}: {what}", path.display())).help("choose another --report")
        };
        for path in [Self::text(path), Self::data(path)] {
            if path.exists() {
                return Err(unfit(&path, "there is a record already"));
            }
        }
        match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() || folder.is_dir() => Ok(()),
            _ => Err(unfit(path, "there is no such folder")),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let at = date(std::time::SystemTime::now());
        let mut data = serde_json::to_value(self).map_err(|error| Failure::usage(error.to_string()))?;
        data["at"] = at.as_str().into();
        data["tool"] = concat!("tenantseal ", env!("CARGO_PKG_VERSION")).into();
        for (path, text) in
            [(Self::text(path), self.markdown(&at)), (Self::data(path), harmless_json(&format!("{data:#}\n")))]
        {
            std::fs::write(&path, text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }

    fn markdown(&self, at: &str) -> String {
        let Self { tenant, role, by, keys, done, samples } = self;
        let mut text = format!(
            "# Offboarding of tenant `{tenant}`\n\n| | |\n|---|---|\n| recorded | {at} |\n| by | `{}` |\n| account | \
             {} |\n\
             | state | {} |\n| can be cancelled until | {} |\n\n## Keys\n\n\
             | generation | key | Region | state | deletion |\n|---|---|---|---|---|\n",
            cell(&by.arn),
            cell(&by.account),
            done.entry.state,
            done.cancellable_until.map_or_else(|| "no longer".to_owned(), |until| until.to_string()),
        );
        // Writing to a String does not fail.
        for key in keys {
            let state = key.state.as_deref().unwrap_or("deleted");
            let waits = state == "PendingReplicaDeletion";
            let without_date = || if waits { "after the last replica's".to_owned() } else { String::new() };
            let deletion = key.deletion.map_or_else(without_date, |when| when.to_string());
            let (region, state) = (cell(&key.region), cell(state));
            let _ = writeln!(text, "| {} | `{}` | {region} | {state} | {deletion} |", key.generation, key.key);
        }
        for key in &done.shared {
            let _ = writeln!(
                text,
                "\n`{key}` is shared with other tenants and stays; all of this tenant's aliases on it, its own and \
                 that of the key, were removed."
            );
        }
        text.push_str("\n## Samples\n\n");
        match samples {
            None => text.push_str("None were taken (`--sample-table`).\n"),
            Some(samples) => write_samples(samples, role, &mut text),
        }
        text.push_str(
            "\n## What this record does not say\n\nServices that had a data key in memory can use it until its lease \
             ends (`data_key_revalidation`, 15 minutes unless configured). Plain attributes and copies that \
             applications made elsewhere do not depend on keys.\n",
        );
        text
    }
}

/// Untrusted text, escaped for a table's cell and between backquotes.
fn cell(text: &str) -> String {
    Visible(text).to_string().replace('|', "\\|").replace('`', "'")
}

fn write_samples(samples: &Samples, role: &str, text: &mut String) {
    let Samples { table, regions, items, data_keys, skipped } = samples;
    let refused = data_keys.values().filter(|wrapped| wrapped.is_refused()).count();
    let regions = regions.iter().map(|region| cell(region)).collect::<Vec<_>>().join(", ");
    let _ = write!(
        text,
        "Sealed items sampled from table `{table}`: {}. Data keys that they need: {}; refused everywhere now: \
         {refused}. Before and after, sessions of `{role}` for this tenant asked KMS to unwrap each of them, in \
         {regions} and in the Region that wrapped it. They asked as services do: by the tenant's alias, then by the \
         alias of the key itself.\n\n| data key | wrapped by | asked in | before | after |\n|---|---|---|---|---|\n",
        items.len(),
        data_keys.len() + skipped.len(),
    );
    for (id, wrapped) in data_keys {
        for (region, answers) in &wrapped.answers {
            let (before, after) = (cell(&answers.before.to_string()), cell(&answers.after.to_string()));
            let _ = writeln!(text, "| `{id}` | `{}` | {} | {before} | {after} |", wrapped.kek, cell(region));
        }
    }
    if !skipped.is_empty() {
        let _ = write!(
            text,
            "\n**Not tried**: {}. Compact items refer to these data keys, whose records lie in a key table.\n\n| data \
             key | because |\n|---|---|\n",
            skipped.len()
        );
        for (id, why) in skipped {
            let _ = writeln!(text, "| `{id}` | {why} |");
        }
    }
    text.push_str("\n| item | data keys |\n|---|---|\n");
    for item in items {
        let key = cell(&harmless_json(&serde_json::to_string(&item.key).unwrap_or_default()));
        let _ = writeln!(
            text,
            "| `{key}` | {} |",
            item.data_keys.iter().map(|id| format!("`{}…`", &id[..8])).collect::<Vec<_>>().join(" ")
        );
    }
}
