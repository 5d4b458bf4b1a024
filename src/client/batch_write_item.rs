//! BatchWriteItem: puts and deletes in several tables. What was not processed comes back opened, so that a retry just works.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItem, BatchWriteItemInput, BatchWriteItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::actions::{Conditional, Cut, Target};
use super::operation::{Carrier, Operation, Returned, required};
use crate::crypto::OsRandom;
use crate::error::{Error, Refusal};
use crate::item::{Nonces, UnwrappedKey};
use crate::schema::TableSchema;

pub(super) struct BatchWrite {
    /// Taken when it is sealed.
    input: Option<BatchWriteItemInput>,
    /// By the table's name as the request has it.
    tables: HashMap<String, Arc<TableSchema>>,
    seals: bool,
}

impl BatchWrite {
    pub(super) fn check(input: &BatchWriteItemInput, binding: &Binding) -> Result<Self, Error> {
        let mut tables = HashMap::new();
        let mut seals = false;
        for (name, writes) in input.request_items().into_iter().flatten() {
            tables.insert(name.clone(), Arc::clone(binding.table(Some(name))?));
            for write in writes {
                if let Some(put) = &write.put_request {
                    Target::of_item(binding, Some(name), Some(&put.item), Conditional::NONE)?;
                    seals = true;
                }
                if let Some(delete) = &write.delete_request {
                    Target::of_key(binding, Some(name), Some(&delete.key), Conditional::NONE)?;
                }
            }
        }
        Ok(Self { input: Some(input.clone()), tables, seals })
    }
}

impl Operation for BatchWrite {
    fn seals(&self) -> bool {
        self.seals
    }

    fn sealed(&mut self, binding: &Binding, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let mut input = self.input.take().ok_or(Refusal::Missing("RequestItems"))?;
        for (name, writes) in input.request_items.iter_mut().flatten() {
            for put in writes.iter_mut().filter_map(|write| write.put_request.as_mut()) {
                let item = std::mem::take(&mut put.item);
                let table = binding.table(Some(name))?;
                put.item = binding.seal(table, required(key)?, Nonces::Random(&OsRandom), item)?;
            }
        }
        Ok(Some(Input::erase(input)))
    }

    fn sdk(&self) -> FrozenLayer {
        BatchWriteItem::new().config().expect("the SDK's operations have a configuration")
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Vec<Returned<'a>> {
        let Carrier::Output(output) = answer else { return Vec::new() };
        let unprocessed =
            output.downcast_mut::<BatchWriteItemOutput>().and_then(|output| output.unprocessed_items.as_mut());
        let mut returned = Vec::new();
        for (name, writes) in unprocessed.into_iter().flatten() {
            let Some(table) = self.tables.get(name) else { continue };
            let puts = writes.iter_mut().filter_map(|write| write.put_request.as_mut());
            returned.extend(puts.map(|put| Returned { item: &mut put.item, table, expected: None, cut: Cut::Whole }));
        }
        returned
    }
}
