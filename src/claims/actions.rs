//! The actions of a transaction on claims, and on the items that have them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};

use super::entry::{Claims, ENTRY, KEY, Spot};
use super::plan::ClaimWrite;
use crate::error::{Error, Refusal};
use crate::item::Item;

impl Claims<'_> {
    /// The action that stores or deletes a claim, unless another item has it.
    pub(crate) fn action(self, write: &ClaimWrite) -> Result<TransactWriteItem, Error> {
        let ClaimWrite { entry, to, from, .. } = write;
        let mut condition = "attribute_not_exists(#entry)".to_owned();
        let mut values = Item::new();
        for (at, key) in from.iter().enumerate() {
            condition.push_str(&format!(" OR #key = :key{at}"));
            values.insert(format!(":key{at}"), AttributeValue::M(key.clone()));
        }
        let names = names([("#entry", ENTRY), ("#key", KEY)]);
        let action = TransactWriteItem::builder();
        Ok(match to {
            Some(key) => {
                let mut item = self.key(entry);
                item.insert(KEY.to_owned(), AttributeValue::M(key.clone()));
                let put = Put::builder().table_name(self.table).set_item(Some(item)).condition_expression(condition);
                let put = put.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
                action.put(put.build().map_err(|_| Refusal::Action)?)
            }
            None => {
                let key = Some(self.key(entry));
                let delete = Delete::builder().table_name(self.table).set_key(key).condition_expression(condition);
                let delete = delete.set_expression_attribute_names(Some(names));
                action
                    .delete(delete.set_expression_attribute_values(Some(values)).build().map_err(|_| Refusal::Action)?)
            }
        }
        .build())
    }
}

/// A check of an item's token: that it is this one, or that it is not.
pub(super) fn check(spot: &Spot, key: &Item, token: &str, is_there: bool) -> Result<TransactWriteItem, Error> {
    let condition = match is_there {
        true => "#token = :token",
        false => "attribute_not_exists(#token) OR #token <> :token",
    };
    let check = ConditionCheck::builder().table_name(&*spot.physical).set_key(Some(key.clone()));
    let check = check
        .condition_expression(condition)
        .set_expression_attribute_names(Some(names([("#token", spot.lookup().stored())])))
        .expression_attribute_values(":token", AttributeValue::S(token.to_owned()));
    let check = check.build().map_err(|_| Refusal::Action)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

fn names<const N: usize>(names: [(&str, &str); N]) -> HashMap<String, String> {
    names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned())).into()
}
