//! Lookups: how items are found by an encrypted attribute.
//!
//! A [`LookupBuilder`] says what the developer wrote, at compile time or by hand. The schema of a table checks it and
//! holds the [`Lookup`] that follows.

mod builder;
mod fault;
mod few;
mod form;
mod rules;
#[cfg(feature = "unicode")]
mod text;

pub use builder::LookupBuilder;
pub use fault::LookupFault;
pub use few::FewValued;
#[doc(hidden)]
pub use few::{Few, Many, refuse_few};
pub use form::Form;

use tenantseal_core::format::{LookupDefinition, RESERVED_PREFIX};

pub use tenantseal_core::format::LookupKind;

/// Behind the reserved prefix of every name, this begins the name of the attribute that holds a lookup's tokens.
const TOKENS: &str = "_by_";

/// The attribute that holds the tokens of the lookup of this name.
pub(super) fn stored_name(lookup: &str) -> String {
    format!("{RESERVED_PREFIX}{TOKENS}{lookup}")
}

/// A declared lookup of a table: items are found by the tokens of one or more of their encrypted attributes.
///
/// A token is a keyed hash of the attribute's value in a [`Form`]. Equal values of one tenant have equal tokens, so an
/// index on the tokens finds them. The token lies in an attribute of its own, [`stored`](Self::stored).
///
/// Declare one with `#[seal(encrypt, lookup(..))]`; [`Record`](derive@crate::Record) lists the words:
///
/// ```
/// use tenantseal::Record;
/// use tenantseal::schema::{Form, TableSchema};
///
/// /// The month of a date: who asks compares the days.
/// const MONTH: Form = Form::new("month", |date| date.get(..7).map(str::to_owned));
///
/// #[derive(Record)]
/// #[seal(table = "crm", lookup(name = "person", part(last_name, alphanumeric), part(born), index = "by-person"))]
/// struct Contact {
///     #[seal(partition_key, tenant)]
///     tenant_id: String,
///     #[seal(encrypt, lookup(email, index = "by-email"))]
///     email: String,
///     #[seal(encrypt, lookup(alphanumeric, prefix = 3, bits = 8, index = "by-name-start"))]
///     last_name: String,
///     #[seal(encrypt, lookup(with = "MONTH", bits = 8, name = "birth_month", index = "by-birth-month"))]
///     born: String,
/// }
///
/// let crm = TableSchema::for_record::<Contact>()?;
/// let names: Vec<_> = crm.lookups().iter().map(|lookup| lookup.name()).collect();
/// assert_eq!(names, ["birth_month", "email", "last_name_3", "person"]);
/// # Ok::<_, tenantseal::schema::InvalidSchema>(())
/// ```
///
/// Without structs, [`on`](Self::on) and [`all_of`](Self::all_of) start one:
///
/// ```
/// use tenantseal::schema::{Form, Lookup, TableSchema};
///
/// let crm = TableSchema::builder("crm")
///     .partition_key("tenant_id", "{tenant}")
///     .encrypt("email")
///     .lookup(Lookup::on("email", Form::EMAIL).index("by-email"))
///     .build()?;
/// assert_eq!(crm.lookups()[0].stored(), "_seal_by_email");
/// # Ok::<_, tenantseal::schema::InvalidSchema>(())
/// ```
///
/// A lookup's definition never changes: its [parts](Self::parts), [kind](Self::kind) and [bits](Self::bits) are part of
/// every token. A changed definition is a second lookup under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    name: String,
    stored: String,
    parts: Vec<LookupPart>,
    kind: LookupKind,
    definition: LookupDefinition,
    is_unique: bool,
    index: Option<LookupIndex>,
    key: u16,
    state: LookupState,
}

impl Lookup {
    /// The bits of a token unless fewer are declared. Such a lookup is [exact](Self::is_exact).
    pub const EXACT_BITS: u8 = LookupDefinition::EXACT;

