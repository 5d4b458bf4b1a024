//! TransactWriteItems: puts, updates, deletes and condition checks at one moment.
//!
//! A caller who repeats a request with its own ClientRequestToken must send the same bytes as before. So the nonces are
//! derived from the token, and the data key is pinned to it.

use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput};
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem, Update};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::tenant::TenantId;

use std::sync::Arc;

use super::Binding;
use super::actions::{CheckedCondition, ConditionParts, ItemPut, Target, condition_parts, conditional};
use super::claiming::Claiming;
use super::item_update::ItemUpdate;
use super::operation::{Carrier, Keys, NOT_CHECKED, Operation, Returned, downcast_input};
use super::unique::require_unchanged;
use crate::claims::{Claims, Stored, Touch};
use crate::error::{Error, Refusal};
use crate::item::OpenError;
use crate::leaves::PlainNames;
use crate::schema::TableSchema;
use tenantseal_core::envelope::Nonces;

pub(super) struct TransactWrite {
    /// In the order of the request, which is also that of the cancellation reasons.
    actions: Vec<Action>,
    token: Option<String>,
    /// The repository's claims of unique values, and the table that they go to.
    claiming: Option<(Claiming, Arc<str>, TenantId)>,
}

enum Action {
    Put(ItemPut),
    Update(ItemUpdate),
    /// A delete or a condition check.
    Other(Target, CheckedCondition),
}

impl TransactWrite {
    pub(super) fn check(input: &TransactWriteItemsInput, binding: &Binding) -> Result<Self, Error> {
        // DynamoDB's own bounds. The nonces are derived from the token.
        if input.client_request_token().is_some_and(|token| !(1..=36).contains(&token.len())) {
            return Err(Refusal::Token.into());
        }
        let items = input.transact_items.iter().flatten();
        let actions = items.map(|item| Action::check(item, binding)).collect::<Result<_, _>>()?;
        Ok(Self { token: input.client_request_token.clone(), actions, claiming: None })
    }
}

impl TransactWrite {
    /// Adds to sealed actions that what was read of their items is unchanged, and the claims that go with them.
    fn write_claims(
        &self,
        claiming: &Claiming,
        claims: Claims<'_>,
        items: &mut Vec<TransactWriteItem>,
    ) -> Result<(), Error> {
        let mut touched = Vec::new();
        if claiming.stored().len() != self.actions.len() {
            return Err(NOT_CHECKED);
        }
        for ((item, action), stored) in items.iter_mut().zip(&self.actions).zip(claiming.stored()) {
            let touches = action.touches(item, stored)?;
            let unchanged = stored.unchanged(&action.target().table, &touches);
            let TransactWriteItem { put, delete, update, .. } = item;
            match (put, update, delete) {
                (Some(put), ..) => require_unchanged(unchanged, condition_parts!(put))?,
                (_, Some(update), _) => require_unchanged(unchanged, condition_parts!(update))?,
                (.., Some(delete)) => require_unchanged(unchanged, condition_parts!(delete))?,
                _ => {}
            }
            touched.extend(touches);
        }
        claiming.write(claims, &touched, items)
    }
}

impl Action {
    fn check(item: &TransactWriteItem, binding: &Binding) -> Result<Self, Error> {
        let TransactWriteItem { condition_check, put, delete, update, .. } = item;
        Ok(match (put, update, delete, condition_check) {
            (Some(put), None, None, None) => {
                Self::Put(ItemPut::check_any(binding, Some(&put.table_name), Some(&put.item), conditional!(put))?)
            }
            (None, Some(update), None, None) => {
                let Update { table_name, key, update_expression, .. } = update;
                let expression = Some(update_expression.as_str());
                Self::Update(ItemUpdate::check_any(
                    binding,
                    Some(table_name),
                    Some(key),
                    expression,
                    conditional!(update),
                )?)
            }
            (None, None, Some(delete), None) => {
                let Delete { table_name, key, .. } = delete;
                let (target, condition) = Target::for_key(binding, Some(table_name), Some(key), conditional!(delete))?;
                Self::Other(target, condition)
            }
            (None, None, None, Some(check)) => {
                let ConditionCheck { table_name, key, .. } = check;
                let (target, condition) = Target::for_key(binding, Some(table_name), Some(key), conditional!(check))?;
                Self::Other(target, condition)
            }
            _ => {
                return Err(Refusal::Action.into());
            }
        })
    }

    fn seals(&self) -> Option<KeyRecordPlacement> {
        match self {
            Self::Put(put) => put.seals(),
            Self::Update(update) => update.seals(),
            Self::Other(..) => None,
        }
    }

