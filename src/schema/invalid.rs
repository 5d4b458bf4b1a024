//! What is wrong with a table's schema.

use super::{InvalidTenantTemplate, LookupFault};

/// Why a schema is inconsistent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSchema {
    /// There is no table to store the record in.
    #[error("the record has no table: add `#[seal(table = \"…\")]`")]
    NoTable,
    /// There is not exactly one partition key, or there is more than one sort key.
    #[error("table `{table}`: declare exactly one partition key and at most one sort key")]
    Keys {
        /// The logical table.
        table: String,
    },
    /// The tenant template is malformed.
    #[error("table `{table}`: the tenant template is malformed: {rule}")]
    Tenant {
        /// The logical table.
        table: String,
        /// The rule that it breaks.
        rule: InvalidTenantTemplate,
    },
    /// A name is empty or begins with `_seal`.
    #[error("table `{table}`: attribute name `{attribute}` is empty or reserved (`_seal…`): choose another")]
    Reserved {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// A name is declared twice in one record.
    #[error("table `{table}`: attribute `{attribute}` is declared twice")]
    Repeated {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// Two records in one table disagree on its key attributes.
    #[error(
        "table `{table}`: two records declare different key attributes or tenant templates: declare the same in both"
    )]
    KeysDisagree {
        /// The logical table.
        table: String,
    },
    /// Two records in one table disagree on an attribute, and nothing tells their items apart.
    #[error(
        "table `{table}`: one record encrypts attribute `{attribute}` and another does not: give each record its own \
         value of one discriminator"
    )]
    AttributeDisagrees {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// The records of one table have different discriminators.
    #[error("table `{table}`: its records declare different discriminators: a table has one")]
    DiscriminatorsDisagree {
        /// The logical table.
        table: String,
    },
    /// The discriminator is not a plain attribute or the sort key, has an empty value, or is given twice.
    #[error(
        "table `{table}`: discriminator `{attribute}` must be a plain attribute or the sort key of its records, with \
         one value that is not empty"
    )]
    Discriminator {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// A record declares the discriminator but gives no value of it.
    #[error("table `{table}`: a record declares the discriminator `{attribute}` but no value for it: declare both")]
    NoValue {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// Sort keys that begin with one record's value may begin with another's.
    #[error(
        "table `{table}`: records are told apart by the beginning of their sort keys, and another record's value \
         begins with `{value}`"
    )]
    Ambiguous {
        /// The logical table.
        table: String,
        /// The value.
        value: String,
    },
    /// A lookup cannot be declared like this.
    #[error("table `{table}`: lookup `{lookup}`: {fault}")]
    Lookup {
        /// The logical table.
        table: String,
        /// The lookup's name.
        lookup: String,
        /// The rule that it breaks.
        fault: LookupFault,
    },
    /// A part of a lookup is not encrypted in the record that declares it.
    #[error(
        "table `{table}`: lookup `{lookup}` has the part `{attribute}`, which is not encrypted: declare it `encrypt`, \
         or query the plain attribute"
    )]
    LookupPart {
        /// The logical table.
        table: String,
        /// The lookup's name.
        lookup: String,
        /// The attribute.
        attribute: String,
    },
    /// A table has two lookups of one name. Two records may share one, in the same words.
    #[error(
        "table `{table}`: lookup `{lookup}` is declared twice and not in the same words: give one of them another name"
    )]
    LookupsDisagree {
        /// The logical table.
        table: String,
        /// The lookups' name.
        lookup: String,
    },
    /// A table has two lookups with one index.
    #[error("table `{table}`: two lookups have the index `{index}`: each needs an index of its own")]
    LookupIndex {
        /// The logical table.
        table: String,
        /// The index.
        index: String,
    },
}
