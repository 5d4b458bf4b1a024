//! Opens the items of an answer: first the data keys they need, then the items themselves.
//!
//! An item that does not open fails the answer, unless the caller asked for each by itself. The error names all that
//! fail. It keeps what a write returned as it was stored, because nobody else may have it any more.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use tenantseal_core::envelope::{KeyRing, NeededKey, OpenFault, Purpose};
use tenantseal_core::format::OwnedStoredKey;
use tenantseal_core::telemetry;
use tenantseal_core::tenant::TenantId;
use tenantseal_core::trail::ItemsUnderKey;

use super::Binding;
use super::adopting::Accepted;
use super::asking::Asking;
use super::notes::Notes;
use super::operation::{Answer, Carrier, Cut, Operation, Returned};
use super::seen::SeenTokens;
use crate::error::{Error, ItemRef, Sealed, Standing, Unopened, UnopenedItem, Written};
use crate::item::{self, Item, OpenError, distinct_keys, has_plaintext, stored_identity};
use crate::schema::TableSchema;

/// Why items of an answer do not open, by their places in it.
pub(super) type Failed = BTreeMap<usize, Error>;

/// What opens the items of an answer.
#[derive(Default)]
pub(super) struct Opens {
    pub(super) keys: KeyRing,
    /// Keys that could not be fetched.
    pub(super) lacking: Vec<(OwnedStoredKey, Error)>,
    /// Items that no key opens.
    pub(super) failed: Failed,
    /// What leaves say of plaintext.
    pub(super) accepted: Accepted,
}

/// The adopted tables of which an answer has plaintext items.
pub(super) fn plaintext_in(
    operation: &dyn Operation,
    binding: &Binding,
    answer: Answer,
) -> (Answer, Vec<Arc<TableSchema>>) {
    let (answer, tables) = visit_returned(operation, answer, |returned| {
        let mut tables: Vec<Arc<TableSchema>> = Vec::new();
        for returned in returned.iter().filter(|returned| !returned.table.adopted().is_empty()) {
            let name = returned.table.name();
            if !tables.iter().any(|table| table.name() == name) && has_plaintext(returned.table, &returned.view()) {
                tables.extend(binding.logical_table(name).map(|(_, table)| Arc::clone(table)));
            }
        }
        Ok(tables)
    });
    // An answer whose items are not those of the request fails later.
    (answer, tables.unwrap_or_default())
}

/// The distinct keys that the items of an answer rely on, and the items whose keys cannot be told.
pub(super) fn needed_keys(
    operation: &dyn Operation,
    tenant: &TenantId,
    accepted: &Accepted,
    answer: Answer,
) -> (Answer, Result<(Vec<NeededKey>, Failed), Error>) {
    visit_returned(operation, answer, |returned| {
        let looked_at = |returned: &Returned<'_>| {
            let Returned { item, table, expected, .. } = returned;
            expected.check(table, item, &stored_identity(table, tenant, item)?)
        };
        let checks: Vec<_> = returned.iter().map(looked_at).collect();
        let views: Vec<_> = returned.iter().map(|returned| (returned.table, returned.view())).collect();
        let index = operation.index();
        let items = checks.into_iter().zip(&views);
        let items = items.map(|(check, (table, view))| check.map(|()| (*table, &**view, accepted.of(table, index))));
        let (keys, failed) = distinct_keys(items);
        let failed = failed.into_iter().map(|(at, error)| {
            let (table, view) = &views[at];
            (at, accepted.explain(table, view, in_index(index, error)))
        });
        Ok((keys, failed.collect()))
    })
}

/// Shows `notes` the returned items as they are stored. Removes items that were read only to be compared.
pub(super) fn note_answer(operation: &dyn Operation, notes: &Notes, answer: Answer) -> Answer {
    let (answer, _) = visit_returned(operation, answer, |returned| {
        for Returned { item, .. } in returned {
            notes.look_at(item);
            if notes.compares() {
                item.clear();
            } else if notes.keeps_raw() {
                notes.keep(item);
            }
        }
        Ok(())
    });
    answer
}

