//! The account of the data keys that are used, one line of JSON for each use.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tenantseal::audit::{AuditSink, DataKeySource, DataKeyUse};

use crate::errors::{Failure, Result};
use crate::output::date;

#[derive(Debug)]
pub(super) struct AuditFile(Mutex<File>);

impl AuditFile {
    /// What an earlier run has written stays.
    pub(super) fn append_to(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(Self(Mutex::new(file)))
    }
}

impl AuditSink for AuditFile {
    fn record(&self, key_use: &DataKeyUse<'_>) {
        let DataKeyUse { tenant, key_id, kek, purpose, operation, table, items, source, request_id, at, .. } = key_use;
        let source = match source {
            DataKeySource::Kms => "kms",
            DataKeySource::KeyTable => "key_table",
            DataKeySource::Cache => "cache",
            _ => "other",
        };
        let line = json!({
            "at": date(*at), "tenant": tenant, "key_id": key_id.to_string(), "kek": kek.to_string(),
            "purpose": purpose.to_string(), "operation": operation, "table": table, "items": items, "source": source,
            "request_id": request_id,
        });
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            // The library opens nothing whose key is not accounted for.
            resume_unwind(Box::new(error));
        }
    }
}
