//! Compares stored tokens with the values that they were made of.

use aws_sdk_dynamodb::types::AttributeValue;

use super::Tenant;
use crate::error::Error;
use crate::item::{Item, Prepared, Tokens, stored_identity};
use crate::schema::{LookupState, TableSchema, TokenState};

/// The letters of a mark, which says under which lookup key and definition a token was made (docs/FORMAT.md, section
/// 15).
const MARK: usize = 2;

impl Tenant {
    /// Opens stored items, makes the tokens of their lookups again, and compares. The outcomes are in the order of the
    /// items; each has the lookups of which the item has a token, or should have one, by name.
    ///
    /// It changes nothing. It makes no data key. Unless
    /// [`makes_no_lookup_keys`](crate::TenantSealBuilder::makes_no_lookup_keys) is set, it makes the tenant's lookup
    /// key where there is none.
    ///
    /// ```
    /// # async fn example(acme: tenantseal::Tenant, stored: Vec<tenantseal::Item>) -> Result<(), tenantseal::Error> {
    /// use tenantseal::schema::TokenState;
    ///
    /// for item in acme.verify_tokens("crm", stored).await? {
    ///     let wrong = item?.into_iter().filter(|(_, state)| *state != TokenState::Current);
    ///     wrong.for_each(|(lookup, state)| println!("{lookup}: {state:?}"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the table is not configured, or the tenant's lookup keys are not available. An item that does not open, or
    /// of which a lookup cannot take a value, has an error of its own.
    pub async fn verify_tokens(
        &self,
        table: &str,
        items: Vec<Item>,
    ) -> Result<Vec<Result<Vec<(String, TokenState)>, Error>>, Error> {
        let schema = self.table_by_any_name(table)?;
        let asked = schema.lookups().iter().filter(|lookup| lookup.state() != LookupState::Retired);
        let mut numbers: Vec<_> = asked.map(|lookup| lookup.key()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let keys = self.lookup_keys("verify", schema, &numbers, items.len()).await?;
        let made = Tokens::new(keys.as_ref(), self.id());
        let stored: Vec<Item> = items.iter().map(|item| tokens_in(schema, item)).collect();
        let opened = self.open_each(table, items).await?;
        let compared = opened.into_iter().zip(stored).map(|(opened, stored)| {
            let opened = opened?;
            let identity = stored_identity(schema, self.id(), &opened)?;
            let made = made.of_prepared(schema, &identity, &Prepared::new(schema, &opened)?)?;
            let made: Item = made.into_iter().collect();
            let states = schema.lookups().iter().filter_map(|lookup| {
                let state = state(stored.get(lookup.stored()), made.get(lookup.stored()))?;
                Some((lookup.name().to_owned(), state))
            });
            Ok(states.collect())
        });
        Ok(compared.collect())
    }
}

/// The stored tokens of an item, which opening takes away.
fn tokens_in(schema: &TableSchema, item: &Item) -> Item {
    let stored = schema.lookups().iter().filter_map(|lookup| item.get_key_value(lookup.stored()));
    stored.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `None` where no token is and none should be.
fn state(stored: Option<&AttributeValue>, made: Option<&AttributeValue>) -> Option<TokenState> {
    let (stored, made) = match (stored, made) {
        (None, None) => return None,
        (Some(_), None) => return Some(TokenState::LeftOver),
        (None, Some(_)) => return Some(TokenState::Missing),
        (Some(stored), Some(made)) => (stored, made),
    };
    let (stored, made) = (texts(stored), texts(made));
    let own = made.first().map(|made| beginning(made));
    Some(if stored == made {
        TokenState::Current
    } else if stored.iter().all(|token| Some(beginning(token)) == own) {
        TokenState::Stale
    } else {
        TokenState::OtherKey
    })
}

/// The tokens of a value, sorted; of no other type than a token has.
fn texts(value: &AttributeValue) -> Vec<&str> {
    let mut texts: Vec<&str> = match value {
        AttributeValue::S(token) => vec![token],
        AttributeValue::Ss(tokens) => tokens.iter().map(String::as_str).collect(),
        _ => vec![""],
    };
    texts.sort_unstable();
    texts
}

/// The tenant and the mark, with which all tokens of one lookup key and definition begin.
fn beginning(token: &str) -> &str {
    let mark = token.rfind('.').map_or(0, |dot| dot + 1 + MARK);
    token.get(..mark).unwrap_or_default()
}
