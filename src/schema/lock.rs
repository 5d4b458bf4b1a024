//! The lock file: the schema of a build as text, so that no mark is lost unnoticed.

mod compare;
mod drift;
mod file;
mod findings;
mod lookups;
mod model;
mod restore;

use std::fmt;

pub use drift::{Difference, Drift, DriftClass};
pub use file::LockFileError;
pub use model::InvalidLock;
use model::{Named, Table};

use super::{InvalidSchema, TableSchema};

/// The schema of a build as data: what `tenantseal.lock.json` holds.
///
/// A lost mark, such as a deleted `#[seal(encrypt)]`, compiles, and new values are stored in plaintext. Commit the lock
/// file beside the code and pass it to [`TenantSealBuilder::lock`](crate::TenantSealBuilder::lock). Then a build with
/// another schema fails, and a reviewer sees each change as a line.
///
/// A test of five lines compares the file in CI, and writes it with `TENANTSEAL_LOCK=overwrite cargo test`:
///
/// ```no_run
/// # mod crm { pub fn seal() -> tenantseal::TenantSealBuilder { tenantseal::TenantSeal::builder() } }
/// use tenantseal::schema::Lock;
///
/// # /*
/// #[test]
/// # */
/// fn the_schema_is_the_locked_one() {
///     // `crm::seal()` is the builder that production uses, before `build`.
///     let schemas = crm::seal().schemas().unwrap();
///     Lock::check_file("tenantseal.lock.json", &schemas).unwrap();
/// }
/// ```
///
/// [`Lock::check_file`] says what overwriting refuses. Nothing but that call writes a file.
///
/// ```
/// use tenantseal::schema::{DriftClass, Lock, TableSchema};
///
/// let crm = || TableSchema::builder("crm").partition_key("tenant_id", "{tenant}");
/// let locked = Lock::of(&[crm().encrypt("email").build()?])?;
/// let lost = Lock::of(&[crm().plain("email").build()?])?;
///
/// assert_eq!(Lock::parse(&locked.to_string())?, locked);
/// assert!(locked.to_string().contains(r#""email": "encrypt""#));
/// assert_eq!(locked.compare(&lost)[0].class(), DriftClass::Weaker);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    tables: Named<Table>,
}

impl Lock {
    /// The largest text that [`Lock::parse`] reads, in bytes. 50 tables of 50 attributes take about 150,000.
    pub const MAX_LEN: usize = 8 << 20;

    /// The lock of these schemas. Several of one table are merged, as
    /// [`TenantSealBuilder::schemas`](crate::TenantSealBuilder::schemas) does.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] when two schemas of one table disagree.
    pub fn of<'a>(schemas: impl IntoIterator<Item = &'a TableSchema>) -> Result<Self, InvalidSchema> {
        let mut merged = std::collections::BTreeMap::<&str, std::borrow::Cow<'_, TableSchema>>::new();
        for schema in schemas {
            match merged.get_mut(schema.name()) {
                Some(other) => other.to_mut().merge(schema.clone())?,
                None => {
                    merged.insert(schema.name(), std::borrow::Cow::Borrowed(schema));
                }
            }
        }
        Ok(Self { tables: merged.iter().map(|(name, schema)| ((*name).to_owned(), Table::of(schema))).collect() })
    }

    /// Reads a lock file's text. It need not be formatted as [`Lock`] displays it.
    ///
    /// # Errors
    ///
    /// [`InvalidLock`] when it is longer than [`Lock::MAX_LEN`], is of another version, or is not such a file: it has
    /// an unknown field or word, or a name twice.
    pub fn parse(text: &str) -> Result<Self, InvalidLock> {
        model::parse(text).map(|tables| Self { tables })
    }

    /// What differs from here to `now`, by table: empty exactly when both are equal.
    pub fn compare(&self, now: &Self) -> Vec<Difference> {
        compare::tables(&self.tables, &now.tables)
    }

    /// The same as an error with the next step.
    pub(crate) fn check(&self, now: &Self) -> Result<(), Drift> {
        if self == now { Ok(()) } else { Err(Drift::new(self.compare(now))) }
    }

    /// The logical names of its tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }
}

/// The text of the lock file: names sorted, and one attribute a line.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&model::text(&self.tables).map_err(|_| fmt::Error)?)
    }
}
