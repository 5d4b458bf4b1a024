//! Finds records by an encrypted attribute, with the index of its lookup, or its claim.

mod claims;

mod pages;

use std::fmt;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::AttributeValue as Value;

use super::condition::{Condition, Writer, attribute};
use super::key::{self, PrimaryKeyValue};
use super::reading::Reading;
use super::repository::Records;
use super::request::fmt_builder;
use super::stream::RecordStream;
use super::values::{Given, Use};
use crate::error::{Error, Refusal};
use crate::schema::{Lookup, LookupIndex, LookupKind, LookupState, Record, TableSchema, Variant};
use crate::tenant_seal::Tenant;

impl<T: Record + DeserializeOwned> Records<T> {
    /// Finds the tenant's records by an encrypted attribute that has a lookup with an index. See [`FindBy`].
    ///
    /// `lookup` is the lookup's name, or the attribute's where one lookup answers.
    pub fn find_by<'a>(&self, lookup: impl Into<String>, sought: impl Sought) -> FindBy<'a, T> {
        FindBy {
            read: Reading::new(self.clone()),
            lookup: lookup.into(),
            sought: sought.sought(),
            keys: None,
            partition: None,
            is_consistent: false,
        }
    }
}

impl Tenant {
    /// The token that a lookup stores for a value, for keys and logs of your own. Of a compound lookup give a tuple of
    /// the values of its parts; where members have tokens of their own, one member.
    ///
    /// It tells equal values from others, and nothing more to those who lack the tenant's lookup key. `table` is the
    /// table's logical name.
    ///
    /// ```
    /// # async fn example(acme: tenantseal::Tenant) -> Result<(), tenantseal::Error> {
    /// let token = acme.token("crm", "email", "ada@example.org").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the table has no such lookup, when there is nothing to look up in the value, and when the tenant's lookup key
    /// is not available.
    pub async fn token(&self, table: &str, lookup: &str, value: impl Serialize) -> Result<String, Error> {
        let schema = self.table_by_any_name(table)?;
        let unknown = || Refusal::UnknownLookup { place: table.to_owned(), lookup: lookup.to_owned() };
        let found = schema.lookup(lookup).ok_or_else(unknown)?;
        let values = parts_of(found, &Given::to_test(value))?;
        let unserialized = || Error::from(Refusal::LookupValue { lookup: lookup.to_owned() });
        let plain = |given: Given| given.into_plain().ok_or_else(unserialized);
        let values = values.into_iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        self.token_of(schema, found, &values.iter().collect::<Vec<_>>()).await
    }
}

/// What [`Records::find_by`] looks for: a value, [`begins`] or [`any_of`].
///
/// A value serializes as the record's field does, or is in its stored form. A compound lookup takes a tuple of the values
/// of its parts.
#[expect(private_bounds, reason = "sealed: the library knows what it can ask")]
pub trait Sought: ToQuestion {}

/// Prevents other crates from implementing [`Sought`].
trait ToQuestion {
    fn sought(self) -> Question;
}

/// What is asked of a lookup.
enum Question {
    /// One of these values.
    Equals(Vec<Given>),
    BeginsWith(Given),
}

impl<V: Serialize> ToQuestion for V {
    fn sought(self) -> Question {
        Question::Equals(vec![Given::to_test(self)])
    }
}

impl<V: Serialize> Sought for V {}

/// Values that begin with a text; see [`begins`]. Its `Debug` shows no value.
pub struct Begins<V>(V);

/// Looks for values that begin with a text, in the form of the lookup: `find_by("last_name", begins("lov"))`.
///
/// It needs a lookup with a `prefix` that is not longer than the text.
pub fn begins<V: Serialize>(text: V) -> Begins<V> {
    Begins(text)
}

impl<V: Serialize> ToQuestion for Begins<V> {
    fn sought(self) -> Question {
        Question::BeginsWith(Given::to_test(self.0))
    }
}

impl<V: Serialize> Sought for Begins<V> {}

/// Any of several values; see [`any_of`]. Its `Debug` shows no value.
pub struct AnyOf<I>(I);

/// Looks for any of several values: `find_by("email", any_of(["a@x.org", "b@x.org"]))`.
///
/// Each value is a query of its own; 4 run at once. A record that several of them find comes once.
pub fn any_of<I: IntoIterator<Item: Serialize>>(values: I) -> AnyOf<I> {
    AnyOf(values)
}

impl<I: IntoIterator<Item: Serialize>> ToQuestion for AnyOf<I> {
    fn sought(self) -> Question {
        Question::Equals(self.0.into_iter().map(Given::to_test).collect())
    }
}

impl<I: IntoIterator<Item: Serialize>> Sought for AnyOf<I> {}

impl<V> fmt::Debug for Begins<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begins(..)")
    }
}

impl<I> fmt::Debug for AnyOf<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyOf(..)")
    }
}

