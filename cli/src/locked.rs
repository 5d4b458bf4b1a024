//! The lock file, from which the command knows an application's schemas.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use tenantseal::schema::{Lock, TableSchema};

use crate::errors::{Failure, Result};

/// A table, as its lock file describes it.
#[derive(Debug, Clone, Args)]
pub(crate) struct LockedTable {
    /// The table's logical name, which the lock file has
    #[arg(long, value_name = "TABLE")]
    table: String,
    /// Its name in DynamoDB [default: as --table]
    #[arg(long, value_name = "TABLE")]
    physical: Option<String>,
    /// The application's lock file
    #[arg(long, value_name = "FILE", default_value = "tenantseal.lock.json")]
    lock: PathBuf,
}

/// The schema of one table.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) schema: TableSchema,
    /// Lookups whose forms are in the application alone.
    pub(crate) left_out: Vec<String>,
    /// The table's name in DynamoDB.
    pub(crate) physical: String,
}

impl LockedTable {
    /// A table whose name is known.
    pub(crate) fn new(table: &str, physical: &str, lock: PathBuf) -> Self {
        Self { table: table.to_owned(), physical: Some(physical.to_owned()), lock }
    }

    /// Reads the lock file.
    pub(crate) fn read(self) -> Result<Locked> {
        let Self { table, physical, lock: path } = self;
        let shown = path.display();
        let unreadable = |error: std::io::Error| {
            Failure::usage(format!("{shown}: {error}"))
                .help("give --lock, the file that `TENANTSEAL_LOCK=overwrite cargo test` writes")
        };
        let mut text = String::new();
        let file = File::open(&path).map_err(unreadable)?;
        // One byte more than may be parsed, so that a longer file is refused as one.
        file.take(Lock::MAX_LEN as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        let invalid = |fault: &dyn std::error::Error| Failure::usage(format!("{shown}: {fault}"));
        let lock = Lock::parse(&text).map_err(|fault| invalid(&fault))?.for_reading();
        let schemas = lock.schemas().map_err(|fault| invalid(&fault))?;
        let schema = schemas.into_iter().find(|schema| schema.name() == table).ok_or_else(|| {
            let known: Vec<_> = lock.tables().take(20).collect();
            Failure::usage(format!("{shown} has no table `{table}`"))
                .help(format!("give its logical name; the file has: {}", known.join(", ")))
        })?;
        let left_out = lock.left_out(&table).into_iter().map(str::to_owned).collect();
        Ok(Locked { schema, left_out, physical: physical.unwrap_or(table) })
    }
}
