//! `list`: lists the tenants of the registry.

use clap::Args;
use tenantseal_tenants::Entry;

use crate::aws;
use crate::errors::{Exit, Result};
use crate::output::{DIM, Output, moment, table};
use crate::settings::Settings;

const PAGE: u32 = 1_000;

/// List the tenants.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only tenants in this state
    #[arg(long, value_parser = ["onboarding", "active", "suspended", "offboarded"])]
    state: Option<String>,
}

impl List {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let tenants = settings.tenants(&aws::operator(settings).await, None)?;
        let mut rows = vec![["tenant", "state", "tier", "keys", "current key", "changed"].map(str::to_owned).to_vec()];
        let mut after = None;
        let progress = output.progress("reading the registry");
        loop {
            let page = tenants.list(after.as_ref(), PAGE).await?;
            for entry in
                page.entries.iter().filter(|entry| self.state.as_ref().is_none_or(|state| *state == word(entry)))
            {
                if output.is_json() {
                    output.answer("", entry)?;
                }
                rows.push(row(entry));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        drop(progress);
        match rows.len() - 1 {
            _ if output.is_json() => {}
            0 => output.say(format_args!("{DIM}no tenants{DIM:#}")),
            _ => output.print(table(&rows))?,
        }
        Ok(Exit::Done)
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let state = match &entry.pending {
        Some(pending) => format!("{}, {} unfinished", word(entry), pending.operation),
        None => word(entry),
    };
    let key = entry.current().map_or_else(|| "none".to_owned(), |current| current.key.key_id().to_owned());
    let (keys, changed) = (entry.generations.len().to_string(), moment(entry.updated));
    vec![entry.tenant.to_string(), state, entry.tier.to_string(), keys, key, changed]
}

/// The state as in JSON.
fn word(entry: &Entry) -> String {
    serde_json::to_value(entry.state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