/// Finds one tenant's records by an encrypted attribute. It is sent when it is awaited or its stream is polled.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// use tenantseal::records::{any_of, begins};
///
/// let ada: Option<T> = contacts.find_by("email", "Ada@Example.org").one().await?;
/// let mut some = contacts.find_by("last_name", begins("lov")).limit(20).stream();
/// let these: Vec<T> = contacts.find_by("email", any_of(["a@x.org", "b@x.org"])).all().await?;
/// let person = contacts.find_by("person", ("Lovelace", "1815-12-10")).one().await?;
/// # Ok(()) }
/// ```
///
/// It queries the index of the lookup, for records of this type alone. Each record found is opened and compared, so a
/// token that several values share, or that someone copied, finds nothing else. An index follows its table after a
/// moment: what was just written may not be found yet.
#[must_use = "nothing is sent before it is awaited"]
pub struct FindBy<'a, T> {
    read: Reading<'a, T, QueryFluentBuilder>,
    lookup: String,
    sought: Question,
    keys: Option<Condition>,
    partition: Option<String>,
    is_consistent: bool,
}

impl<'a, T: Record + DeserializeOwned> FindBy<'a, T> {
    /// Only records that meet this condition. DynamoDB reads, and charges for, the others too.
    pub fn filter(mut self, condition: Condition) -> Self {
        self.read.filter(condition);
        self
    }

    /// Only records whose plain keys in the index meet this condition: those that the index has behind the token.
    pub fn keys(mut self, condition: Condition) -> Self {
        self.keys = Condition::all([self.keys.take(), Some(condition)]);
        self
    }

    /// The text after the tenant's prefix in the partition key, for a lookup with `tenant_index` in a table that has
    /// such a prefix.
    pub fn partition(mut self, rest: impl Into<String>) -> Self {
        self.partition = Some(rest.into());
        self
    }

    /// At most this many records.
    pub fn limit(mut self, records: usize) -> Self {
        self.read.limit = Some(records);
        self
    }

    /// Reads consistently. A unique lookup goes by the claim of the value and then reads the record: 2 consistent reads, and no
    /// index. Another one must have a local index: of a global one DynamoDB refuses the request.
    pub fn consistent(mut self) -> Self {
        self.is_consistent = true;
        self
    }

    /// Changes the SDK's request before it is sent. A filter that you set here is joined with the repository's. The key
    /// condition is the repository's own.
    pub fn customize(mut self, change: impl FnOnce(QueryFluentBuilder) -> QueryFluentBuilder + Send + 'a) -> Self {
        self.read.customize(change);
        self
    }

    /// The records, in no particular order. See [`RecordStream`].
    pub fn stream(self) -> RecordStream<T> {
        let (records, limit) = (self.read.records.clone(), self.read.limit);
        let found = match self.asks_claims() {
            Ok(true) => self.claimed().map(|items| RecordStream::of(records.clone(), items, limit)),
            Ok(false) => self.requests().map(|requests| RecordStream::over_all(records.clone(), requests, limit)),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => found,
            Err(error) => RecordStream::over(records, Err::<QueryFluentBuilder, _>(error), limit),
        }
    }

    /// All records.
    ///
    /// # Errors
    ///
    /// The first error.
    pub async fn all(self) -> Result<Vec<T>, Error> {
        self.stream().try_collect().await
    }

    /// The only record, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Several`] when there are more.
    pub async fn one(self) -> Result<Option<T>, Error> {
        let several = Error::Several { record: std::any::type_name::<T>(), lookup: self.lookup.clone() };
        let mut found = self.limit(2).stream();
        let Some(first) = found.next().await.transpose()? else { return Ok(None) };
        match found.next().await.transpose()? {
            None => Ok(Some(first)),
            Some(_) => Err(several),
        }
    }

    /// A query of the index for each value.
    fn requests(self) -> Result<Vec<QueryFluentBuilder>, Error> {
        let Self { mut read, lookup, sought, keys, partition, is_consistent } = self;
        let records = read.records.clone();
        let (table, schema) = records.table()?;
        let found = choose::<T>(schema, &lookup, &sought)?;
        let index = found.index().ok_or_else(|| Refusal::LookupWithoutIndex { lookup: found.name().to_owned() })?;
        let keys = Condition::all([tenant_key(schema, &records, index, partition)?, keys]);
        let own = own_type::<T>(schema).filter(|(name, _)| !keys.as_ref().is_some_and(|keys| keys.names(name)));
        let filter = Condition::all([own.map(|(_, own)| own), read.take_filter()]);
        let consistent = is_consistent.then_some(true);
        let request = records.tenant.dynamodb().query().table_name(table).set_consistent_read(consistent);
        let mut request = read.change(request.index_name(index.name()));
        // No page is larger than the limit, unless some of its records are dropped.
        if found.is_exact()
            && filter.is_none()
            && request.get_filter_expression().is_none()
            && request.get_limit().is_none()
        {
            request =
                request.set_limit(read.limit.and_then(|limit| i32::try_from(limit).ok()).filter(|page| *page > 0));
        }
        let (values, begins) = match sought {
            Question::Equals(values) => (values, false),
            Question::BeginsWith(value) => (vec![value], true),
        };
        let request_of = |value: &Given| {
            let parts = found.parts().iter().zip(parts_of(found, value)?);
            let tests = parts.map(|(part, value)| Some(attribute(part.attribute()).tested(value, begins)));
            let condition = Condition::all(tests.chain([keys.clone()]));
            let mut writer = Writer::<T>::beside(&request);
            let keys = writer.condition(condition.as_ref())?;
            writer.finish_into(request.clone().set_key_condition_expression(keys), filter.as_ref())
        };
        values.iter().map(request_of).collect()
    }
}

