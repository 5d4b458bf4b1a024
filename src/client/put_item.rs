//! PutItem: the whole item is sealed under the tenant's current data key.

use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::{ItemPut, condition_of_write};
use super::expressions::no_legacy;
use super::operation::{Carrier, NOT_CHECKED, Operation, Returned, required, returned_item, typed};
use crate::crypto::OsRandom;
use crate::error::Error;
use crate::item::{Nonces, OpenError, UnwrappedKey};
use crate::schema::{RecordPlace, TableSchema};

pub(super) struct Put {
    put: ItemPut,
}

impl Put {
    pub(super) fn check(input: &PutItemInput, binding: &Binding) -> Result<Self, Error> {
        let conditional = condition_of_write!(input);
        let put = ItemPut::check(binding, input.table_name(), input.item(), conditional)?;
        Ok(Self { put })
    }
}

impl Operation for Put {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.put.target.table, 1)]
    }

    fn seals(&self) -> Option<RecordPlace> {
        Some(self.put.target.table.record_place())
    }

    fn sealed(&mut self, mut input: Input, key: Option<&UnwrappedKey>) -> Result<Input, Error> {
        let item = typed::<PutItemInput>(&mut input)?.item.as_mut().ok_or(NOT_CHECKED)?;
        self.put.seal(required(key)?, Nonces::Random(&OsRandom), item)?;
        Ok(input)
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let item = returned_item!(answer, PutItemOutput, PutItemError);
        Ok(item.map(|item| self.put.target.returned(item)).into_iter().collect())
    }
}
