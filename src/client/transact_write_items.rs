//! TransactWriteItems: puts, updates, deletes and condition checks at one moment.
//!
//! A caller who repeats a request with its own ClientRequestToken must send the same bytes as before. So the nonces are
//! derived from the token, and the data key is pinned to it.

use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput};
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem, Update};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::{KeyRecordPlacement, VerifiedDataKey};

use super::Binding;
use super::actions::{ItemPut, ItemUpdate, Target, conditional};
use super::operation::{Carrier, NOT_CHECKED, Operation, Returned, downcast_input, require_key};
use crate::error::{Error, Refusal};
use crate::item::OpenError;
use crate::schema::TableSchema;
use tenantseal_core::envelope::Nonces;

pub(super) struct TransactWrite {
    /// In the order of the request, which is also that of the cancellation reasons.
    actions: Vec<Action>,
    token: Option<String>,
}

enum Action {
    Put(ItemPut),
    Update(ItemUpdate),
    /// A delete or a condition check.
    Other(Target),
}

impl TransactWrite {
    pub(super) fn check(input: &TransactWriteItemsInput, binding: &Binding) -> Result<Self, Error> {
        // DynamoDB's own bounds. The nonces are derived from the token.
        if input.client_request_token().is_some_and(|token| !(1..=36).contains(&token.len())) {
            return Err(Refusal::Token.into());
        }
        let items = input.transact_items.iter().flatten();
        let actions = items.map(|item| Action::check(item, binding)).collect::<Result<_, _>>()?;
        Ok(Self { token: input.client_request_token.clone(), actions })
    }
}

impl Action {
    fn check(item: &TransactWriteItem, binding: &Binding) -> Result<Self, Error> {
        let TransactWriteItem { condition_check, put, delete, update, .. } = item;
        Ok(match (put, update, delete, condition_check) {
            (Some(put), None, None, None) => {
                Self::Put(ItemPut::check(binding, Some(&put.table_name), Some(&put.item), conditional!(put))?)
            }
            (None, Some(update), None, None) => {
                let Update { table_name, key, update_expression, .. } = update;
                let expression = Some(update_expression.as_str());
                Self::Update(ItemUpdate::check(binding, Some(table_name), Some(key), expression, conditional!(update))?)
            }
            (None, None, Some(delete), None) => {
                let Delete { table_name, key, .. } = delete;
                Self::Other(Target::for_key(binding, Some(table_name), Some(key), conditional!(delete))?)
            }
            (None, None, None, Some(check)) => {
                let ConditionCheck { table_name, key, .. } = check;
                Self::Other(Target::for_key(binding, Some(table_name), Some(key), conditional!(check))?)
            }
            _ => {
                return Err(Refusal::Action.into());
            }
        })
    }

    fn seals(&self) -> Option<KeyRecordPlacement> {
        match self {
            Self::Put(put) => Some(put.target.table.record_place()),
            Self::Update(update) => update.seals(),
            Self::Other(_) => None,
        }
    }

    fn target(&self) -> &Target {
        match self {
            Self::Put(put) => &put.target,
            Self::Other(target) => target,
            Self::Update(update) => &update.target,
        }
    }
}

impl Operation for TransactWrite {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.actions.iter().map(|action| (&*action.target().table, usize::from(action.seals().is_some()))).collect()
    }

    fn seals(&self) -> Option<KeyRecordPlacement> {
        self.actions.iter().filter_map(Action::seals).max()
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn forget_token(&mut self) {
        self.token = None;
    }

    fn writes(&self) -> bool {
        true
    }

    fn seal(&mut self, mut input: Input, key: Option<&VerifiedDataKey>) -> Result<Input, Error> {
        let TransactWriteItemsInput { transact_items, .. } = downcast_input(&mut input)?;
        let nonces = self.token.as_deref().map_or(Nonces::Random(&OsRandom), Nonces::FromToken);
        let items = transact_items.as_deref_mut().unwrap_or_default();
        if items.len() != self.actions.len() {
            return Err(NOT_CHECKED);
        }
        for (item, action) in items.iter_mut().zip(&self.actions) {
            match (action, &mut item.put, &mut item.update) {
                (Action::Put(checked), Some(put), None) => checked.seal(require_key(key)?, nonces, &mut put.item)?,
                (Action::Update(action), None, Some(update)) if action.seals().is_some() => {
                    let Update { update_expression, expression_attribute_values, .. } = update;
                    let mut expression = None;
                    action.seal(require_key(key)?, nonces, &mut expression, expression_attribute_values)?;
                    if let Some(expression) = expression {
                        *update_expression = expression;
                    }
                }
                (Action::Update(_), None, Some(_)) | (Action::Other(_), None, None) => {}
                _ => return Err(NOT_CHECKED),
            }
        }
        Ok(input)
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Error(error) = answer else { return Ok(Vec::new()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_mut() else {
            return Ok(Vec::new());
        };
        let mut returned = Vec::new();
        for (at, reason) in cancelled.cancellation_reasons.iter_mut().flatten().enumerate() {
            if let Some(item) = reason.item.as_mut() {
                returned.push(self.actions.get(at).ok_or(OpenError::OtherItem)?.target().returned(item));
            }
        }
        Ok(returned)
    }
}