impl<T> fmt::Debug for FindBy<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("FindBy", &self.read.records, f)
    }
}

/// The lookup that answers. Those in service come first, then the one of this name.
fn choose<'s, T: Record>(schema: &'s TableSchema, asked: &str, sought: &Question) -> Result<&'s Lookup, Error> {
    let variant = variant_of::<T>(schema);
    let answers = |lookup: &&Lookup| {
        matches!(
            (sought, lookup.kind()),
            (Question::Equals(_), LookupKind::Equality) | (Question::BeginsWith(_), LookupKind::Prefix(_))
        )
    };
    let is_of =
        |lookup: &&Lookup| lookup.name() == asked || matches!(lookup.parts(), [part] if part.attribute() == asked);
    let declared = |lookup: &&Lookup| variant.declares(lookup) == Some(true);
    let mut found: Vec<_> = schema.lookups().iter().filter(is_of).filter(answers).filter(declared).collect();
    let is_ready = |lookup: &&Lookup| lookup.state() == LookupState::Ready;
    if found.iter().any(is_ready) {
        found.retain(is_ready);
    }
    if let Question::BeginsWith(value) = sought {
        // The longest prefix that is not longer than the value; the shortest one's refusal says what is wrong with it.
        found.sort_by_key(|lookup| match lookup.kind() {
            LookupKind::Prefix(characters) => std::cmp::Reverse(characters),
            _ => std::cmp::Reverse(0),
        });
        let takes = |lookup: &&&Lookup| {
            let Some(part) = lookup.parts().first() else { return false };
            let value = value.to_attribute_value::<T>(part.attribute(), Use::Prefix);
            value.is_ok_and(|value| matches!(lookup.asked(&[&value]), Ok(Some(_))))
        };
        let with_index: Vec<_> = found.iter().copied().filter(|lookup| lookup.index().is_some()).collect();
        if let Some(lookup) = with_index.iter().find(takes).or(with_index.last()) {
            return Ok(lookup);
        }
    }
    if let Some(named) = found.iter().find(|lookup| lookup.name() == asked) {
        return Ok(named);
    }
    match found[..] {
        [lookup] => Ok(lookup),
        [] => {
            Err(Refusal::UnknownLookup { place: std::any::type_name::<T>().to_owned(), lookup: asked.to_owned() }
                .into())
        }
        _ => {
            let names: Vec<_> = found.iter().map(|lookup| format!("`{}`", lookup.name())).collect();
            Err(Refusal::AmbiguousLookup { attribute: asked.to_owned(), lookups: names.join(", ") }.into())
        }
    }
}

/// The record type's own items.
fn variant_of<T: Record>(schema: &TableSchema) -> Variant<'_> {
    match T::SCHEMA.discriminator() {
        Some((_, value)) => Variant::from_value(schema, Some(&AttributeValue::S(value.to_owned()))),
        None => Variant::unknown(schema),
    }
}

/// A condition that only the type's own items meet, and the attribute that it tests.
fn own_type<T: Record>(schema: &TableSchema) -> Option<(&'static str, Condition)> {
    let (name, value) = T::SCHEMA.discriminator()?;
    let condition = match schema.is_told_apart_by_sort_key() {
        true => attribute(name).key_begins_with(PrimaryKeyValue::from(value)),
        false => attribute(name).is(AttributeValue::S(value.to_owned())),
    };
    Some((name, condition))
}

/// The test of the table's partition key, where the index has it before the token.
fn tenant_key<T: Record>(
    schema: &TableSchema,
    records: &Records<T>,
    index: &LookupIndex,
    partition: Option<String>,
) -> Result<Option<Condition>, Refusal> {
    if matches!(index, LookupIndex::Token(_)) {
        return if partition.is_some() { Err(Refusal::PrimaryKeyParts) } else { Ok(None) };
    }
    let value = key::partition(schema, records.tenant.id(), partition)?;
    Ok(Some(attribute(schema.partition_key()).is(AttributeValue::S(value))))
}

/// The value of each part of the lookup.
fn parts_of(lookup: &Lookup, value: &Given) -> Result<Vec<Given>, Refusal> {
    let count = lookup.parts().len();
    match value {
        _ if count == 1 => Ok(vec![value.clone()]),
        Given::Value(Value::L(values)) if values.len() == count => {
            Ok(values.iter().cloned().map(Given::Value).collect())
        }
        Given::Fault(_) => Ok(vec![value.clone(); count]),
        Given::Value(_) | Given::Stored(_) => {
            let parts: Vec<_> = lookup.parts().iter().map(|part| format!("`{}`", part.attribute())).collect();
            Err(Refusal::LookupTuple { lookup: lookup.name().to_owned(), parts: parts.join(", ") })
        }
    }
}