    fn lookups(&self) -> Vec<u16> {
        match self {
            Self::Put(put) => put.lookups().collect(),
            Self::Update(update) => update.lookups().collect(),
            Self::Other(target, condition) => condition.lookups(&target.table).collect(),
        }
    }

    /// Refuses an action that stores a unique value without its claim.
    fn refuse_unique(self) -> Result<Self, Error> {
        Ok(match self {
            Self::Put(put) => Self::Put(put.refuse_unique()?),
            Self::Update(update) => Self::Update(update.refuse_unique()?),
            other @ Self::Other(..) => other,
        })
    }

    /// The changes of unique lookups that the sealed action makes.
    fn touches(&self, item: &TransactWriteItem, stored: &Stored) -> Result<Vec<Touch>, Error> {
        let TransactWriteItem { put, delete, update, .. } = item;
        match (self, put, update, delete) {
            (Self::Put(checked), Some(put), ..) => checked.touches(&put.table_name, &put.item, stored),
            (Self::Update(checked), _, Some(update), _) => {
                let values = update.expression_attribute_values.as_ref();
                checked.touches(&update.table_name, &update.key, values, stored)
            }
            (Self::Other(target, _), _, _, Some(delete)) => {
                target.touches_of_delete(&delete.table_name, &delete.key, stored)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn target(&self) -> &Target {
        match self {
            Self::Put(put) => &put.target,
            Self::Other(target, _) => target,
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

    fn claim(&mut self, claiming: Option<Claiming>, binding: &Binding) -> Result<(), Error> {
        match (claiming, &binding.claims) {
            (Some(claiming), Some(table)) => {
                self.claiming = Some((claiming, Arc::clone(table), binding.tenant.clone()));
            }
            _ => {
                let actions = std::mem::take(&mut self.actions).into_iter();
                self.actions = actions.map(Action::refuse_unique).collect::<Result<_, _>>()?;
            }
        }
        Ok(())
    }

    fn adopted(&self) -> Vec<Arc<TableSchema>> {
        let adopted = self.actions.iter().filter_map(|action| match action {
            Action::Put(put) => put.adopted(),
            Action::Update(update) => update.adopted(),
            Action::Other(..) => None,
        });
        adopted.collect()
    }

    fn write_plain(&mut self, table: &str, names: &PlainNames) {
        for action in &mut self.actions {
            match action {
                Action::Put(put) => put.write_plain(table, names),
                Action::Update(update) => update.write_plain(table, names),
                Action::Other(..) => {}
            }
        }
    }

    fn lookups(&self) -> Vec<u16> {
        self.actions.iter().flat_map(Action::lookups).collect()
    }

    fn seal(&mut self, mut input: Input, keys: &Keys<'_>) -> Result<Input, Error> {
        let TransactWriteItemsInput { transact_items, .. } = downcast_input(&mut input)?;
        let nonces = self.token.as_deref().map_or(Nonces::Random(&OsRandom), Nonces::FromToken);
        let items = transact_items.as_deref_mut().unwrap_or_default();
        if items.len() != self.actions.len() {
            return Err(NOT_CHECKED);
        }
        for (item, action) in items.iter_mut().zip(&mut self.actions) {
            let TransactWriteItem { condition_check, put, delete, update, .. } = item;
            match (action, put, update, delete, condition_check) {
                (Action::Put(checked), Some(put), None, None, None) => {
                    checked.seal(keys, nonces, &mut put.item)?;
                    checked.write_condition(keys, condition_parts!(put))?;
                }
                (Action::Update(checked), None, Some(update), None, None) => {
                    let mut expression = None;
                    checked.seal(keys, nonces, &mut expression, condition_parts!(update))?;
                    if let Some(expression) = expression {
                        update.update_expression = expression;
                    }
                }
                (Action::Other(target, condition), None, None, Some(delete), None) => {
                    condition.write(&target.table, keys, condition_parts!(delete))?;
                }
                (Action::Other(target, condition), None, None, None, Some(check)) => {
                    let mut expression = Some(std::mem::take(&mut check.condition_expression));
                    let parts = ConditionParts {
                        condition: &mut expression,
                        names: &mut check.expression_attribute_names,
                        values: &mut check.expression_attribute_values,
                    };
                    condition.write(&target.table, keys, parts)?;
                    check.condition_expression = expression.unwrap_or_default();
                }
                _ => return Err(NOT_CHECKED),
            }
        }
        if let Some((claiming, table, tenant)) = &self.claiming {
            let items = transact_items.get_or_insert_default();
            self.write_claims(claiming, Claims { table, tenant }, items)?;
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
