//! What leaves let a request write as plaintext, and an answer have as plaintext.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future;
use tenantseal_core::envelope::Purpose;
use tenantseal_core::telemetry;

use super::Binding;
use super::operation::Operation;
use crate::error::{Error, LeaveError, LeaveErrorKind};
use crate::item::{Accepts, Item, OpenError, has_plaintext};
use crate::leaves::{Asking, Grant, Lease, Leaves, PlainNames};
use crate::schema::TableSchema;

impl Binding {
    /// The process's leaves, and the question for this table.
    fn leave_of<'a>(&'a self, table: &'a TableSchema) -> Option<(&'a Arc<Leaves>, Asking<'a>)> {
        let Self { tenant, keys, audit, leaves, .. } = self;
        Some((leaves.as_ref().filter(|_| !table.adopted().is_empty())?, Asking { tenant, keys, audit, table }))
    }

    /// What the tenant's leave for this table grants; `None` when there is none in force.
    pub(crate) async fn leave(&self, table: &TableSchema) -> Result<Option<Grant>, Error> {
        match self.leave_of(table) {
            Some((leaves, asking)) => leaves.ask(asking).await,
            None => Ok(None),
        }
    }

    /// The same, as far as this process knows it: else `None`.
    fn known_leave(&self, table: &TableSchema) -> Option<Option<Grant>> {
        match self.leave_of(table) {
            Some((leaves, asking)) => leaves.known(asking),
            None => Some(None),
        }
    }
}

/// What leaves say of the items of an answer, by logical table. Tables that are not here have sealed items alone.
#[derive(Default)]
pub(crate) struct Accepted(BTreeMap<String, Result<Option<Arc<PlainNames>>, Error>>);

impl Accepted {
    /// Asks for the leaves of these tables.
    pub(crate) async fn ask(binding: &Binding, tables: Vec<Arc<TableSchema>>) -> Self {
        let asked = tables.iter().map(|table| async {
            let granted = binding.leave(table).await.map(|grant| grant.map(|grant| grant.names));
            (table.name().to_owned(), granted)
        });
        Self(future::join_all(asked).await.into_iter().collect())
    }

    /// The leaves could not be asked for in time.
    pub(super) fn slow(tables: Vec<Arc<TableSchema>>) -> Self {
        let slow = |table: &TableSchema| Err(LeaveError::new(table.name(), LeaveErrorKind::Unavailable).into());
        Self(tables.iter().map(|table| (table.name().to_owned(), slow(table))).collect())
    }

    /// What the attributes of a table's items may be. An index may not project the header.
    pub(crate) fn of(&self, table: &TableSchema, index: Option<&str>) -> Accepts<'_> {
        match (self.0.get(table.name()), index) {
            (Some(Ok(Some(names))), None) => Accepts::Plain(names),
            (Some(Ok(Some(names))), Some(_)) => Accepts::PlainInIndex(names),
            _ => Accepts::SealedOnly,
        }
    }

    /// The error of an item that does not open: why its leave is not known, if that is the reason.
    pub(crate) fn explain(&self, table: &TableSchema, item: &Item, error: OpenError) -> Error {
        match self.0.get(table.name()) {
            Some(Err(unknown)) if has_plaintext(table, item) => unknown.clone(),
            _ => error.into(),
        }
    }
}

/// What leaves say of what a request writes.
#[derive(Default)]
pub(super) struct Adopting {
    /// The adopted tables to whose adopted attributes it writes.
    tables: Vec<Arc<TableSchema>>,
    /// Whether it is known how they are written.
    is_settled: bool,
    /// What is written as plaintext, and how long it may be signed.
    plain: BTreeMap<String, Arc<PlainNames>>,
    lease: Option<Lease>,
}

