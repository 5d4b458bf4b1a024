//! A lookup as it is declared: collected first, checked by the schema that it belongs to.

use tenantseal_core::format::LookupDefinition;

use super::{
    Form, Lookup, LookupFault, LookupIndex, LookupKind, LookupPart, LookupState, RESERVED_PREFIX, TOKENS, stored_name,
};
use crate::schema::rules::is_same;

/// A lookup as it is declared. [`Lookup::on`] and [`Lookup::all_of`] start one. Nothing is checked before the schema is
/// built; in a derived record, that is at compile time.
///
/// ```
/// use tenantseal::schema::{Form, Lookup, LookupBuilder};
///
/// const NAME_START: LookupBuilder<'_> =
///     Lookup::on("last_name", Form::ALPHANUMERIC).prefix(3).bits(8).index("by-name-start");
/// ```
#[must_use = "a lookup does nothing before `TableSchemaBuilder::lookup`"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupBuilder<'a> {
    name: Option<&'a str>,
    parts: [(&'a str, Form); LookupBuilder::MAX_PARTS],
    /// The number of parts that were declared, also when there are too many.
    count: usize,
    is_compound: bool,
    bits: Option<u8>,
    prefix: Option<u8>,
    each: bool,
    unique: bool,
    index: Option<&'a str>,
    tenant_index: Option<&'a str>,
    key: u16,
    state: LookupState,
}

impl LookupBuilder<'_> {
    const MAX_PARTS: usize = 8;
    /// The first length of a name that, behind `_seal_by_`, exceeds DynamoDB's 255 bytes for a key attribute.
    const TOO_LONG: usize = 256 - RESERVED_PREFIX.len() - TOKENS.len();
}

impl<'a> LookupBuilder<'a> {
    pub(super) const fn on(attribute: &'a str, form: Form) -> Self {
        Self { is_compound: false, ..Self::all_of([(attribute, form)]) }
    }

