//! The list of what does not open. It has no values but those of primary keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use tenantseal::{Item, TenantId};

use crate::errors::{Exit, Failure, Result};
use crate::visible::harmless_json;

/// A record that is not written.
#[derive(Debug, Serialize)]
pub(super) struct Refused<'a> {
    /// From 1.
    pub(super) line: u64,
    /// Its place in an event, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) record: Option<usize>,
    pub(super) tenant: Option<&'a TenantId>,
    /// `line`, `record`, `new_image` or `old_image`: what of it is wrong.
    pub(super) kind: &'static str,
    pub(super) key: Option<BTreeMap<String, serde_dynamo::AttributeValue>>,
    pub(super) why: String,
}

/// Where they are listed.
pub(super) struct Refusals(Box<dyn Write + Send>);

impl Refusals {
    pub(super) fn to(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(Box::new(io::stderr()))) };
        let file = File::create(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(Self(Box::new(BufWriter::new(file))))
    }

    pub(super) fn list(&mut self, refused: &Refused<'_>) -> Result<()> {
        let unwritten = |error: io::Error| Failure::new(Exit::Findings, format!("the list of refused lines: {error}"));
        let line = serde_json::to_string(refused).map_err(|error| unwritten(error.into()))?;
        writeln!(self.0, "{}", harmless_json(&line)).map_err(unwritten)
    }

    /// Hands the list to the system.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(|error| Failure::new(Exit::Findings, format!("the list of refused lines: {error}")))
    }
}

/// A primary key in DynamoDB JSON.
pub(super) fn shown(key: &Item) -> BTreeMap<String, serde_dynamo::AttributeValue> {
    key.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}
