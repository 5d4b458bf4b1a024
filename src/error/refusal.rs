//! Why a request was refused before anything was sent.

use crate::expression::ExpressionError;
use crate::item::PrimaryKeyError;

/// Why a request was refused. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No record or schema was registered for the table, so nobody said what is sensitive in it.
    #[error(
        "table `{0}` is not configured: correct its name, or register its records with the builder (and its physical name, if that is another, by `table_name`)"
    )]
    UnknownTable(String),
    /// The table that is configured under this name is in an account and Region of its own, which the request does not name.
    #[error("table `{asked}` is not the one that is configured: name it `{configured}`")]
    OtherTable {
        /// What the request names.
        asked: String,
        /// The ARN by which it is configured.
        configured: String,
    },
    /// The name is one table's logical name and another's physical name.
    #[error(
        "`{0}` is the logical name of one table and the physical name of another: name the table by its ARN, or give it a logical name that is no physical one"
    )]
    AmbiguousTable(String),
    /// The request names no table.
    #[error("the request names no table")]
    NoTable,
    /// The record type has no table of its own.
    #[error("the record has no table: add `#[seal(table = \"…\")]`")]
    NoRecordTable,
    /// The record type encrypts an attribute, and the table's schema does not: the type was not registered.
    #[error("record `{record}` encrypts `{attribute}`, and the client does not: register it with `record::<T>()`")]
    Unregistered {
        /// The record type.
        record: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// An operation that this release does not know.
    #[error(
        "operation `{0}` is unknown to this release: use a plain client if it touches no sealed table, or upgrade tenantseal"
    )]
    UnknownOperation(String),
    /// An operation that cannot work on sealed items, or does not yet.
    #[error("operation `{operation}` is not supported on sealed tables: {instead}")]
    Unsupported {
        /// The operation.
        operation: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// An operation that touches no items, and the builder says that tenants' clients make none.
    #[error(
        "operation `{operation}` is refused by `control_plane(false)`: make it with a client of the operator's own"
    )]
    ControlPlane {
        /// The operation.
        operation: &'static str,
    },
    /// An encrypted attribute as the time to live: what is stored is no number.
    #[error(
        "`{attribute}` cannot be the time to live: the schema encrypts it, so no item would ever expire: keep the time in a plain number"
    )]
    EncryptedTimeToLive {
        /// The attribute.
        attribute: String,
    },
    /// An encrypted attribute as a key of an index or a table, or as its vector.
    #[error(
        "`{attribute}` cannot be a key or vector of an index: the schema encrypts it, so every put of it would fail, or nothing would be found: index a plain attribute"
    )]
    EncryptedIndexKey {
        /// The attribute.
        attribute: String,
    },
    /// A search vector that is more than numbers.
    #[error("`SearchVector` is a list of numbers")]
    SearchVector,
    /// A parameter of the API before expressions.
    #[error("the legacy parameter `{parameter}` is not supported: use `{instead}`")]
    Legacy {
        /// The parameter.
        parameter: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// The request lacks something that it must have.
    #[error("the request has no `{0}`")]
    Missing(&'static str),
    /// A ClientRequestToken that DynamoDB does not take.
    #[error("an idempotency token (`ClientRequestToken`) has 1 to 36 characters")]
    Token,
    /// An action of a transaction that is none, or several.
    #[error("each action of a transaction is exactly one of `Put`, `Update`, `Delete` and `ConditionCheck`")]
    Action,
    /// A map of names or values without any, which DynamoDB refuses.
    #[error("`{0}` is empty: leave it out")]
    Empty(&'static str),
    /// An expression that cannot be understood, or cannot work on ciphertext.
    #[error("{parameter}: {source}")]
    Expression {
        /// The request's parameter.
        parameter: &'static str,
        /// The rule that it breaks.
        source: ExpressionError,
    },
    /// A value that no expression uses: it would be sent for nothing, in plaintext.
    #[error("expression attribute value `{0}` is used by no expression: remove it")]
    UnusedValue(String),
    /// A value that an expression uses and the request does not define.
    #[error("`{0}` is not defined: add it to the expression attribute values")]
    UndefinedValue(String),
    /// The key is not one of this tenant's.
    #[error(transparent)]
    PrimaryKey(#[from] PrimaryKeyError),
    /// A key of the repository with more or other parts than the table's key has.
    #[error("the key has other parts than the table's: see the table in the documentation of `records::PrimaryKey`")]
    PrimaryKeyParts,
    /// A key that is another record type's, as the sort key says.
    #[error("the key is not one of {record}: `{attribute}` begins with the type's own value of the discriminator")]
    OtherRecord {
        /// The record type.
        record: &'static str,
        /// The sort key, which tells record types apart.
        attribute: String,
    },
    /// One key twice among many.
    #[error("one key is given twice in the same batch: leave one out")]
    PrimaryKeyTwice,
    /// An attribute that the record type does not declare.
    #[error("{record} has no attribute `{attribute}`: correct its name, which is the stored one")]
    UnknownAttribute {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// An update of an attribute that only a put writes.
    #[error(
        "an update of {record} cannot touch `{attribute}`: it is a key, the discriminator or the version, which counts by itself"
    )]
    FixedAttribute {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// A value that the field does not hold: stored it could not be read any more, and no stored value is like it.
    #[error(
        "`{attribute}` of {record} does not hold such a value: give one of its type, `{expected}`, or one in its stored form"
    )]
    Value {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
        /// The field's type.
        expected: &'static str,
    },
    /// An attribute would be removed without which the record cannot be read.
    #[error(
        "{record} cannot be read without `{attribute}`: set another value, or let the field be missing by `#[serde(default)]`"
    )]
    Required {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
    },
    /// A value of a type with encrypted fields in an attribute that is stored as it is.
    #[error(
        "{record} stores `{attribute}` as it is, and in it lies `{marked}`, whose encrypted fields nobody would heed: mark the field `encrypt`, or `plain` if all of it is public"
    )]
    Unheeded {
        /// The record type.
        record: &'static str,
        /// The name.
        attribute: String,
        /// The type with encrypted fields.
        marked: &'static str,
    },
    /// Records with a version in a batch, which cannot check it.
    #[error("a batch cannot check the version `{attribute}`: put the records one by one or in a transaction")]
    VersionInBatch {
        /// The version.
        attribute: String,
    },
    /// A query that may reach beyond the tenant's items.
    #[error(
        "the condition must test the partition key `{attribute}` for equality with a value of this client's tenant"
    )]
    NotOneTenant {
        /// The table's partition key.
        attribute: String,
    },
}