/// Adds the items whose data key could not be fetched to those that fail.
pub(super) fn without_keys(operation: &dyn Operation, answer: Answer, opens: &mut Opens) -> Answer {
    if opens.lacking.is_empty() {
        return answer;
    }
    let Opens { lacking, failed, accepted, .. } = opens;
    let index = operation.index();
    let (answer, _) = visit_returned(operation, answer, |returned| {
        for (at, returned) in returned.iter().enumerate().filter(|(at, _)| !failed.contains_key(at)).collect::<Vec<_>>()
        {
            let (needed, _) = distinct_keys(std::iter::once(Ok((
                returned.table,
                &*returned.view(),
                accepted.of(returned.table, index),
            ))));
            let lacks = |needed: &NeededKey| lacking.iter().find(|(key, _)| *key == needed.stored);
            if let Some((_, error)) = needed.iter().find_map(lacks) {
                failed.insert(at, error.clone());
            }
        }
        Ok(())
    });
    answer
}

/// The number of items of each table that the keys open, without those that have failed.
pub(super) fn used_keys<'k>(
    operation: &dyn Operation,
    opens: &'k Opens,
    answer: Answer,
) -> (Answer, Result<Vec<ItemsUnderKey<'k>>, Error>) {
    let (Opens { keys, failed, accepted, .. }, index) = (opens, operation.index());
    visit_returned(operation, answer, |returned| {
        let views = returned.iter().enumerate().filter(|(at, _)| !failed.contains_key(at));
        let views: Vec<_> = views.map(|(_, returned)| (returned.table, returned.view())).collect();
        Ok(item::used_keys(keys, views.iter().map(|(table, view)| (*table, &**view, accepted.of(table, index))))?)
    })
}

/// Opens the items of an answer that have not failed, and cuts each to what the caller asked for.
///
/// Returns those that do not open, with the stored item where only this answer may have it. When all are wanted and
/// some are known to have failed, no other is opened. Removes those that are not what a lookup was asked for.
pub(super) fn open(
    operation: &dyn Operation,
    binding: &Binding,
    Opens { keys, failed, accepted, .. }: Opens,
    all: bool,
    answer: Answer,
) -> (Answer, Result<Vec<(usize, UnopenedItem)>, Error>) {
    let mut dropped = Vec::new();
    let (mut answer, mut unopened) = visit_returned(operation, answer, |returned| {
        let mut unopened = Vec::new();
        let mut seen = SeenTokens::new(binding, operation.index());
        let mut plain = 0;
        for (at, Returned { item, table, expected, cut, asking }) in returned.into_iter().enumerate() {
            if all && !failed.is_empty() && !failed.contains_key(&at) {
                continue;
            }
            let sealed = operation.writes().then(|| item.clone());
            let opened = match failed.get(&at) {
                Some(error) => Err(error.clone()),
                None => (|| {
                    let identity = stored_identity(table, &binding.tenant, item)?;
                    expected.check(table, item, &identity)?;
                    let tokens = seen.look_at(table, item, matches!(cut, Cut::Whole));
                    cut.restrict(table, item);
                    let accepts = accepted.of(table, operation.index());
                    plain += item::open_in_place(table, &identity, &keys, accepts, item)?;
                    seen.compare(table, &identity, tokens, item);
                    Ok(answers_all(asking, table, item, operation.index())?)
                })(),
            };
            match opened {
                Ok(true) => cut.apply(item),
                Ok(false) => {
                    dropped.push(at);
                    item.clear();
                }
                Err(error) => {
                    unopened.push((at, unopened_item(table, item, sealed, error)));
                    item.clear();
                }
            }
        }
        seen.record();
        telemetry::record_plain_values(Purpose::Open, plain);
        Ok(unopened)
    });
    if let Ok(output) = &mut answer
        && !dropped.is_empty()
    {
        telemetry::record_dropped(dropped.len());
        operation.remove(output, &dropped);
        for (at, _) in unopened.iter_mut().flatten() {
            *at -= dropped.partition_point(|dropped| dropped < at);
        }
    }
    (answer, unopened)
}

