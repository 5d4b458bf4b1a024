//! Why a request was refused before anything was sent.

use crate::expression::ExpressionError;
use crate::item::PrimaryKeyError;

/// Why a request was refused. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No record or schema is registered for the table, so nothing says what is sensitive in it.
    #[error(
        "table `{0}` is not configured: correct the name, or register its records with the builder (`table_name` sets \
         a physical name that differs)"
    )]
    UnknownTable(String),
    /// The table configured under this name is in a fixed account and Region, which the request does not name.
    #[error("table `{asked}` is not the configured table: use `{configured}`")]
    OtherTable {
        /// What the request names.
        asked: String,
        /// The ARN by which it is configured.
        configured: String,
    },
    /// The name is one table's logical name and another's physical name.
    #[error(
        "`{0}` is the logical name of one table and the physical name of another: use the table's ARN, or a logical \
         name that is no table's physical name"
    )]
    AmbiguousTable(String),
    /// The request names no table.
    #[error("the request names no table")]
    NoTable,
    /// The record type has no table of its own.
    #[error("the record has no table: add `#[seal(table = \"…\")]`")]
    NoRecordTable,
    /// The record type encrypts an attribute that the table's schema does not: the type is not registered.
    #[error(
        "record `{record}` encrypts `{attribute}`, but the client does not: register the record with `record::<T>()`"
    )]
    Unregistered {
        /// The record type.
        record: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// This release does not know the operation.
    #[error(
        "operation `{0}` is unknown to this release: use a plain client if it touches no sealed table, or upgrade \
         tenantseal"
    )]
    UnknownOperation(String),
    /// The operation cannot work on sealed items, or does not yet.
    #[error("operation `{operation}` is not supported on sealed tables: {instead}")]
    Unsupported {
        /// The operation.
        operation: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// A record type declares a lookup that its items in the table lack, because nobody has registered the type.
    #[error(
        "the table has no lookup `{lookup}` for `{record}`, or another of this name, so items would not be found: \
         register the type with `record::<T>()`, or declare the lookup in the same words in its schema by hand"
    )]
    UnregisteredLookup {
        /// The record type.
        record: &'static str,
        /// The lookup.
        lookup: String,
    },
    /// The operation touches no items, and the builder forbids such operations.
    #[error("operation `{operation}` is turned off by `control_plane(false)`: operators use a client of their own")]
    ControlPlane {
        /// The operation.
        operation: &'static str,
    },
    /// An encrypted attribute cannot be the time to live: what is stored is not a number.
    #[error(
        "`{attribute}` cannot be the TTL attribute: the schema encrypts it, so no item would ever expire. Store the \
         time in a plain number"
    )]
    EncryptedTimeToLive {
        /// The attribute.
        attribute: String,
    },
    /// An encrypted attribute cannot be a key of an index or a table, or its vector.
    #[error(
        "`{attribute}` cannot be a key or vector of an index: the schema encrypts it, so every put would fail, or \
         searches would find nothing. Index a plain attribute"
    )]
    EncryptedIndexKey {
        /// The attribute.
        attribute: String,
    },
    /// The search vector holds other values than numbers.
    #[error("`SearchVector` must be a list of numbers")]
    SearchVector,
    /// The parameter belongs to the API before expressions.
    #[error("the legacy parameter `{parameter}` is not supported: use `{instead}`")]
    Legacy {
        /// The parameter.
        parameter: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// The request lacks a required parameter.
    #[error("the request has no `{0}`")]
    Missing(&'static str),
    /// DynamoDB does not accept the idempotency token.
    #[error("an idempotency token (`ClientRequestToken`) must have 1 to 36 characters")]
    Token,
    /// An action of a transaction has no part, or several.
    #[error("each action of a transaction must be exactly one of `Put`, `Update`, `Delete` and `ConditionCheck`")]
    Action,
    /// A map of names or values is empty, which DynamoDB refuses.
    #[error("`{0}` is empty: leave it out")]
    Empty(&'static str),
    /// The expression does not parse, or cannot work on ciphertext.
    #[error("{parameter}: {source}")]
    Expression {
        /// The request's parameter.
        parameter: &'static str,
        /// The rule that it breaks.
        source: ExpressionError,
    },
    /// No expression uses the value, which would be sent in plaintext for nothing.
    #[error("expression attribute value `{0}` is used by no expression: remove it")]
    UnusedValue(String),
    /// An expression uses a value that the request does not define.
    #[error("`{0}` is not defined: add it to the expression attribute values")]
    UndefinedValue(String),
    /// A value that a lookup answers for is used in plaintext too, so it would be sent beside its token.
    #[error(
        "`{0}` is compared with an encrypted attribute and used for a plain one: give each a placeholder of its own"
    )]
    SharedValue(String),
    /// There is no such lookup, or none that answers.
    #[error(
        "{place} has no lookup `{lookup}` that answers this: `find_by` of a value asks a lookup of whole values, and \
         `begins` one with a `prefix`. Declare one, or correct the name"
    )]
    UnknownLookup {
        /// The record type or table.
        place: String,
        /// The name that was asked for.
        lookup: String,
    },
    /// Several lookups of the attribute answer.
    #[error("lookups {lookups} of attribute `{attribute}` all answer this: name one of them")]
    AmbiguousLookup {
        /// The attribute.
        attribute: String,
        /// The names of the lookups.
        lookups: String,
    },
    /// The lookup has no index.
    #[error("lookup `{lookup}` has no index: filter by its attribute, or give it an index")]
    LookupWithoutIndex {
        /// The lookup.
        lookup: String,
    },
    /// A compound lookup needs a value of each part.
    #[error("lookup `{lookup}` takes a tuple of the values of {parts}, in this order")]
    LookupTuple {
        /// The lookup.
        lookup: String,
        /// Its parts.
        parts: String,
    },
    /// There is nothing to look up in the value, or it does not serialize.
    #[error(
        "lookup `{lookup}` has nothing to look up in the value: give one that is neither NULL nor empty in its form"
    )]
    LookupValue {
        /// The lookup.
        lookup: String,
    },
    /// The number of items with a token is asked for, and some of them may have other values.
    #[error(
        "`Select: COUNT` would count items that only share some bits of a token of lookup `{lookup}`: read the items \
         and count them"
    )]
    LookupCount {
        /// The lookup.
        lookup: String,
    },
    /// The request would store a value of a unique lookup without its claim.
    #[error(
        "lookup `{lookup}` is `unique`, and only the typed repository claims its values: write the record with \
         `Records::put` or `update`, by itself or in `Tenant::transact_write`"
    )]
    UniqueLookup {
        /// The lookup.
        lookup: String,
    },
    /// A write of unique values needs claims, and there is no claims table.
    #[error("there is no table for the claims of unique values: call `TenantSealBuilder::claims`")]
    NoClaims,
    /// Whether the update stores a value depends on what is stored. A transaction with a token must not depend on it, and
    /// while the lookup is `building` no token tells.
    #[error(
        "lookup `{lookup}` is `unique`, so neither a transaction with an idempotency token nor a write while it is \
         `building` can set it by `set_if_not_exists`: set it on the condition that it does not exist"
    )]
    UniqueIfNotExists {
        /// The lookup.
        lookup: String,
    },
    /// With the claims of unique values, the transaction has too many actions.
    #[error(
        "with the claims of unique values the transaction has {actions} actions, and DynamoDB takes 100: write fewer \
         records at once"
    )]
    TooManyClaims {
        /// The number of actions.
        actions: usize,
    },
    /// The primary key is not this tenant's.
    #[error(transparent)]
    PrimaryKey(#[from] PrimaryKeyError),
    /// The primary key has other parts than the table's.
    #[error(
        "the primary key does not have the parts of the table's key: see the documentation of `records::PrimaryKey`"
    )]
    PrimaryKeyParts,
    /// The text after the tenant's prefix begins with that prefix. The handle adds it, so nothing would be found.
    #[error(
        "the text for `{attribute}` begins with the tenant's own prefix, which the handle adds: give what comes after \
         the prefix alone"
    )]
    TenantTwice {
        /// The partition key.
        attribute: String,
    },
    /// The primary key belongs to another record type, as its sort key says.
    #[error("the key is not one of {record}: `{attribute}` must begin with that type's discriminator value")]
    OtherRecord {
        /// The record type.
        record: &'static str,
        /// The sort key, which tells record types apart.
        attribute: String,
    },
    /// The page token was not made for this tenant and this query, or was altered.
    #[error("the page token is not one of this tenant and query: ask for the first page")]
    PageToken,
    /// A page continues one query, and several values are several queries.
    #[error("lookup `{lookup}` is asked for several values, and a page has those of one: ask for one, or use `stream`")]
    PageOfSeveral {
        /// The lookup, or the attribute, as it was asked for.
        lookup: String,
    },
    /// A batch has the same primary key twice.
    #[error("the batch has the same primary key twice: remove one")]
    PrimaryKeyTwice,
    /// The record type does not declare the attribute.
    #[error("{record} has no attribute `{attribute}`: use the name under which it is stored")]
    UnknownAttribute {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// The update changes an attribute that only a put may write.
    #[error(
        "an update of {record} cannot touch `{attribute}`: it is a key, the discriminator, or the version, which the \
         library increments"
    )]
    FixedAttribute {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// The field cannot hold the value: once stored it could not be read, and no stored value equals it.
    #[error(
        "`{attribute}` of {record} cannot hold this value: give one of its type, `{expected}`, or one in its stored \
         form"
    )]
    Value {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
        /// The field's type.
        expected: &'static str,
    },
    /// The update removes an attribute that the record needs.
    #[error("{record} cannot be read without `{attribute}`: set another value, or mark the field `#[serde(default)]`")]
    Required {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// The upsert may make an item that the record cannot be read from.
    #[error(
        "an upsert of {record} may make an item without `{attribute}`, which could not be read: set it, put the whole \
         record, or leave `upsert()` out"
    )]
    Upsert {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// The value has encrypted fields, and its attribute is stored as it is.
    #[error(
        "{record} stores `{attribute}` in plaintext, but it contains `{marked}`, which has encrypted fields: mark the \
         field `encrypt`, or `plain` if all of it is public"
    )]
    Unheeded {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
        /// The type with encrypted fields.
        marked: &'static str,
    },
    /// A batch cannot check the version of its records.
    #[error("a batch cannot check the version `{attribute}`: put the records one by one or in a transaction")]
    VersionInBatch {
        /// The version.
        attribute: String,
    },
    /// The query could reach other tenants' items.
    #[error(
        "the condition must test the partition key `{attribute}` for equality with a value of this client's tenant"
    )]
    NotOneTenant {
        /// The table's partition key.
        attribute: String,
    },
}
