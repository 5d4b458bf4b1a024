//! The lookups that a process declares: their tables, names, definitions, and which lookup key each uses.

use crate::format::{KnownLookups, LookupDefinition};

/// A lookup of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredLookup {
    /// The logical table.
    pub table: String,
    /// The name: the stored attribute's behind `_seal_by_`.
    pub name: String,
    /// Which of a tenant's lookup keys makes its tokens, counted from 1.
    pub number: u16,
    /// What its tokens are made of.
    pub definition: LookupDefinition,
}

/// All lookups of a process, by table and name.
#[derive(Debug, Default)]
pub struct DeclaredLookups(Box<[DeclaredLookup]>);

impl DeclaredLookups {
    /// Checks that a name has one definition in a table. Record types that share it declare it once each.
    pub(crate) fn new(mut lookups: Vec<DeclaredLookup>) -> Result<Self, InvalidLookups> {
        lookups.sort_by(|one, other| one.place().cmp(&other.place()));
        lookups.dedup();
        let of = |lookup: &DeclaredLookup| (lookup.table.clone(), lookup.name.clone());
        if let Some(pair) = lookups.windows(2).find(|pair| pair[0].place() == pair[1].place()) {
            let (table, name) = of(&pair[0]);
            return Err(InvalidLookups::Twice { table, name });
        }
        if let Some((table, name)) = lookups.iter().find(|lookup| lookup.number == 0).map(of) {
            return Err(InvalidLookups::Number { table, name });
        }
        Ok(Self(lookups.into()))
    }

    /// Where the lookup is among all, and itself.
    pub(crate) fn find(&self, table: &str, name: &str) -> Option<(usize, &DeclaredLookup)> {
        let at = self.0.binary_search_by(|lookup| lookup.place().cmp(&(table, name))).ok()?;
        Some((at, &self.0[at]))
    }

    pub(crate) fn get(&self, at: usize) -> &DeclaredLookup {
        &self.0[at]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The lookups of the lookup key `number`.
    pub(crate) fn under(&self, number: u16) -> impl Iterator<Item = &DeclaredLookup> {
        self.0.iter().filter(move |lookup| lookup.number == number)
    }

    /// The lookups of lookup key `number` that are not known yet, or the first one that is known otherwise.
    pub(crate) fn unknown(&self, number: u16, known: &KnownLookups) -> Result<Vec<&DeclaredLookup>, &DeclaredLookup> {
        let mut unknown = Vec::new();
        for lookup in self.under(number) {
            match known.get(&lookup.table, &lookup.name) {
                None => unknown.push(lookup),
                Some(digest) if digest == lookup.definition.digest() => {}
                Some(_) => return Err(lookup),
            }
        }
        Ok(unknown)
    }
}

impl DeclaredLookup {
    pub(crate) fn add_to(&self, known: &mut KnownLookups) {
        known.insert(&self.table, &self.name, &self.definition);
    }

    fn place(&self) -> (&str, &str) {
        (&self.table, &self.name)
    }
}

/// Why lookups cannot be declared together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLookups {
    /// A name has 2 definitions.
    #[error("lookup `{name}` of table `{table}` is declared twice, and not alike: give one of them another name")]
    Twice {
        /// The logical table.
        table: String,
        /// The lookup's name.
        name: String,
    },
    /// Lookup keys are counted from 1.
    #[error("lookup `{name}` of table `{table}`: lookup keys are counted from 1")]
    Number {
        /// The logical table.
        table: String,
        /// The lookup's name.
        name: String,
    },
}
