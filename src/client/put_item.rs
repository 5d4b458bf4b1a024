//! PutItem: the whole item is sealed under the tenant's current data key.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::types::ReturnValue;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::KeyRecordPlacement;

use super::Binding;
use super::actions::{ItemPut, condition_of_write, condition_parts};
use super::expressions::no_legacy;
use super::notes::Mark;
use super::operation::{Carrier, Keys, Leaves, NOT_CHECKED, Operation, Returned, downcast_input, returned_item};
use crate::error::Error;
use crate::item::OpenError;
use crate::leaves::PlainNames;
use crate::schema::TableSchema;
use tenantseal_core::envelope::Nonces;

pub(super) struct Put {
    put: ItemPut,
    gives_old: bool,
}

impl Put {
    pub(super) fn check(input: &PutItemInput, binding: &Binding) -> Result<Self, Error> {
        let conditional = condition_of_write!(input);
        let put = ItemPut::check(binding, input.table_name(), input.item(), conditional)?;
        Ok(Self { put, gives_old: input.return_values == Some(ReturnValue::AllOld) })
    }
}

impl Operation for Put {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.put.target.table, usize::from(self.put.seals().is_some()))]
    }

    fn seals(&self) -> Option<KeyRecordPlacement> {
        self.put.seals()
    }

    fn adopted(&self) -> Vec<Arc<TableSchema>> {
        self.put.adopted().into_iter().collect()
    }

    fn write_plain(&mut self, table: &str, names: &PlainNames) {
        self.put.write_plain(table, names);
    }

    fn lookups(&self) -> Vec<u16> {
        self.put.lookups().collect()
    }

    fn seal(&mut self, mut input: Input, keys: &Keys<'_>) -> Result<Input, Error> {
        let given = downcast_input::<PutItemInput>(&mut input)?;
        self.put.seal(keys, Nonces::Random(&OsRandom), given.item.as_mut().ok_or(NOT_CHECKED)?)?;
        self.put.write_condition(keys, condition_parts!(given))?;
        Ok(input)
    }

    fn writes(&self) -> bool {
        true
    }

    fn gives_old(&self) -> Option<Leaves> {
        self.gives_old.then_some(Leaves::Something)
    }

    fn marks(&self, sent: &Input) -> Vec<Mark> {
        let item = sent.downcast_ref::<PutItemInput>().and_then(|input| input.item.as_ref());
        item.map(|item| self.put.marks(item)).unwrap_or_default()
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let item = returned_item!(answer, PutItemOutput, PutItemError);
        Ok(item.map(|item| self.put.target.returned(item)).into_iter().collect())
    }
}