/// Whether an opened item is what each lookup was asked for. Equal tokens may be of other values, copied or stale.
fn answers_all(asking: &[Asking], table: &TableSchema, item: &Item, index: Option<&str>) -> Result<bool, OpenError> {
    for asking in asking {
        if !asking.holds(table, item, index)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An error that concerns all items of the answer. Takes them out of the answer.
pub(super) fn close_answer(operation: &dyn Operation, error: &Error, answer: Answer, standing: Standing) -> Error {
    let (_, unopened) = visit_returned(operation, answer, |returned| {
        let unopened = |Returned { item, table, .. }: Returned<'_>| {
            let sealed = operation.writes().then(|| item.clone());
            unopened_item(table, item, sealed, error.clone())
        };
        Ok(returned.into_iter().map(unopened).collect::<Vec<_>>())
    });
    let unopened = unopened.ok().and_then(|items| Unopened::from_items(items, standing));
    Error::Unopened(unopened.unwrap_or_else(|| Unopened::whole(error.clone(), standing)))
}

fn unopened_item(table: &TableSchema, item: &Item, sealed: Option<Item>, error: Error) -> UnopenedItem {
    UnopenedItem { item: ItemRef::new(table, item), sealed: sealed.map(Sealed), error }
}

/// What an answer says about the request. `doubt` tells whether another answer to it was lost.
pub(super) fn standing(operation: &dyn Operation, answer: &Answer, doubt: bool) -> Standing {
    match (operation.writes(), answer) {
        (false, _) => Standing::READ,
        (true, Ok(_)) => Standing::written(Written::Yes),
        (true, Err(_)) => {
            let written = if doubt { Written::Unknown } else { Written::No };
            Standing { written, condition_failed: true }
        }
    }
}

impl Returned<'_> {
    /// The parts of the sealed item that were asked for or that open it, so that nothing else can fail or cost a key.
    fn view(&self) -> Cow<'_, Item> {
        if self.cut.is_whole() {
            return Cow::Borrowed(&*self.item);
        }
        let mut item = self.item.clone();
        self.cut.restrict(self.table, &mut item);
        Cow::Owned(item)
    }
}

/// Names the index that lacks a missing header or discriminator.
fn in_index(index: Option<&str>, error: OpenError) -> OpenError {
    match (index, error) {
        (Some(index), OpenError::Attribute { attribute, fault: OpenFault::NoHeader }) => {
            OpenError::IndexLacksHeader { index: index.to_owned(), attribute }
        }
        (Some(index), OpenError::Discriminator { discriminator, attribute }) => {
            OpenError::IndexLacksDiscriminator { index: index.to_owned(), discriminator, attribute }
        }
        (_, error) => error,
    }
}

/// Runs `visit` on the items of an answer, be it an output or an error.
fn visit_returned<T: Default>(
    operation: &dyn Operation,
    answer: Answer,
    visit: impl FnOnce(Vec<Returned<'_>>) -> Result<T, Error>,
) -> (Answer, Result<T, Error>) {
    match answer {
        Ok(mut output) => {
            let visited = operation.returned_items(Carrier::Output(&mut output)).map_err(Error::from).and_then(visit);
            (Ok(output), visited)
        }
        Err(error) if error.is_operation_error() => {
            let mut visited = Ok(T::default());
            let error = error.map_operation_error(|mut error| {
                visited = operation.returned_items(Carrier::Error(&mut error)).map_err(Error::from).and_then(visit);
                error
            });
            (Err(error), visited)
        }
        other => (other, Ok(T::default())),
    }
}
