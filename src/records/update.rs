//! Changes some attributes of one record.

use std::fmt;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{self, AttributeValue, ReturnValue, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::PrimaryKey;
use super::condition::{Condition, Writer};
use super::conditional::Conditional;
use super::convert::{own_attribute, record_error};
use super::outcome::{Before, Place};
use super::precondition::{Asked, has_version, own};
use super::repository::Records;
use super::request::{New, Nothing, Old, awaits, fmt_builder, require_built};
use super::transaction::{Action, Write};
use super::unique::{self, Act};
use super::values::{Given, Use};
use crate::client::{Notes, no_legacy};
use crate::error::{Error, Refusal};
use crate::expression;
use crate::schema::{Record, RecordField};

impl<T: Record> Records<T> {
    /// Changes some attributes of one record in one round trip, without reading it. See [`Update`].
    pub fn update<'a>(&self, key: impl Into<PrimaryKey>) -> Update<'a, T> {
        Update::new(self.clone(), key.into())
    }
}

/// An update of one record. Await it to send it, or give it to a transaction.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// contacts.update("c-17").set("email", "ada@example.org").remove("notes").add("logins", 1).await?;
/// # Ok(()) }
/// ```
///
/// It takes one round trip and reads nothing. Where there is no such record, it fails with `error.is_condition_failed()`, unlike DynamoDB's
/// own update, which would make an item of the primary key and what you set. [`upsert`](Self::upsert) does that.
///
/// For an optional flattened record set every attribute that it needs: an item with only some of them is an error when it is read.
///
/// A value goes through the field's own serialization, including `#[serde(with = "..")]`. A value that the record could not read back is
/// refused:
/// [`Refusal::Value`](crate::error::Refusal::Value), or [`Refusal::Required`](crate::error::Refusal::Required) of an attribute that is removed.
///
/// A record's version, if it has one, counts each update; [`expect_version`](Self::expect_version) checks it as well.
#[must_use = "nothing is changed before it is awaited"]
pub struct Update<'a, T, R = Nothing> {
    write: Conditional<'a, T, UpdateItemFluentBuilder, R>,
    key: PrimaryKey,
    actions: Vec<(Change, String, Option<Given>)>,
    may_make: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Set,
    SetIfNotExists,
    Remove,
    Add,
}

impl<'a, T: Record> Update<'a, T> {
    pub(super) fn new(records: Records<T>, key: PrimaryKey) -> Self {
        Self { write: Conditional::new(records), key, actions: Vec::new(), may_make: false }
    }

    /// Returns the record as it was before, if there was one.
    ///
    /// The library first reads it consistently, so that it never changes an item that does not open or is no such record. That takes one
    /// more call, and the permission to read.
    pub fn returning_old(self) -> Update<'a, T, Old> {
        self.returning()
    }

    /// Returns the whole record as it is now. If it does not open, the update has happened all the same, as `error.written()` says.
    pub fn returning_new(self) -> Update<'a, T, New> {
        self.returning()
    }

    fn returning<R>(self) -> Update<'a, T, R> {
        let Self { write, key, actions, may_make } = self;
        Update { write: write.returning(), key, actions, may_make }
    }
}

impl<'a, T: Record, R> Update<'a, T, R> {
    /// Assigns a value to an attribute, encrypted or plain.
    pub fn set(self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.give(Change::Set, name, value)
    }

    /// Assigns a value to an attribute that does not exist.
    pub fn set_if_not_exists(self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.give(Change::SetIfNotExists, name, value)
    }

    /// Removes an attribute that the record can do without: an `Option`, or `#[serde(default)]`.
    pub fn remove(self, name: impl Into<String>) -> Self {
        self.action(Change::Remove, name, None)
    }

    /// Adds a number, which may be negative, to a plain number; a missing one counts as 0. Adds elements to a plain set.
    ///
    /// If an answer is lost and the SDK retries the request, the number is added again. Where each must count once, use
    /// [`expect_version`](Self::expect_version).
    pub fn add(self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.give(Change::Add, name, value)
    }

    fn give(self, change: Change, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        let value = Given::to_store::<T>(&name, value);
        self.action(change, name, Some(value))
    }

    fn action(mut self, change: Change, name: impl Into<String>, value: Option<Given>) -> Self {
        self.actions.push((change, name.into(), value));
        self
    }

    /// Makes the record if there is none: of its primary key and what you set.
    ///
    /// All attributes that the record cannot be read without must be set; otherwise it is refused:
    /// [`Refusal::Upsert`](crate::error::Refusal::Upsert). So is every upsert of a record type whose discriminator is an attribute.
    pub fn upsert(mut self) -> Self {
        self.may_make = true;
        self
    }

    /// Changes the record only while it has this version; otherwise `error.is_conflict()`.
    pub fn expect_version(mut self, version: u64) -> Self {
        let is_last = version == u64::MAX;
        let last = || Err(record_error::<T>("its version is the last: no update can count on".to_owned()));
        self.write.require_version(if is_last { last() } else { has_version::<T>(version) });
        self
    }

