//! `show`: one tenant, and what KMS says about its keys.

use clap::Args;
use serde_json::json;
use tenantseal::TenantId;
use tenantseal_tenants::{Entry, KekDetails, Operation, TenantDetails};

use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Result};
use crate::output::{BOLD, Output, lines, moment, table};
use crate::settings::Settings;

/// Show a tenant, and what KMS says about its keys.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
    /// Also show every version of its entry: who changed what, and when
    #[arg(long)]
    history: bool,
}

impl Show {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let tenants = settings.tenants(&aws::operator(settings).await, None)?;
        let progress = output.progress(format!("looking at {}", self.tenant));
        let shown = tenants.show(&self.tenant).await?;
        let history = if self.history { Some(tenants.history(&self.tenant).await?) } else { None };
        drop(progress);
        let text = format!("{}{}", describe(&shown), history.as_deref().map(history_table).unwrap_or_default());
        output.answer(text, &json!({ "entry": shown.entry, "keys": shown.keys, "history": history }))?;
        Ok(if shown.keys.iter().any(|key| key.unknown.is_some()) { Exit::Unreachable } else { Exit::Done })
    }
}

fn describe(shown: &TenantDetails) -> String {
    let Entry { tenant, state, tier, alias, regions, created, updated, by, deletion, pending, paused, .. } =
        &shown.entry;
    let mut values = vec![
        ("state", state.to_string()),
        ("tier", tier.to_string()),
        ("alias", alias.clone()),
        ("Regions", regions.join(", ")),
        ("onboarded", moment(*created)),
        ("changed", format!("{} by {by}", moment(*updated))),
    ];
    if let Some(pending) = pending {
        let or_suspend = match pending.operation {
            Operation::Onboard | Operation::Rotate | Operation::Rekey => ", or `suspend`, which pauses it",
            _ => "",
        };
        values
            .push(("unfinished", format!("{}, begun by {}: run it again{or_suspend}", pending.operation, pending.by)));
    }
    if let Some(paused) = paused {
        let what = format!("{}, begun by {}: after `resume`, run it again", paused.operation, paused.by);
        values.push(("paused", what));
    }
    if let Some(deletion) = deletion {
        values.push((
            "deletion",
            format!("{}; until then `tenantseal cancel-offboard {tenant}` keeps the keys", moment(*deletion)),
        ));
    }
    let heading = ["generation", "key", "Region", "state", "rotated", "policy"].map(str::to_owned).to_vec();
    let keys: Vec<_> = std::iter::once(heading).chain(shown.keys.iter().map(row)).collect();
    format!("{BOLD}{tenant}{BOLD:#}\n{}\n{}", lines(10, values), table(&keys))
}

fn row(key: &KekDetails) -> Vec<String> {
    let state = match (&key.unknown, &key.state, key.deletion) {
        (Some(why), ..) => format!("unknown ({why})"),
        (None, None, _) => "deleted".to_owned(),
        (None, Some(state), None) => state.clone(),
        (None, Some(state), Some(deletion)) => format!("{state}, {}", moment(deletion)),
    };
    let times = key.rotations.map_or_else(String::new, |times| format!(", {times} so far"));
    let rotated = match key.rotation_days {
        Some(days) => format!("every {days} days{times}"),
        None if key.unknown.is_some() => String::new(),
        None => "off".to_owned(),
    };
    let policy = match key.policy_is_ours {
        Some(true) => "the generated one",
        Some(false) => "another: see `doctor`",
        None => "",
    };
    let region = if key.listed { key.region.clone() } else { format!("{} (not in the registry)", key.region) };
    let id = match key.is_tenants {
        Some(false) => format!("{} (not made for this tenant)", key.key.key_id()),
        _ => key.key.key_id().to_owned(),
    };
    vec![key.generation.to_string(), id, region, state, rotated, policy.to_owned()]
}

fn history_table(history: &[Entry]) -> String {
    let heading = ["version", "when", "state", "unfinished", "by"].map(str::to_owned).to_vec();
    let rows = history.iter().map(|entry| {
        let unfinished = entry.pending.as_ref().map_or_else(String::new, |pending| pending.operation.to_string());
        vec![entry.version.to_string(), moment(entry.updated), entry.state.to_string(), unfinished, entry.by.clone()]
    });
    format!("\n{}", table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}
