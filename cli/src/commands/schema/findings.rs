//! What `schema check` finds, and what to do about it.

use serde::Serialize;
use tenantseal::error::TableFaultKind;

use super::sample::{Declared, Sample};
use crate::output::count;

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// `table`, `recovery`, `plain`, `sealed` or `undeclared`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    pub(super) wrong: String,
    pub(super) fix: String,
}

impl Finding {
    /// A fault of keys, indexes or the time to live, whose text has the fix behind its first colon.
    pub(super) fn of_table(fault: &TableFaultKind) -> Self {
        let text = fault.to_string();
        let (wrong, fix) = text.split_once(": ").unwrap_or((&text, "see docs/OPERATIONS.md"));
        Self { kind: "table", attribute: None, wrong: wrong.to_owned(), fix: fix.to_owned() }
    }

    pub(super) fn recovery(physical: &str) -> Self {
        let fix = format!(
            "aws dynamodb update-continuous-backups --table-name {physical} --point-in-time-recovery-specification \
             PointInTimeRecoveryEnabled=true"
        );
        let wrong = "point-in-time recovery is off".to_owned();
        Self { kind: "recovery", attribute: None, wrong, fix }
    }

    fn attribute(kind: &'static str, name: &str, wrong: String, fix: &str) -> Self {
        Self { kind, attribute: Some(name.to_owned()), wrong, fix: fix.to_owned() }
    }
}

/// What is wrong with the items of a sample.
pub(super) fn findings(sample: &Sample) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, seen) in &sample.attributes {
        let of = |part: u64, all: u64| format!("{} of {} items", count(part as f64), count(all as f64));
        let plain = seen.plain_where(Declared::Encrypt);
        if plain > 0 {
            let wrong = format!(
                "attribute `{name}` is plain in {}, and the lock file says encrypt",
                of(plain, plain + seen.sealed)
            );
            let fix = "put these items again with a client that seals it; do not read them as if they were sealed";
            found.push(Finding::attribute("plain", name, wrong, fix));
        }
        if seen.shows_sealed() {
            let all = seen.looks_sealed + seen.plain_where(Declared::Plain);
            let wrong = format!(
                "attribute `{name}` is sealed in {}, and the lock file says plain: its mark was lost",
                of(seen.looks_sealed, all)
            );
            let fix = "mark it `encrypt` again, deploy that, and put the items again that are plain";
            found.push(Finding::attribute("sealed", name, wrong, fix));
        }
    }
    let undeclared = sample.undeclared.iter().filter(|(_, seen)| seen.sealed > 0);
    found.extend(undeclared.map(|(name, seen)| {
        let wrong = format!("attribute `{name}` is sealed in {} items, and nothing declares it", seen.sealed);
        Finding::attribute("undeclared", name, wrong, "declare it again under this name, marked `encrypt`")
    }));
    found
}
