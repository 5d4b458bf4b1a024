//! Checks, their outcomes, and fixes.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::output::{BAD, BOLD, DIM, GOOD, Progress, WARN};
use crate::visible::Visible;

/// One line of the checklist.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    /// What it concerns: `access`, a tenant, or a pair of tenants.
    pub(super) area: String,
    pub(super) check: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    Passed { found: String },
    Failed(Finding),
    Skipped { because: String },
}

/// What is wrong, and how to fix it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) wrong: String,
    pub(super) fix: String,
    /// Statements to add to and remove from the policy in question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<Change>,
}

/// A missing or a superfluous statement of a policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Add(Value),
    Remove(Value),
}

impl Outcome {
    pub(super) fn passed(found: impl Into<String>) -> Self {
        Self::Passed { found: found.into() }
    }

    pub(super) fn failed(wrong: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Failed(Finding { wrong: wrong.into(), fix: fix.into(), changes: Vec::new() })
    }

    pub(super) fn skipped(because: impl Into<String>) -> Self {
        Self::Skipped { because: because.into() }
    }

    /// Adds the statements that fix the failure.
    pub(super) fn with(mut self, statements: Vec<Change>) -> Self {
        if let Self::Failed(finding) = &mut self {
            finding.changes = statements;
        }
        self
    }
}

/// The checklist under construction.
#[derive(Debug)]
pub(super) struct Report {
    checks: Vec<Check>,
    progress: Progress,
}

impl Report {
    pub(super) fn new(progress: Progress) -> Self {
        Self { checks: Vec::new(), progress }
    }

    pub(super) fn add(&mut self, area: &str, check: impl Into<String>, outcome: Outcome) {
        let check = check.into();
        self.progress.step(format!("{area}: {check}"));
        self.checks.push(Check { area: area.to_owned(), check, outcome });
    }

    pub(super) fn into_checks(self) -> Vec<Check> {
        self.checks
    }
}

/// The number of checks by outcome.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Counts {
    pub(super) fn from_checks(checks: &[Check]) -> Self {
        checks.iter().fold(Self::default(), |mut counts, check| {
            match check.outcome {
                Outcome::Passed { .. } => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Skipped { .. } => counts.skipped += 1,
            }
            counts
        })
    }
}

/// The checklist for people.
pub(super) struct Checklist<'a>(pub(super) &'a [Check]);

impl fmt::Display for Checklist<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut area = "";
        for Check { area: of, check, outcome } in self.0 {
            if of != area {
                writeln!(f, "{}{BOLD}{}{BOLD:#}", if area.is_empty() { "" } else { "\n" }, Visible(of))?;
                area = of;
            }
            let check = Visible(check);
            match outcome {
                // The names of these checks already say so.
                Outcome::Passed { found } if ["allowed", "refused"].contains(&found.as_str()) => {
                    writeln!(f, "  {GOOD}✓{GOOD:#} {check}")?;
                }
                Outcome::Passed { found } => writeln!(f, "  {GOOD}✓{GOOD:#} {check}{DIM}: {}{DIM:#}", Visible(found))?,
                Outcome::Skipped { because } => {
                    writeln!(f, "  {WARN}-{WARN:#} {check}{DIM}: not checked, {}{DIM:#}", Visible(because))?
                }
                Outcome::Failed(Finding { wrong, fix, changes }) => {
                    let (wrong, fix) = (Visible(wrong), Visible(fix));
                    writeln!(f, "  {BAD}✗ {check}{BAD:#}\n      wrong: {wrong}\n      fix:   {fix}")?;
                    for change in changes {
                        let (sign, style, statement) = match change {
                            Change::Add(statement) => ('+', GOOD, statement),
                            Change::Remove(statement) => ('-', BAD, statement),
                        };
                        for line in format!("{statement:#}").lines() {
                            writeln!(f, "      {style}{sign} {}{style:#}", Visible(line))?;
                        }
                    }
                }
            }
        }
        let Counts { passed, failed, skipped } = Counts::from_checks(self.0);
        let style = if failed > 0 { BAD } else { GOOD };
        write!(f, "\n{style}{passed} passed, {failed} failed, {skipped} not checked{style:#}")
    }
}
