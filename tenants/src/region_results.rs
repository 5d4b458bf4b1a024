//! Collects the results of a step in several Regions: a failure in one does not stop the others.

use std::collections::BTreeSet;

use super::begun::Begun;
use super::error::Error;

/// The Regions in which a step succeeded and failed.
#[derive(Debug, Default)]
pub(super) struct RegionResults {
    done: BTreeSet<String>,
    failed: Vec<(String, Error)>,
}

impl RegionResults {
    /// Records the result of a Region. Returns its value on success.
    ///
    /// # Errors
    ///
    /// Errors that concern all Regions.
    pub(super) fn record<T>(&mut self, region: &str, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => {
                self.done.insert(region.to_owned());
                Ok(Some(value))
            }
            Err(error) if error.concerns_all_regions() => Err(error),
            Err(error) => {
                if !self.failed.iter().any(|(failed, _)| failed == region) {
                    self.failed.push((region.to_owned(), error));
                }
                Ok(None)
            }
        }
    }

    /// Whether a Region gave no answer: this run does not ask it again.
    pub(super) fn has_no_answer(&self, region: &str) -> bool {
        self.failed.iter().any(|(failed, error)| failed == region && error.is_retryable())
    }

    /// Whether no Region has failed so far.
    pub(super) fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }

    /// The result of all Regions.
    ///
    /// # Errors
    ///
    /// The failure itself when there is only one result; else [`Error::Incomplete`].
    pub(super) fn into_result(mut self, begun: &Begun) -> Result<(), Error> {
        if self.failed.is_empty() {
            return Ok(());
        }
        for (failed, _) in &self.failed {
            self.done.remove(failed);
        }
        if self.done.is_empty() && self.failed.len() == 1 {
            return Err(self.failed.remove(0).1);
        }
        let operation = begun.operation;
        let (tenant, done) = (begun.entry.tenant.clone(), self.done.into_iter().collect());
        Err(Error::Incomplete { tenant, operation, done, failed: self.failed })
    }
}
