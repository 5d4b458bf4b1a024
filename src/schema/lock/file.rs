//! The lock file on disk, for a test of the application.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Difference, Drift, InvalidLock, Lock};
use crate::schema::{InvalidSchema, TableSchema};

/// The environment variable that asks for writing.
const VARIABLE: &str = "TENANTSEAL_LOCK";

/// Why a lock file could not be checked, or is another schema's.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LockFileError {
    /// There is none yet.
    #[error("{}: there is no lock file: run `TENANTSEAL_LOCK=overwrite cargo test`, and commit it", .0.display())]
    Missing(PathBuf),
    /// It could not be read or written.
    #[error("{}: the lock file could not be {done}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        done: &'static str,
        /// What the system said.
        cause: io::ErrorKind,
    },
    /// It is no lock file.
    #[error("{}: {fault}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: InvalidLock,
    },
    /// The schemas do not hold together.
    #[error(transparent)]
    Schema(#[from] InvalidSchema),
    /// The schemas are not those of the file; with `TENANTSEAL_LOCK=overwrite`, one is weaker.
    #[error("{}: {drift}", path.display())]
    Drift {
        /// The file.
        path: PathBuf,
        /// What differs.
        drift: Drift,
    },
    /// `TENANTSEAL_LOCK` is neither unset nor `overwrite`.
    #[error("TENANTSEAL_LOCK is set, but not to `overwrite`: unset it, or correct it")]
    Variable,
}

impl Lock {
    /// Compares the file at `path` with `schemas`, in a test of the application; [`Lock`] shows one.
    ///
    /// With `TENANTSEAL_LOCK=overwrite` in the environment it writes the file, also a new one, and returns what has
    /// changed. It refuses to write what is [weaker](crate::schema::DriftClass::Weaker): the error says which lines to
    /// change by hand, so that a reviewer sees them. Do not call it in production: a service must not write its own
    /// lock.
    ///
    /// # Errors
    ///
    /// [`LockFileError::Drift`] when the schemas differ; without the variable, any difference is an error.
    pub fn check_file(path: impl AsRef<Path>, schemas: &[TableSchema]) -> Result<Vec<Difference>, LockFileError> {
        let path = path.as_ref();
        let overwrites = match std::env::var_os(VARIABLE) {
            None => false,
            Some(value) if value == "overwrite" => true,
            Some(_) => return Err(LockFileError::Variable),
        };
        let now = Self::of(schemas)?;
        let drift = match read(path)? {
            Some(locked) => match locked.check(&now) {
                Ok(()) => return Ok(Vec::new()),
                Err(drift) => drift,
            },
            None if overwrites => Drift::new(Self { tables: Default::default() }.compare(&now)),
            None => return Err(LockFileError::Missing(path.to_owned())),
        };
        if !overwrites || drift.is_weaker() {
            return Err(LockFileError::Drift { path: path.to_owned(), drift });
        }
        write(path, &now.to_string())?;
        Ok(drift.differences().to_vec())
    }
}

/// The lock of the file, if there is one.
fn read(path: &Path) -> Result<Option<Lock>, LockFileError> {
    let invalid = |fault| LockFileError::Invalid { path: path.to_owned(), fault };
    let failed = |error: io::Error| LockFileError::Io { path: path.to_owned(), done: "read", cause: error.kind() };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    // One byte more than may be parsed, so that a longer file is refused as one.
    file.take(Lock::MAX_LEN as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    Lock::parse(&text).map(Some).map_err(invalid)
}

/// Writes beside the file and renames, so that a test that is stopped leaves no half of it.
fn write(path: &Path, text: &str) -> Result<(), LockFileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // What is left of it is not worth an error of its own.
        let _ = fs::remove_file(&beside);
        LockFileError::Io { path: path.to_owned(), done: "written", cause: error.kind() }
    })
}