    pub(super) const fn all_of<const N: usize>(declared: [(&'a str, Form); N]) -> Self {
        let mut parts = [("", Form::EXACT); LookupBuilder::MAX_PARTS];
        let mut i = 0;
        while i < N && i < parts.len() {
            parts[i] = declared[i];
            i += 1;
        }
        Self {
            name: None,
            parts,
            count: N,
            is_compound: true,
            bits: None,
            prefix: None,
            each: false,
            unique: false,
            index: None,
            tenant_index: None,
            key: 1,
            state: LookupState::Ready,
        }
    }

    /// A lookup of parts whose number is known at run time. More than there may be are a [fault](Self::fault).
    pub(in crate::schema) fn of_parts(declared: &[(&'a str, Form)]) -> Self {
        let mut builder = Self::all_of::<0>([]);
        builder.parts.iter_mut().zip(declared).for_each(|(part, declared)| *part = *declared);
        Self { count: declared.len(), is_compound: declared.len() != 1, ..builder }
    }

    /// Its name, of 1 to 246 bytes. The tokens lie in `_seal_by_` and this.
    ///
    /// Default: the stored name of the attribute, with `_3` for a prefix of 3.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let second = Lookup::on("email", Form::EMAIL).named("email_2");
    /// ```
    pub const fn named(self, name: &'a str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Keeps only so many bits of each token, 3 to 40. Different values then share tokens, which hides how often each
    /// one occurs; a question reads the items of all of them.
    ///
    /// Default: 128, which no two values share.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("last_name", Form::ALPHANUMERIC).bits(10);
    /// ```
    pub const fn bits(self, bits: u8) -> Self {
        Self { bits: Some(bits), ..self }
    }

    /// Makes the token of the first characters alone: 1 to 16 Unicode scalar values of the form. It answers
    /// `begins_with`, and needs [`bits`](Self::bits).
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("last_name", Form::ALPHANUMERIC).prefix(3).bits(8).index("by-name-start");
    /// ```
    pub const fn prefix(self, characters: u8) -> Self {
        Self { prefix: Some(characters), ..self }
    }

    /// Makes one token per member of a set or list. It answers `contains`, needs [`bits`](Self::bits), and has no
    /// index: DynamoDB has no sets as keys.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("tags", Form::EXACT).each().bits(16);
    /// ```
    pub const fn each(self) -> Self {
        Self { each: true, ..self }
    }

    /// No two items of a tenant may have the same value. It needs
    /// [`TenantSealBuilder::claims`](crate::TenantSealBuilder::claims), and only the repository writes such values.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("email", Form::EMAIL).unique().index("by-email");
    /// ```
    pub const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    /// The global index whose partition key is the token, a string. The index is yours to create.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("email", Form::EMAIL).index("by-email");
    /// ```
    pub const fn index(self, name: &'a str) -> Self {
        Self { index: Some(name), ..self }
    }

    /// The index whose partition key is that of the table, and whose sort key is the token. It may be a local one.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("email", Form::EMAIL).tenant_index("by-email");
    /// ```
    pub const fn tenant_index(self, name: &'a str) -> Self {
        Self { tenant_index: Some(name), ..self }
    }

    /// The number of the tenant's lookup key. Default: 1. A lookup under a new lookup key is a second lookup, with a
    /// name of its own.
    ///
    /// ```
    /// # use tenantseal::schema::{Form, Lookup};
    /// let lookup = Lookup::on("email", Form::EMAIL).named("email_2").key(2).building();
    /// ```
    pub const fn key(self, number: u16) -> Self {
        Self { key: number, ..self }
    }

    /// Writes store tokens, but nobody may ask: see [`LookupState::Building`].
    pub const fn building(self) -> Self {
        Self { state: LookupState::Building, ..self }
    }

    /// Writes store no tokens, and nobody may ask: see [`LookupState::Retired`].
    pub const fn retired(self) -> Self {
        Self { state: LookupState::Retired, ..self }
    }

    /// The stored names of the attributes that make its token.
    pub(in crate::schema) const fn attribute(&self, part: usize) -> Option<&'a str> {
        if part < self.count && part < self.parts.len() { Some(self.parts[part].0) } else { None }
    }

    /// The index that no other lookup may have. A retired lookup is not asked, so its index may be gone.
    pub(in crate::schema) const fn own_index(&self) -> Option<&'a str> {
        match (self.state, self.index) {
            (LookupState::Retired, _) => None,
            (_, None) => self.tenant_index,
            (_, index) => index,
        }
    }

    /// What is wrong with the declaration by itself.
    pub(in crate::schema) const fn fault(&self) -> Option<LookupFault> {
        let has_index = self.index.is_some() || self.tenant_index.is_some();
        if self.count > self.parts.len() || self.is_compound && self.count < 2 {
            return Some(LookupFault::Parts);
        }
        if self.has_repeated_part() {
            return Some(LookupFault::RepeatedPart);
        }
        if self.has_nameless_form() {
            return Some(LookupFault::NamelessForm);
        }
        if self.is_compound && self.name.is_none() {
            return Some(LookupFault::NoName);
        }
        if self.is_compound && (self.each || self.prefix.is_some()) {
            return Some(LookupFault::KindOfCompound);
        }
        if self.each && self.prefix.is_some() {
            return Some(LookupFault::PrefixAndEach);
        }
        if matches!(self.name_len(), 0 | LookupBuilder::TOO_LONG..) {
            return Some(LookupFault::Name);
        }
        if !matches!(self.prefix, None | Some(1..=16)) {
            return Some(LookupFault::Prefix);
        }
        match self.bits {
            None if self.each || self.prefix.is_some() => return Some(LookupFault::NoBits),
            None | Some(3..=40) => {}
            Some(_) => return Some(LookupFault::Bits),
        }
        if self.unique && (self.each || self.prefix.is_some() || self.bits.is_some()) {
            return Some(LookupFault::Unique);
        }
        if self.each && has_index {
            return Some(LookupFault::IndexOfEach);
        }
        if self.index.is_some() && self.tenant_index.is_some() {
            return Some(LookupFault::TwoIndexes);
        }
        if !is_index_name(self.index) || !is_index_name(self.tenant_index) {
            return Some(LookupFault::IndexName);
        }
        if self.key == 0 { Some(LookupFault::Key) } else { None }
    }

    const fn has_repeated_part(&self) -> bool {
        let mut i = 0;
        while i < self.count {
            let mut j = 0;
            while j < i {
                if is_same(self.parts[i].0.as_bytes(), self.parts[j].0.as_bytes()) {
                    return true;
                }
                j += 1;
            }
            i += 1;
        }
        false
    }

    const fn has_nameless_form(&self) -> bool {
        let mut i = 0;
        while i < self.count {
            if self.parts[i].1.is_nameless() {
                return true;
            }
            i += 1;
        }
        false
    }

    /// The length of the name in bytes.
    const fn name_len(&self) -> usize {
        let suffix = match self.own_prefix() {
            None => 0,
            Some(characters) => {
                if characters < 10 {
                    2
                } else {
                    3
                }
            }
        };
        self.label().len() + suffix
    }

    /// What messages call it: its name without the length of its prefix.
    pub(super) const fn label(&self) -> &'a str {
        match self.name {
            Some(name) => name,
            None => self.parts[0].0,
        }
    }

    /// Whether both have one name, as far as a constant can tell: a name that is given may be that of another's prefix.
    /// The derive gives all names.
    pub(super) const fn is_called_like(&self, other: &LookupBuilder<'_>) -> bool {
        let prefixes = match (self.own_prefix(), other.own_prefix()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => true,
            _ => false,
        };
        prefixes && is_same(self.label().as_bytes(), other.label().as_bytes())
    }

    /// The prefix that is a part of the name.
    const fn own_prefix(&self) -> Option<u8> {
        if self.name.is_none() { self.prefix } else { None }
    }

    /// The name, which may be one that [`fault`](Self::fault) refuses.
    pub(in crate::schema) fn name(&self) -> String {
        match self.own_prefix() {
            Some(characters) => format!("{}_{characters}", self.label()),
            None => self.label().to_owned(),
        }
    }

    /// Whether the lookup of a table is this one.
    pub(in crate::schema) fn is(&self, lookup: &Lookup) -> bool {
        let Self { name: _, parts, count, is_compound, bits, prefix, each, unique, index, tenant_index, key, state } =
            *self;
        let declared = parts.iter().take(count).map(|(attribute, form)| (*attribute, *form));
        let kind = match lookup.kind {
            LookupKind::Equality => prefix.is_none() && !each,
            LookupKind::Prefix(characters) => prefix == Some(characters),
            LookupKind::Each => each,
        };
        let indexes = match &lookup.index {
            None => (None, None),
            Some(LookupIndex::Token(name)) => (Some(name.as_str()), None),
            Some(LookupIndex::Tenant(name)) => (None, Some(name.as_str())),
        };
        let has_name =
            if self.own_prefix().is_some() { self.name() == lookup.name } else { self.label() == lookup.name };
        has_name
            && declared.eq(lookup.parts.iter().map(|part| (part.attribute.as_str(), part.form)))
            && is_compound == (count > 1)
            && kind
            && bits.unwrap_or(LookupDefinition::EXACT) == lookup.bits()
            && (unique, key, state) == (lookup.is_unique, lookup.key, lookup.state)
            && (index, tenant_index) == indexes
    }

    /// The lookup, when nothing is wrong with the declaration by itself.
    pub(in crate::schema) fn build(&self) -> Result<Lookup, LookupFault> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let name = self.name();
        let part = |(attribute, form): &(&str, Form)| LookupPart { attribute: (*attribute).to_owned(), form: *form };
        let parts: Vec<_> = self.parts.iter().take(self.count).map(part).collect();
        let kind = match self.prefix {
            Some(characters) => LookupKind::Prefix(characters),
            None if self.each => LookupKind::Each,
            None => LookupKind::Equality,
        };
        let bits = self.bits.unwrap_or(LookupDefinition::EXACT);
        let named = parts.iter().map(|part| (part.attribute(), part.form().name()));
        let definition = LookupDefinition::new(kind, bits, named).expect("`fault` has its rules, and more");
        let index = self.index.map(|name| LookupIndex::Token(name.to_owned()));
        Ok(Lookup {
            stored: stored_name(&name),
            name,
            parts,
            kind,
            definition,
            is_unique: self.unique,
            index: index.or_else(|| self.tenant_index.map(|name| LookupIndex::Tenant(name.to_owned()))),
            key: self.key,
            state: self.state,
        })
    }
}

/// Whether DynamoDB can have an index of this name: 3 to 255 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`.
const fn is_index_name(name: Option<&str>) -> bool {
    let Some(name) = name else { return true };
    let name = name.as_bytes();
    let mut i = 0;
    while i < name.len() {
        if !name[i].is_ascii_alphanumeric() && !matches!(name[i], b'_' | b'-' | b'.') {
            return false;
        }
        i += 1;
    }
    3 <= name.len() && name.len() <= 255
}
