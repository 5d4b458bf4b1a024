//! What became of a sweep, for people and in files; its errors as exit codes.

use std::fmt::Write;
use std::path::Path;

use tenantseal::sweep::{SweepError, SweepReport};

use crate::errors::{Exit, Failure, Result};
use crate::output::{BAD, Output, table};
use crate::visible::Visible;

/// What no sweep over a table reaches.
const NOT_COVERED: &str = "Recovery points, backups, exports, streams and caches keep what was stored before.";

/// Prints what became of a sweep, and judges it.
pub(super) fn judged(report: &SweepReport, output: &Output) -> Result<Exit> {
    output.answer(describe(report), report)?;
    Ok(if report.is_clean() { Exit::Done } else { Exit::Findings })
}

/// Without keys of items.
pub(super) fn describe(report: &SweepReport) -> String {
    let mut text = format!("{}\n", Visible(report.to_string()));
    let mut rows: Vec<_> = report
        .counts()
        .map(|(of, which, items)| [of, which, &items.to_string()].map(|cell| Visible(cell).to_string()).to_vec())
        .collect();
    if !rows.is_empty() {
        rows.insert(0, ["attribute", "stored", "items"].map(str::to_owned).to_vec());
        text.push_str(&table(&rows));
    }
    if report.plan().is_stopped() {
        text.push_str("It is stopped: `sweep resume` lets it go on.\n");
    }
    if report.skipped().next().is_some() {
        let _ = writeln!(text, "{BAD}✗{BAD:#} items are listed: `sweep report --out FILE` or --json names them");
    }
    if report.rewritten() > 0 && !report.plan().is_dry_run() {
        let _ = writeln!(text, "{NOT_COVERED}");
    }
    text
}

/// Writes the report with the keys of listed items, for people and for machines.
pub(super) fn write_files(report: &SweepReport, out: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(|error| Failure::new(Exit::Findings, error.to_string()))?;
    let mut text = format!("# Sweep {}\n\n{report}.\n\n{NOT_COVERED}\n", report.plan().id());
    for (of, which, items) in report.counts() {
        let _ = writeln!(text, "- {}, {}: {items}", Visible(of), Visible(which));
    }
    for (reason, listed) in report.skipped() {
        let _ = writeln!(text, "\n## {} items that {reason}\n", listed.items());
        for item in listed.listed() {
            let key: std::collections::BTreeMap<_, serde_dynamo::AttributeValue> =
                item.key().iter().map(|(name, value)| (name, value.clone().into())).collect();
            let key = serde_json::to_string(&key).unwrap_or_default();
            let error = item.error().map(|error| format!(": {}", Visible(error))).unwrap_or_default();
            let _ = writeln!(text, "- `{}`{error}", Visible(&key).to_string().replace('`', "\\u0060"));
        }
    }
    for (extension, text) in [("json", json), ("md", text)] {
        let mut file = out.as_os_str().to_owned();
        file.push(format!(".{extension}"));
        let shown = Path::new(&file).display().to_string();
        std::fs::write(&file, text).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    }
    Ok(())
}

pub(super) fn failure(error: &SweepError) -> Failure {
    let exit = match error {
        error if error.is_retryable() => Exit::Unreachable,
        SweepError::Unknown(_) | SweepError::UnknownTable(_) => Exit::NotFound,
        SweepError::Option { .. } | SweepError::NoLedger(_) | SweepError::NoLookups(_) | SweepError::NoAction => {
            Exit::Usage
        }
        SweepError::Describe(_) | SweepError::Worker { .. } => Exit::Aws,
        _ => Exit::Refused,
    };
    let failure = Failure::new(exit, error.to_string());
    match error {
        SweepError::NoLedger(_) => failure.help("give --ledger, TENANTSEAL_LEDGER, or `ledger` in tenantseal.toml"),
        SweepError::Busy { sweep } => {
            failure.help(format!("`tenantseal sweep run {sweep}` ends it, `tenantseal sweep stop {sweep}` gives it up"))
        }
        _ => failure,
    }
}
