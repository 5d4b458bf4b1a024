//! BatchWriteItem: puts and deletes in several tables. Unprocessed writes come back as the caller gave them. So a retry
//! works unchanged, and needs no data key for them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::{Input, Output};
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::Identity;
use tenantseal_core::tenant::TenantId;

use super::actions::{Conditional, ItemPut};
use super::operation::{Carrier, Keys, NOT_CHECKED, Operation, Returned, downcast_input};
use super::{Binding, asked_name};
use crate::error::Error;
use crate::item::{Item, OpenError, stored_identity};
use crate::leaves::PlainNames;
use crate::schema::TableSchema;
use tenantseal_core::envelope::Nonces;

pub(super) struct BatchWrite {
    tenant: TenantId,
    /// Keyed by the table's name as the request gives it.
    tables: HashMap<String, TableWrites>,
}

/// The writes to one table.
struct TableWrites {
    table: Arc<TableSchema>,
    /// In the order of the request.
    puts: Vec<ItemPut>,
    /// The caller's items, once they are sealed.
    given: HashMap<Identity, Item>,
    /// The items that the caller deleted.
    deleted: HashSet<Identity>,
}

impl BatchWrite {
    pub(super) fn check(input: &BatchWriteItemInput, binding: &Binding) -> Result<Self, Error> {
        let mut tables = HashMap::new();
        for (name, writes) in input.request_items.iter().flatten() {
            let table = Arc::clone(binding.table(Some(name))?);
            let (mut puts, mut deleted) = (Vec::new(), HashSet::new());
            for write in writes {
                if let Some(put) = &write.put_request {
                    puts.push(ItemPut::check(binding, Some(name), Some(&put.item), Conditional::NONE)?);
                }
                if let Some(delete) = &write.delete_request {
                    deleted.insert(binding.identity_of_key(&table, Some(&delete.key))?);
                }
            }
            tables.insert(name.clone(), TableWrites { table, puts, given: HashMap::new(), deleted });
        }
        Ok(Self { tenant: binding.tenant.clone(), tables })
    }
}

impl Operation for BatchWrite {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.tables
            .values()
            .map(|writes| (&*writes.table, writes.puts.iter().filter_map(ItemPut::seals).count()))
            .collect()
    }

    fn seals(&self) -> Option<KeyRecordPlacement> {
        self.tables.values().flat_map(|writes| writes.puts.iter().filter_map(ItemPut::seals)).max()
    }

    fn adopted(&self) -> Vec<Arc<TableSchema>> {
        self.tables.values().flat_map(|writes| writes.puts.iter().filter_map(ItemPut::adopted)).collect()
    }

    fn write_plain(&mut self, table: &str, names: &PlainNames) {
        let puts = self.tables.values_mut().flat_map(|writes| &mut writes.puts);
        puts.for_each(|put| put.write_plain(table, names));
    }

    fn lookups(&self) -> Vec<u16> {
        self.tables.values().flat_map(|writes| writes.puts.iter().flat_map(ItemPut::lookups)).collect()
    }

    fn writes(&self) -> bool {
        true
    }

    fn seal(&mut self, mut input: Input, keys: &Keys<'_>) -> Result<Input, Error> {
        let BatchWriteItemInput { request_items, .. } = downcast_input(&mut input)?;
        for (name, writes) in request_items.iter_mut().flatten() {
            let TableWrites { puts, given, .. } = self.tables.get_mut(name).ok_or(NOT_CHECKED)?;
            let mut puts = puts.iter_mut();
            for put in writes.iter_mut().filter_map(|write| write.put_request.as_mut()) {
                let checked = puts.next().ok_or(NOT_CHECKED)?;
                given.insert(checked.target.identity.clone(), put.item.clone());
                checked.seal(keys, Nonces::Random(&OsRandom), &mut put.item)?;
            }
        }
        Ok(input)
    }

    /// A batch write returns no items to open.
    fn returned_items<'a>(&'a self, _: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        Ok(Vec::new())
    }

    fn finish(&mut self, output: &mut Output) -> Result<(), OpenError> {
        let Some(output) = output.downcast_mut::<BatchWriteItemOutput>() else { return Ok(()) };
        let Some(unprocessed) = output.unprocessed_items.take() else { return Ok(()) };
        let mut left = HashMap::new();
        for (answered, mut writes) in unprocessed {
            let name = asked_name(&self.tables, &answered).ok_or(OpenError::OtherItem)?.to_owned();
            let TableWrites { table, given, deleted, .. } = self.tables.get_mut(&name).ok_or(OpenError::OtherItem)?;
            for write in &mut writes {
                if let Some(put) = &mut write.put_request {
                    let identity = stored_identity(table, &self.tenant, &put.item)?;
                    put.item = given.remove(&identity).ok_or(OpenError::OtherItem)?;
                }
                // Without this check, the caller's retry could delete an item that somebody on the way chose.
                if let Some(delete) = &write.delete_request
                    && !deleted.remove(&stored_identity(table, &self.tenant, &delete.key)?)
                {
                    return Err(OpenError::OtherItem);
                }
            }
            left.insert(name, writes);
        }
        output.unprocessed_items = Some(left);
        Ok(())
    }
}
