//! How a schema differs from its lock, and what to do.

use std::fmt;

/// What a difference does to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DriftClass {
    /// Something is new, and nothing that is stored is read or written otherwise.
    Addition,
    /// Items that are stored already have to be changed too. Overwriting the lock file writes it.
    NeedsMigration,
    /// Less is protected, or what is stored does not open any more. Only a change of the lock file by hand allows it.
    Weaker,
}

impl fmt::Display for DriftClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addition => "addition",
            Self::NeedsMigration => "needs a migration",
            Self::Weaker => "weaker",
        })
    }
}

/// One difference between a lock and a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub(super) table: String,
    pub(super) place: String,
    pub(super) was: Option<String>,
    pub(super) is: Option<String>,
    pub(super) class: DriftClass,
    pub(super) means: &'static str,
    pub(super) by_hand: Option<String>,
}

impl Difference {
    /// The logical table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What differs of the table, such as ``attribute `email` ``. Empty for the table itself.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What the lock says; `None` when it has no such thing.
    pub fn was(&self) -> Option<&str> {
        self.was.as_deref()
    }

    /// What the schema says; `None` when it has no such thing.
    pub fn is(&self) -> Option<&str> {
        self.is.as_deref()
    }

    /// What the difference does to what is stored.
    pub fn class(&self) -> DriftClass {
        self.class
    }

    /// What it means for stored items, and the next step.
    pub fn means(&self) -> &str {
        self.means
    }

    /// Of a weaker one: the change of the lock file that allows it.
    pub fn by_hand(&self) -> Option<&str> {
        self.by_hand.as_deref()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, place, class, means, .. } = self;
        write!(f, "table `{table}`")?;
        if !place.is_empty() {
            write!(f, ", {place}")?;
        }
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, ": {} → {} ({class}: {means})", or_nothing(&self.was), or_nothing(&self.is))
    }
}

/// A schema that differs from its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    differences: Vec<Difference>,
}

impl Drift {
    pub(super) fn new(differences: Vec<Difference>) -> Self {
        Self { differences }
    }

    /// Every difference, by table; at least one.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Whether one of them is [weaker](DriftClass::Weaker).
    pub fn is_weaker(&self) -> bool {
        self.differences.iter().any(|difference| difference.class == DriftClass::Weaker)
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, difference) in self.differences.iter().enumerate() {
            write!(f, "{}{difference}", if at == 0 { "the schema is not that of the lock file: " } else { "; " })?;
        }
        let by_hand: Vec<_> = self.differences.iter().filter_map(Difference::by_hand).collect();
        if !by_hand.is_empty() {
            write!(f, ". To keep what is weaker, first change the lock file by hand: {}", by_hand.join("; "))?;
        }
        f.write_str(". Undo the change, or run `TENANTSEAL_LOCK=overwrite cargo test` and commit the file")
    }
}

impl std::error::Error for Drift {}