    /// Starts a lookup of one attribute, whose values are compared in `form`. `attribute` is the stored name.
    pub const fn on(attribute: &str, form: Form) -> LookupBuilder<'_> {
        LookupBuilder::on(attribute, form)
    }

    /// Starts a compound lookup: 2 to 8 attributes make one token. It needs a [name](LookupBuilder::named).
    ///
    /// ```
    /// use tenantseal::schema::{Form, Lookup};
    ///
    /// let person = Lookup::all_of([("last_name", Form::ALPHANUMERIC), ("born", Form::EXACT)]).named("person");
    /// ```
    pub const fn all_of<'a, const N: usize>(parts: [(&'a str, Form); N]) -> LookupBuilder<'a> {
        LookupBuilder::all_of(parts)
    }

    /// Its name, by which it is asked for. Unless given, the stored name of its attribute, with `_3` for a prefix of 3.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The attribute that holds its tokens: `_seal_by_` and its name.
    pub fn stored(&self) -> &str {
        &self.stored
    }

    /// The encrypted attributes that make its token: 1, or 2 to 8 of a compound lookup.
    pub fn parts(&self) -> &[LookupPart] {
        &self.parts
    }

    /// Whether this attribute is among its parts.
    pub fn has_part(&self, attribute: &str) -> bool {
        self.parts.iter().any(|part| part.attribute == attribute)
    }

    /// Which questions it answers: whether a value is this one, whether a string begins with these characters, or
    /// whether a set or list has this member.
    pub fn kind(&self) -> LookupKind {
        self.kind
    }

    /// The number of bits that are kept of a token: 128, or 3 to 40.
    pub fn bits(&self) -> u8 {
        self.definition.bits()
    }

    /// What its tokens are made of, as a part of their key.
    pub(crate) fn definition(&self) -> &LookupDefinition {
        &self.definition
    }

    /// Whether equal tokens mean equal values: it compares whole values and keeps all bits.
    pub fn is_exact(&self) -> bool {
        self.kind == LookupKind::Equality && self.bits() == Self::EXACT_BITS
    }

    /// Whether no two items of a tenant have the same value.
    pub fn is_unique(&self) -> bool {
        self.is_unique
    }

    /// The index whose key is its token.
    pub fn index(&self) -> Option<&LookupIndex> {
        self.index.as_ref()
    }

    /// The name of its index, which no other lookup may have. A retired lookup is not asked, so its index may be gone.
    pub(super) fn own_index(&self) -> Option<&str> {
        let index = self.index.as_ref().filter(|_| self.state != LookupState::Retired);
        index.map(LookupIndex::name)
    }

    /// The number of the tenant's lookup key: 1 to 65535.
    pub fn key(&self) -> u16 {
        self.key
    }

    /// Whether it is asked, and whether tokens are written.
    pub fn state(&self) -> LookupState {
        self.state
    }
}

/// One encrypted attribute of a lookup, and the form in which its values are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupPart {
    attribute: String,
    form: Form,
}

impl LookupPart {
    /// The stored name of the attribute.
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// The form in which its values are compared.
    pub fn form(&self) -> Form {
        self.form
    }
}

/// The index of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupIndex {
    /// A global index whose partition key is the token.
    Token(String),
    /// A global or local index whose partition key is that of the table, and whose sort key is the token.
    Tenant(String),
}

impl LookupIndex {
    /// The index's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Token(name) | Self::Tenant(name) => name,
        }
    }
}

/// The state of a lookup, which takes it into and out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupState {
    /// Writes store tokens, but nobody may ask yet: items from before have none until
    /// [`reindex`](crate::TenantSeal::reindex) has swept the table.
    Building,
    /// Writes store tokens, and it answers.
    Ready,
    /// Writes store no tokens, and nobody may ask. [`reindex`](crate::TenantSeal::reindex) removes those that are there.
    Retired,
}

/// How an item's token of a lookup is, compared with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TokenState {
    /// It is that of the values.
    Current,
    /// It is of the same lookup key and definition, and of other values: the item is not found by its own.
    Stale,
    /// It was made under another lookup key or definition, or is none of this tenant's.
    OtherKey,
    /// The item has the values and no token.
    Missing,
    /// The item has a token that nothing asks for: the lookup is retired, or the item lacks a value.
    LeftOver,
}
