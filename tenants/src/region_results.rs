//! A step in several Regions: one that fails keeps none of the others from being done.

use std::collections::BTreeSet;

use super::begun::Begun;
use super::error::Error;

/// Where a step was done, and where it was not.
#[derive(Debug, Default)]
pub(super) struct RegionResults {
    done: BTreeSet<String>,
    failed: Vec<(String, Error)>,
}

impl RegionResults {
    /// Notes how a step ended in a Region. Gives what it gave, if it did.
    ///
    /// # Errors
    ///
    /// What concerns every Region.
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

    /// Whether a Region has not answered: then it is not asked again in this run.
    pub(super) fn has_no_answer(&self, region: &str) -> bool {
        self.failed.iter().any(|(failed, error)| failed == region && error.is_retryable())
    }

    /// Whether everything was done so far.
    pub(super) fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }

    /// What it comes to.
    ///
    /// # Errors
    ///
    /// The one failure, when there was nothing else; else [`Error::Incomplete`].
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
