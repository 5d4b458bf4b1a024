//! What query and scan have in common.

use super::condition::{Condition, Writer};
use super::repository::Records;
use super::request::{Changes, TakesExpression};
use crate::error::Error;
use crate::schema::Record;

/// A read of many records, by the SDK's builder `B`.
pub(super) struct Reading<'a, T, B> {
    pub(super) records: Records<T>,
    pub(super) limit: Option<usize>,
    filter: Option<Condition>,
    changes: Changes<'a, B>,
}

impl<'a, T: Record, B: TakesExpression> Reading<'a, T, B> {
    pub(super) fn new(records: Records<T>) -> Self {
        Self { records, limit: None, filter: None, changes: Changes::none() }
    }

    /// Adds a filter of the caller's.
    pub(super) fn filter(&mut self, condition: Condition) {
        self.filter = Condition::all([self.filter.take(), Some(condition)]);
    }

    /// Takes the caller's filter.
    pub(super) fn take_filter(&mut self) -> Option<Condition> {
        self.filter.take()
    }

    /// Changes the SDK's request before it is sent.
    pub(super) fn customize(&mut self, change: impl FnOnce(B) -> B + Send + 'a) {
        self.changes.push(change);
    }

    /// Applies the caller's changes to the request.
    pub(super) fn change(&mut self, request: B) -> B {
        self.changes.take().apply(request)
    }

    /// Writes the filter, with `own`, into the request.
    pub(super) fn write_filter(self, own: Option<Condition>, request: B, writer: Writer<T>) -> Result<B, Error> {
        writer.finish_into(request, Condition::all([own, self.filter]).as_ref())
    }
}