    /// Changes the record only if it meets this condition; otherwise `error.is_condition_failed()`.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.write.require(condition);
        self
    }

    /// Changes the SDK's request before it is sent. An update expression that you set here is joined with the repository's. DynamoDB
    /// checks a condition expression together with the repository's; if it fails, that is no conflict.
    pub fn customize(
        mut self,
        change: impl FnOnce(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder + Send + 'a,
    ) -> Self {
        self.write.customize(change);
        self
    }

    fn request(self) -> Result<(UpdateItemFluentBuilder, Asked), Error> {
        let Self { mut write, key, mut actions, may_make } = self;
        let records = write.records.clone();
        let (table, schema) = records.table()?;
        let key = records.key(schema, key)?;
        if let Some((_, name, _)) = actions.iter().find(|(_, name, _)| is_fixed::<T>(name)) {
            let (record, attribute) = (std::any::type_name::<T>(), name.clone());
            return Err(Refusal::FixedAttribute { record, attribute }.into());
        }
        let removed = actions.iter().filter(|(change, ..)| *change == Change::Remove).map(|(_, name, _)| name.as_str());
        if let Some(name) = T::FORMS.required_of(&removed.collect::<Vec<_>>()) {
            let (record, attribute) = (std::any::type_name::<T>(), name.to_owned());
            return Err(Refusal::Required { record, attribute }.into());
        }
        if !may_make {
            write.require_existence(true);
        } else if let Some(attribute) = lacking::<T>(&actions) {
            let (record, attribute) = (std::any::type_name::<T>(), attribute.to_owned());
            return Err(Refusal::Upsert { record, attribute }.into());
        }
        if let Some(name) = T::SCHEMA.version() {
            actions.push((Change::Add, name.to_owned(), Some(Given::Stored(AttributeValue::N("1".to_owned())))));
        }
        let request = write.change(records.tenant.dynamodb().update_item().table_name(table).set_key(Some(key)));
        let mut writer = Writer::beside(&request);
        let update = both(request.get_update_expression().as_deref(), own_expression(&actions, &mut writer)?)?;
        let request = request.set_update_expression(update);
        let (request, asked) = write.write_condition(schema, own::<T>(), request, writer)?;
        records.check_changed(request.get_table_name().as_deref(), None)?;
        Ok((request, asked))
    }
}

/// What the caller updates and what the repository does, as one expression.
fn both(given: Option<&str>, own: Option<String>) -> Result<Option<String>, Refusal> {
    let (Some(given), Some(own)) = (given, &own) else { return Ok(given.map(str::to_owned).or(own)) };
    let parse = |expression| {
        let parsed = expression::Update::parse(expression);
        parsed.map_err(|source| Refusal::Expression { parameter: "UpdateExpression", source })
    };
    Ok(Some(parse(given)?.and(parse(own)?).to_string()))
}

/// The update expression; none when nothing is changed.
fn own_expression<T: Record>(
    actions: &[(Change, String, Option<Given>)],
    writer: &mut Writer<T>,
) -> Result<Option<String>, Error> {
    let (mut set, mut remove, mut add) = (Vec::new(), Vec::new(), Vec::new());
    for (change, name, value) in actions {
        let path = writer.name(name)?;
        let purpose = if *change == Change::Add { Use::Add } else { Use::Assign };
        let value = value.as_ref().map(|value| writer.value(name, value, purpose)).transpose()?;
        match (change, value) {
            (Change::Set, Some(value)) => set.push(format!("{path} = {value}")),
            (Change::SetIfNotExists, Some(value)) => set.push(format!("{path} = if_not_exists({path}, {value})")),
            (Change::Add, Some(value)) => add.push(format!("{path} {value}")),
            (_, None) | (Change::Remove, Some(_)) => remove.push(path),
        }
    }
    let clauses = [("SET", set), ("REMOVE", remove), ("ADD", add)];
    let clauses: Vec<_> = clauses
        .into_iter()
        .filter(|(_, actions)| !actions.is_empty())
        .map(|(keyword, actions)| format!("{keyword} {}", actions.join(", ")))
        .collect();
    Ok(Some(clauses.join(" ")).filter(|expression| !expression.is_empty()))
}

/// Whether an update may not touch the attribute: a key, the version or the discriminator.
fn is_fixed<T: Record>(name: &str) -> bool {
    use RecordField::{PartitionKey, SortKey, Version};
    T::SCHEMA.discriminator().is_some_and(|(discriminator, _)| discriminator == name)
        || matches!(T::SCHEMA.field(name), Some(PartitionKey { .. } | SortKey { .. } | Version { .. }))
}

