//! The lock of a configuration, which its schemas must be equal to.

use super::{TenantSealBuilder, tables};
use crate::client::Tables;
use crate::error::ConfigError;
use crate::schema::{Lock, TableSchema};

impl TenantSealBuilder {
    /// Has [`build`](Self::build) refuse schemas other than those of this lock file. Pass `include_str!`, so that the
    /// file is the one that the code was reviewed with; [`Lock`] says how it is made.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// # macro_rules! include_str { ($file:literal) => { r#"{"tenantseal": 1, "tables": {}}"# } }
    /// let builder = builder.lock(include_str!("../tenantseal.lock.json"));
    /// ```
    pub fn lock(mut self, text: impl Into<String>) -> Self {
        self.lock = Some(text.into());
        self
    }

    /// The schemas of all tables, as [`build`](Self::build) merges them: what a [`Lock`] is made of.
    ///
    /// ```
    /// # fn example(builder: tenantseal::TenantSealBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use tenantseal::schema::Lock;
    ///
    /// let lock = Lock::of(&builder.schemas()?)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a schema does not hold together, or a setting names a table or an attribute that is not
    /// registered.
    pub fn schemas(&self) -> Result<Vec<TableSchema>, ConfigError> {
        let merged = tables::merge(self.schemas.clone(), self.compact.clone(), self.own_bytes.clone())?;
        Ok(merged.into_values().collect())
    }
}

/// Compares the tables with the lock, if there is one.
pub(super) fn check(lock: Option<&str>, tables: &Tables) -> Result<(), ConfigError> {
    let Some(text) = lock else { return Ok(()) };
    let now = Lock::of(tables.values().map(AsRef::as_ref))?;
    Ok(Lock::parse(text)?.check(&now)?)
}
