//! What put, update and delete have in common.

use std::marker::PhantomData;

use super::condition::{Condition, Writer};
use super::precondition::{Asked, Precondition};
use super::repository::Records;
use super::request::{Changes, TakesExpression};
use crate::error::Error;
use crate::schema::{Record, TableSchema};

/// A write on a condition, by the SDK's builder `B`, that returns what `R` says.
pub(super) struct Conditional<'a, T, B, R> {
    pub(super) records: Records<T>,
    precondition: Precondition,
    changes: Changes<'a, B>,
    returns: PhantomData<R>,
}

impl<'a, T: Record, B, R> Conditional<'a, T, B, R> {
    pub(super) fn new(records: Records<T>) -> Self {
        Self { records, precondition: Precondition::none(), changes: Changes::none(), returns: PhantomData }
    }

    /// The same write, which returns something else.
    pub(super) fn returning<S>(self) -> Conditional<'a, T, B, S> {
        let Self { records, precondition, changes, returns: _ } = self;
        Conditional { records, precondition, changes, returns: PhantomData }
    }

    /// Requires that an item exists, or that none does.
    pub(super) fn require_existence(&mut self, exists: bool) {
        self.precondition.exists(exists);
    }

    /// Whether it requires that no item exists.
    pub(super) fn requires_absence(&self) -> bool {
        self.precondition.is_of_new()
    }

    /// Requires a version of the stored item.
    pub(super) fn require_version(&mut self, condition: Result<Condition, Error>) {
        self.precondition.version(condition);
    }

    /// Requires one more condition of the caller's.
    pub(super) fn require(&mut self, condition: Condition) {
        self.precondition.condition(condition);
    }

    /// Changes the SDK's request before it is sent.
    pub(super) fn customize(&mut self, change: impl FnOnce(B) -> B + Send + 'a) {
        self.changes.push(change);
    }

    /// Applies the caller's changes to the request.
    pub(super) fn change(&mut self, request: B) -> B {
        self.changes.take().apply(request)
    }
}

impl<T: Record, B: TakesExpression, R> Conditional<'_, T, B, R> {
    /// Writes the condition, with `own`, into the request, and says what it means when the condition fails.
    pub(super) fn write_condition(
        self,
        schema: &TableSchema,
        own: Option<Condition>,
        request: B,
        writer: Writer<T>,
    ) -> Result<(B, Asked), Error> {
        let has_given = request.expression().is_some();
        let (condition, asked) = self.precondition.build::<T>(schema, own, has_given)?;
        Ok((writer.finish_into(request, condition.as_ref())?, asked))
    }
}
