//! BatchWriteItem: puts and deletes in several tables. What was not processed comes back as the caller gave it, so that a retry just
//! works, and needs no key for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::{Input, Output};

use super::Binding;
use super::actions::{Conditional, ItemPut};
use super::operation::{Carrier, Operation, Returned, required, taken};
use crate::crypto::OsRandom;
use crate::error::Error;
use crate::format::Identity;
use crate::item::{Item, Nonces, OpenError, UnwrappedKey, stored_identity};
use crate::schema::{RecordPlace, TableSchema};
use crate::tenant::TenantId;

pub(super) struct BatchWrite {
    tenant: TenantId,
    /// Without the items of its puts. Taken when it is sealed.
    input: Option<BatchWriteItemInput>,
    /// By the table's name as the request has it.
    tables: HashMap<String, TableWrites>,
}

/// What is written to one table.
struct TableWrites {
    table: Arc<TableSchema>,
    /// In the order of the request.
    puts: Vec<ItemPut>,
    /// What the caller put.
    given: HashMap<Identity, Item>,
    /// What the caller deleted.
    deleted: HashSet<Identity>,
}

impl BatchWrite {
    pub(super) fn check(input: &BatchWriteItemInput, binding: &Binding) -> Result<Self, Error> {
        let mut input = input.clone();
        let mut tables = HashMap::new();
        for (name, writes) in input.request_items.iter_mut().flatten() {
            let table = Arc::clone(binding.table(Some(name))?);
            let (mut puts, mut given, mut deleted) = (Vec::new(), HashMap::new(), HashSet::new());
            for write in writes {
                if let Some(put) = &mut write.put_request {
                    let item = std::mem::take(&mut put.item);
                    let checked = ItemPut::check(binding, Some(name), Some(item.clone()), Conditional::NONE)?;
                    given.insert(checked.target.identity.clone(), item);
                    puts.push(checked);
                }
                if let Some(delete) = &write.delete_request {
                    deleted.insert(binding.identity_of_key(&table, Some(&delete.key))?);
                }
            }
            tables.insert(name.clone(), TableWrites { table, puts, given, deleted });
        }
        Ok(Self { tenant: binding.tenant.clone(), input: Some(input), tables })
    }
}

impl Operation for BatchWrite {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.tables.values().map(|writes| (&*writes.table, writes.puts.len())).collect()
    }

    fn seals(&self) -> Option<RecordPlace> {
        self.tables.values().filter(|writes| !writes.puts.is_empty()).map(|writes| writes.table.record_place()).max()
    }

    fn sealed(&mut self, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let mut input = taken(&mut self.input)?;
        for (name, writes) in input.request_items.iter_mut().flatten() {
            let checked = self.tables.get_mut(name).map(|writes| writes.puts.iter_mut()).into_iter().flatten();
            for (put, checked) in writes.iter_mut().filter_map(|write| write.put_request.as_mut()).zip(checked) {
                put.item = checked.seal(required(key)?, Nonces::Random(&OsRandom))?;
            }
        }
        Ok(Some(Input::erase(input)))
    }

    /// None is opened.
    fn returned<'a>(&'a self, _: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        Ok(Vec::new())
    }

    fn finish(&mut self, output: &mut Output) -> Result<(), OpenError> {
        let output = output.downcast_mut::<BatchWriteItemOutput>();
        for (name, writes) in output.and_then(|output| output.unprocessed_items.as_mut()).into_iter().flatten() {
            let TableWrites { table, given, deleted, .. } = self.tables.get_mut(name).ok_or(OpenError::OtherItem)?;
            for write in writes {
                if let Some(put) = &mut write.put_request {
                    let identity = stored_identity(table, &self.tenant, &put.item)?;
                    put.item = given.remove(&identity).ok_or(OpenError::OtherItem)?;
                }
                // Or the caller's retry would delete what somebody on the way chose.
                if let Some(delete) = &write.delete_request
                    && !deleted.remove(&stored_identity(table, &self.tenant, &delete.key)?)
                {
                    return Err(OpenError::OtherItem);
                }
            }
        }
        Ok(())
    }
}
