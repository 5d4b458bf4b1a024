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

/// Behind the reserved prefix of every name, this begins the name of the attribute that holds a lookup's tokens.
const TOKENS: &str = "_by_";

/// A declared lookup of a table: items are found by the tokens of one or more of their encrypted attributes.
///
/// A token is a keyed hash of the attribute's value in a [`Form`]. Equal values of one tenant have equal tokens, so an
/// index on the tokens finds them. The token lies in an attribute of its own, [`stored`](Self::stored).
///
/// Declare one with `#[seal(encrypt, lookup(..))]`, or by hand:
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
    bits: u8,
    is_unique: bool,
    index: Option<LookupIndex>,
    key: u16,
    state: LookupState,
}

impl Lookup {
    /// The bits of a token unless fewer are declared. Such a lookup is [exact](Self::is_exact).
    pub const EXACT_BITS: u8 = 128;

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

    /// Which questions it answers.
    pub fn kind(&self) -> LookupKind {
        self.kind
    }

    /// The number of bits that are kept of a token: 128, or 3 to 40.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether equal tokens mean equal values: it compares whole values and keeps all bits.
    pub fn is_exact(&self) -> bool {
        self.kind == LookupKind::Equality && self.bits == Self::EXACT_BITS
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

    /// What its tokens are made of. It is a part of the key that makes them.
    pub(crate) fn definition(&self) -> LookupDefinition {
        use tenantseal_core::format::LookupKind as Kind;
        let kind = match self.kind {
            LookupKind::Equality => Kind::Equality,
            LookupKind::Prefix(characters) => Kind::Prefix(characters),
            LookupKind::Each => Kind::Each,
        };
        let parts = self.parts.iter().map(|part| (part.attribute(), part.form().name()));
        LookupDefinition::new(kind, self.bits, parts).expect("`LookupBuilder::fault` has checked kind, bits and parts")
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

/// Which questions a lookup answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupKind {
    /// Whether a value is this one: `=` and `IN`.
    Equality,
    /// Whether a string begins with these characters: `begins_with`. The token is that of the first characters, as many
    /// Unicode scalar values as this says.
    Prefix(u8),
    /// Whether a set or list has this member: `contains`. Each member has a token.
    Each,
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
    /// Writes store tokens, but nobody may ask yet: items from before have none.
    Building,
    /// Writes store tokens, and it answers.
    Ready,
    /// Writes store no tokens, and nobody may ask.
    Retired,
}
