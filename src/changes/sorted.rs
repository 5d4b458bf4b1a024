//! Checks a batch, and sorts its images by tenant. Synchronous, and makes no call.

use std::collections::BTreeMap;

use tenantseal_core::tenant::TenantId;

use super::change::{Change, Image};
use super::doubled;
use super::error::{ChangeError, ChangeErrorKind, RecordFault};
use super::stored::{Record, StoredChange};
use crate::error::{Error, ItemRef, PrimaryKeyError, Standing};
use crate::item::{Item, OpenError, stored_identity};
use crate::schema::TableSchema;

/// A batch whose images are to be opened.
pub(crate) struct Sorted {
    /// In the order of the changes; images that are to be opened are absent.
    pub(super) changes: Vec<Result<Change, ChangeError>>,
    pub(crate) images: BTreeMap<TenantId, Vec<StoredImage>>,
}

/// An image, and where it belongs.
pub(crate) struct StoredImage {
    pub(crate) change: usize,
    pub(crate) is_new: bool,
    pub(crate) item: Item,
}

impl Sorted {
    /// Checks each record by itself.
    pub(crate) fn of(
        schema: &TableSchema,
        stored: Vec<StoredChange>,
        wanted: Option<&dyn Fn(&TenantId) -> bool>,
    ) -> Self {
        let mut sorted = Self { changes: Vec::with_capacity(stored.len()), images: BTreeMap::new() };
        for StoredChange { record, sequence_number } in stored {
            let checked = match record {
                Ok(record) => sorted.check(schema, record, wanted),
                Err(fault) => Err(ChangeError::new(ChangeErrorKind::Record(fault), None, None)),
            };
            sorted.changes.push(match checked {
                Ok(change) => Ok(Change { sequence_number, ..change }),
                Err(error) => Err(error.with_sequence_number(sequence_number)),
            });
        }
        sorted
    }

    fn check(
        &mut self,
        schema: &TableSchema,
        mut record: Record,
        wanted: Option<&dyn Fn(&TenantId) -> bool>,
    ) -> Result<Change, ChangeError> {
        doubled::undo(schema, &mut record);
        let Record { kind, keys, new, old, expired } = record;
        let nothing = || ChangeError::new(ChangeErrorKind::Record(RecordFault::NoKeys), None, None);
        let whole = keys.as_ref().or(new.as_ref()).or(old.as_ref()).ok_or_else(nothing)?;
        let keys = key_of(schema, whole);
        let tenant = match owner(schema, &keys) {
            Ok(tenant) => tenant,
            Err(error) => return Err(ChangeError::new(ChangeErrorKind::Keys(error), None, Some(keys))),
        };
        if wanted.is_some_and(|wanted| !wanted(&tenant)) {
            return Err(ChangeError::new(ChangeErrorKind::LeftOut, Some(tenant), Some(keys)));
        }
        let change = self.changes.len();
        let mut place = |image: Option<Item>, is_new| match image {
            None => Image::Absent,
            Some(item) if !schema.key_names().all(|name| item.get(name) == keys.get(name)) => {
                let named = ItemRef::new(schema, &item);
                Image::Refused(Error::from(OpenError::OtherItem).at(named, Some(item), Standing::READ))
            }
            Some(item) => {
                self.images.entry(tenant.clone()).or_default().push(StoredImage { change, is_new, item });
                Image::Absent
            }
        };
        let (new, old) = (place(new, true), place(old, false));
        Ok(Change { tenant, kind, keys, new, old, expired, sequence_number: None })
    }

    /// Puts an image in its place.
    pub(crate) fn settle(&mut self, at: usize, is_new: bool, opened: Result<Item, Error>) {
        let Some(Ok(change)) = self.changes.get_mut(at) else { return };
        let image = match opened {
            Ok(item) => Image::Opened(item),
            Err(error) => Image::Refused(error),
        };
        *(if is_new { &mut change.new } else { &mut change.old }) = image;
    }

    /// The outcomes. A change of which an image may open later is not there yet.
    pub(crate) fn finish(self) -> Vec<Result<Change, ChangeError>> {
        let outcome = |outcome: Result<Change, ChangeError>| {
            let change = outcome?;
            let refusals = [change.new.refusal(), change.old.refusal()];
            let Some(error) = refusals.into_iter().flatten().find(|error| error.is_retryable()) else {
                return Ok(change);
            };
            let kind = ChangeErrorKind::NotNow(error.clone());
            let Change { tenant, keys, sequence_number, .. } = change;
            Err(ChangeError::new(kind, Some(tenant), Some(keys)).with_sequence_number(sequence_number))
        };
        self.changes.into_iter().map(outcome).collect()
    }
}

/// The key attributes of an item.
fn key_of(schema: &TableSchema, item: &Item) -> Item {
    let named = schema.key_names().filter_map(|name| item.get_key_value(name));
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The tenant whose item has these keys, all of which must be there.
fn owner(schema: &TableSchema, keys: &Item) -> Result<TenantId, PrimaryKeyError> {
    let attribute = schema.partition_key();
    let value = keys.get(attribute).ok_or_else(|| PrimaryKeyError::Missing { attribute: attribute.to_owned() })?;
    let tenant = value.as_s().ok().and_then(|value| schema.tenant().tenant_of(value));
    let tenant = tenant.ok_or_else(|| PrimaryKeyError::ForeignTenant { attribute: attribute.to_owned() })?;
    match stored_identity(schema, &tenant, keys) {
        Err(OpenError::PrimaryKey(error)) => Err(error),
        _ => Ok(tenant),
    }
}
