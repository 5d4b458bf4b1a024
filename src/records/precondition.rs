//! What a write asks of the stored item before it is carried out, and what it means when that does not hold.

use aws_sdk_dynamodb::types::AttributeValue;

use super::condition::{Condition, attribute};
use super::convert::{own_attribute, record_error};
use crate::error::Error;
use crate::schema::{Record, TableSchema};

/// What a write asks of the stored item: all of it becomes one condition expression.
pub(super) struct Precondition {
    /// Whether there is an item, or is none.
    exists: Option<bool>,
    /// The version that it has; an error when there cannot be one, which is said when the request is made.
    version: Result<Option<Condition>, Error>,
    /// What the caller asks otherwise.
    condition: Option<Condition>,
}

/// What a write has asked, and so what the failure of its condition means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// That the stored item has the record's version, and nothing else: another writer was faster.
    Version { record: &'static str },
    /// A condition of the caller's, or nothing.
    Condition,
}

impl Precondition {
    pub(super) fn none() -> Self {
        Self { exists: None, version: Ok(None), condition: None }
    }

    pub(super) fn exists(&mut self, exists: bool) {
        self.exists = Some(exists);
    }

    /// Whether it asks that there is no item.
    pub(super) fn is_of_new(&self) -> bool {
        self.exists == Some(false)
    }

    pub(super) fn version(&mut self, condition: Result<Condition, Error>) {
        self.version = condition.map(Some);
    }

    pub(super) fn condition(&mut self, condition: Condition) {
        self.condition = Condition::all([self.condition.take(), Some(condition)]);
    }

    /// The condition, with `own`: that the item is of the record's type. `has_given` is whether the caller's changes set one beside it.
    pub(super) fn build<T: Record>(
        self,
        schema: &TableSchema,
        own: Option<Condition>,
        has_given: bool,
    ) -> Result<(Option<Condition>, Asked), Error> {
        let Self { exists, version, condition } = self;
        let version = version?;
        // What has a version exists.
        let exists = exists.filter(|exists| !exists || version.is_none());
        let asked = match (&version, exists, &condition, has_given) {
            (Some(_), None, None, false) => Asked::Version { record: std::any::type_name::<T>() },
            _ => Asked::Condition,
        };
        let exists = exists.map(|exists| {
            let key = attribute(schema.partition_key());
            if exists { key.exists() } else { key.not_exists() }
        });
        Ok((Condition::all([exists, own, version, condition]), asked))
    }
}

/// That the stored record has this version.
pub(super) fn has_version<T: Record>(version: u64) -> Result<Condition, Error> {
    let name = T::SCHEMA.version().ok_or_else(|| {
        record_error::<T>("it has no version to expect: mark a field with `#[seal(version)]`".to_owned())
    })?;
    Ok(attribute(name).is(AttributeValue::N(version.to_string())))
}

/// That the stored item is of the type.
pub(super) fn own<T: Record>() -> Option<Condition> {
    own_attribute::<T>().map(|(name, own)| attribute(name).is(AttributeValue::S(own.to_owned())))
}

/// That the stored item is of the type, or not there.
pub(super) fn own_or_new<T: Record>() -> Option<Condition> {
    own_attribute::<T>()
        .map(|(name, own)| attribute(name).not_exists().or(attribute(name).is(AttributeValue::S(own.to_owned()))))
}