/// An attribute that an item made by these actions would lack, and without which it could not be read.
fn lacking<T: Record>(actions: &[(Change, String, Option<Given>)]) -> Option<&'static str> {
    use RecordField::{PartitionKey, SortKey, Version};
    let is_there = |name: &str| {
        matches!(T::SCHEMA.field(name), Some(PartitionKey { .. } | SortKey { .. } | Version { .. }))
            || actions.iter().any(|(change, set, _)| *change != Change::Remove && set == name)
    };
    let discriminator = own_attribute::<T>().map(|(name, _)| name);
    discriminator.or_else(|| T::FORMS.lacking(&is_there))
}

fn place(request: &UpdateItemFluentBuilder) -> Place {
    Place { table: request.get_table_name().clone(), key: request.get_key().clone() }
}

impl<T: Record> Update<'_, T> {
    async fn send(self) -> Result<(), Error> {
        let records = self.write.records.clone();
        let (request, asked) = self.request()?;
        if let Some(act) = unique_act(&records, &request, asked)? {
            return unique::send_one(&records.tenant, act).await;
        }
        let (place, notes) = (place(&request), Notes::default());
        let answer = request.customize().config_override(notes.hook()).send().await;
        records.settle(answer, asked, place, &notes).await.map(drop)
    }
}

impl<T: Record + DeserializeOwned> Update<'_, T, Old> {
    async fn send(self) -> Result<Option<T>, Error> {
        let records = self.write.records.clone();
        let (request, asked) = self.request()?;
        let (place, notes) = (place(&request), Notes::raw());
        if let Some(act) = unique_act(&records, &request, asked)? {
            return unique::send_returning(&records, act, place).await;
        }
        let before = Before::read(&records, &place).await?;
        let request = request.return_values(ReturnValue::AllOld);
        let answer = request.customize().config_override(notes.hook()).send().await;
        let settled = records.settle(answer.map(|answer| answer.attributes), asked, place, &notes).await;
        before.settle_replace(&records, settled, &notes)
    }
}

impl<T: Record + DeserializeOwned> Update<'_, T, New> {
    async fn send(self) -> Result<T, Error> {
        let records = self.write.records.clone();
        let (request, asked) = self.request()?;
        let (place, notes) = (place(&request), Notes::raw());
        if let Some(act) = unique_act(&records, &request, asked)? {
            unique::send_one(&records.tenant, act).await?;
            return records.read_current(place).await;
        }
        let request = request.return_values(ReturnValue::AllNew);
        let answer = request.customize().config_override(notes.hook()).send().await;
        match records.settle(answer, asked, place.clone(), &notes).await? {
            Some(answer) => records.read_returned(answer.attributes.unwrap_or_default(), &notes),
            None => records.read_current(place).await,
        }
    }
}

awaits!(Update<Nothing> gives () where Record);
awaits!(Update<Old> gives Option<T> where Record + DeserializeOwned);
awaits!(Update<New> gives T where Record + DeserializeOwned);

impl<T: Record> Write for Update<'_, T> {}

impl<T: Record> Action for Update<'_, T> {
    fn action(self) -> Result<Act, Error> {
        let has_unique = self.write.records.has_unique()?;
        let (request, asked) = self.request()?;
        to_act(&request, asked, has_unique)
    }
}

/// The request with its claims, when it writes or removes unique values.
fn unique_act<T: Record>(
    records: &Records<T>,
    request: &UpdateItemFluentBuilder,
    asked: Asked,
) -> Result<Option<Act>, Error> {
    // Alone, an update may change nothing.
    if !records.has_unique()? || request.get_update_expression().is_none() {
        return Ok(None);
    }
    let act = to_act(request, asked, true)?;
    Ok(unique::is_touched(&records.tenant, &act)?.then_some(act))
}

/// The request as an action of a transaction.
fn to_act(request: &UpdateItemFluentBuilder, asked: Asked, has_unique: bool) -> Result<Act, Error> {
    let input = request.as_input();
    no_legacy(input.get_attribute_updates().as_ref(), "AttributeUpdates", "UpdateExpression")?;
    no_legacy(input.get_expected().as_ref(), "Expected", "ConditionExpression")?;
    no_legacy(input.get_conditional_operator().as_ref(), "ConditionalOperator", "ConditionExpression")?;
    // Alone it may change nothing; in a transaction that is what a check is for.
    input.get_update_expression().as_ref().ok_or(Refusal::Missing("UpdateExpression"))?;
    let update = types::Update::builder()
        .set_table_name(input.get_table_name().clone())
        .set_key(input.get_key().clone())
        .set_update_expression(input.get_update_expression().clone())
        .set_condition_expression(input.get_condition_expression().clone())
        .set_expression_attribute_names(input.get_expression_attribute_names().clone())
        .set_expression_attribute_values(input.get_expression_attribute_values().clone())
        .set_return_values_on_condition_check_failure(input.get_return_values_on_condition_check_failure().clone());
    let item = TransactWriteItem::builder().update(require_built(update.build())?).build();
    Ok(Act { item, asked, is_new: false, has_unique })
}

impl<T, R> fmt::Debug for Update<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Update", &self.write.records, f)
    }
}
