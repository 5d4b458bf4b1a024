//! BatchWriteItem: puts and deletes in several tables. What was not processed comes back opened, so that a retry just works.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::{Conditional, ItemPut, Target};
use super::operation::{Carrier, Cut, Expected, Operation, Returned, required};
use crate::crypto::OsRandom;
use crate::error::{Error, Refusal};
use crate::format::Identity;
use crate::item::{Nonces, OpenError, UnwrappedKey};
use crate::schema::TableSchema;

pub(super) struct BatchWrite {
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
    /// Whose items the puts are.
    identities: HashSet<Identity>,
}

impl BatchWrite {
    pub(super) fn check(input: &BatchWriteItemInput, binding: &Binding) -> Result<Self, Error> {
        let mut input = input.clone();
        let mut tables = HashMap::new();
        for (name, writes) in input.request_items.iter_mut().flatten() {
            let table = Arc::clone(binding.table(Some(name))?);
            let mut puts = Vec::new();
            for write in writes {
                if let Some(put) = &mut write.put_request {
                    let item = std::mem::take(&mut put.item);
                    puts.push(ItemPut::check(binding, Some(name), Some(item), Conditional::NONE)?);
                }
                if let Some(delete) = &write.delete_request {
                    Target::of_key(binding, Some(name), Some(&delete.key), Conditional::NONE)?;
                }
            }
            let identities = puts.iter().map(|put: &ItemPut| put.target.identity.clone()).collect();
            tables.insert(name.clone(), TableWrites { table, puts, identities });
        }
        Ok(Self { input: Some(input), tables })
    }
}

impl Operation for BatchWrite {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.tables.values().map(|writes| (&*writes.table, writes.puts.len())).collect()
    }

    fn seals(&self) -> bool {
        self.tables.values().any(|writes| !writes.puts.is_empty())
    }

    fn sealed(&mut self, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let mut input = self.input.take().ok_or(Refusal::Missing("RequestItems"))?;
        for (name, writes) in input.request_items.iter_mut().flatten() {
            let checked = self.tables.get_mut(name).map(|writes| writes.puts.iter_mut()).into_iter().flatten();
            for (put, checked) in writes.iter_mut().filter_map(|write| write.put_request.as_mut()).zip(checked) {
                put.item = checked.seal(required(key)?, Nonces::Random(&OsRandom))?;
            }
        }
        Ok(Some(Input::erase(input)))
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let unprocessed =
            output.downcast_mut::<BatchWriteItemOutput>().and_then(|output| output.unprocessed_items.as_mut());
        let mut returned = Vec::new();
        for (name, writes) in unprocessed.into_iter().flatten() {
            let TableWrites { table, identities, .. } = self.tables.get(name).ok_or(OpenError::OtherItem)?;
            let expected = Expected::Among(identities);
            let puts = writes.iter_mut().filter_map(|write| write.put_request.as_mut());
            returned.extend(puts.map(|put| Returned { item: &mut put.item, table, expected, cut: Cut::Whole }));
        }
        Ok(returned)
    }
}