impl Adopting {
    /// Settles how the operation writes, if this process knows its leaves.
    pub(super) fn new(operation: &mut dyn Operation, binding: &Binding) -> Self {
        let mut tables = operation.adopted();
        tables.retain(|table| binding.leave_of(table).is_some());
        tables.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        tables.dedup_by(|one, other| one.name() == other.name());
        let mut adopting = Self { tables, ..Self::default() };
        if let Some(known) = adopting.tables.iter().map(|table| binding.known_leave(table)).collect::<Option<Vec<_>>>()
        {
            adopting.settle(operation, known);
        }
        adopting
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// The tables whose leaves must be asked for before the next attempt.
    pub(super) fn to_ask(&self, binding: &Binding) -> Vec<Arc<TableSchema>> {
        match (self.is_settled, self.lease, &binding.leaves) {
            (true, None, _) => Vec::new(),
            (true, Some(lease), Some(leaves)) if leaves.has_time(lease) => Vec::new(),
            _ => self.tables.clone(),
        }
    }

    /// Takes what was granted for [`to_ask`](Self::to_ask). What was sealed or left plain already stays so.
    pub(super) fn take(&mut self, operation: &mut dyn Operation, granted: Vec<Option<Grant>>) -> Result<(), Error> {
        if !self.is_settled {
            self.settle(operation, granted);
            return Ok(());
        }
        self.lease = None;
        for (table, grant) in self.tables.iter().zip(granted) {
            let Some(plain) = self.plain.get(table.name()) else { continue };
            match grant.filter(|grant| grant.writes_plain && plain.is_subset(&grant.names)) {
                Some(grant) => self.lease = Some(earliest(self.lease, grant.lease())),
                None => return Err(LeaveError::new(table.name(), LeaveErrorKind::Expired).into()),
            }
        }
        Ok(())
    }

    fn settle(&mut self, operation: &mut dyn Operation, granted: Vec<Option<Grant>>) {
        self.is_settled = true;
        for (table, grant) in self.tables.iter().zip(granted) {
            if let Some(grant) = grant.filter(|grant| grant.writes_plain) {
                operation.write_plain(table.name(), &grant.names);
                self.lease = Some(earliest(self.lease, grant.lease()));
                self.plain.insert(table.name().to_owned(), grant.names);
            }
        }
    }

    /// Fails when plaintext was signed too late: another process may have been told that none is written any more.
    pub(super) fn check_signed(&self, binding: &Binding) -> Result<(), Error> {
        let Some(lease) = self.lease else { return Ok(()) };
        if binding.leaves.as_ref().is_some_and(|leaves| leaves.holds(lease)) {
            return Ok(());
        }
        let table = self.plain.keys().next().map_or("", String::as_str);
        Err(LeaveError::new(table, LeaveErrorKind::Expired).into())
    }
}

fn earliest(lease: Option<Lease>, other: Lease) -> Lease {
    lease.map_or(other, |lease| lease.earlier(other))
}

/// How one item is written: which of its adopted attributes may stay plaintext.
#[derive(Default)]
pub(super) struct Written {
    /// The adopted attributes that it sets.
    adopted: PlainNames,
    /// Whether it sets other encrypted attributes, too.
    seals_others: bool,
    plain: PlainNames,
}

impl Written {
    pub(super) fn new((adopted, seals_others): (PlainNames, bool)) -> Self {
        Self { adopted, seals_others, plain: PlainNames::new() }
    }

    pub(super) fn adopts(&self) -> bool {
        !self.adopted.is_empty()
    }

    pub(super) fn write_plain(&mut self, names: &PlainNames) {
        self.plain = self.adopted.intersection(names).cloned().collect();
    }

    /// The attributes that stay plaintext.
    pub(super) fn plain(&self) -> &PlainNames {
        &self.plain
    }

    /// Whether anything is sealed. An item without encrypted attributes has a header, unless its adopted ones are plain.
    pub(super) fn seals(&self) -> bool {
        self.seals_others || self.plain.len() < self.adopted.len() || self.adopted.is_empty()
    }

    /// Records the values that are sent as plaintext.
    pub(super) fn record(&self) {
        telemetry::record_plain_values(Purpose::Seal, self.plain.len());
    }

    /// Whether this attribute stays plaintext.
    pub(super) fn is_plain(&self, name: &str) -> bool {
        self.plain.contains(name)
    }
}
