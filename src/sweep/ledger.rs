//! The ledger of sweeps: typed entries of a key table that several machines share (docs/FORMAT.md, "The ledger").

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenantseal_core::keys::{KeyTable, KeyTableError, Swap};
use tokio::time::sleep;

use super::ledger_error::LedgerError;
use super::plan::SweepPlan;
use super::position::Position;
use super::report::Tally;
use super::stop::pause;

/// The longest entry that is read or written. An item of DynamoDB has 400 KB.
const MAX_LEN: usize = 300_000;
/// How often an entry is read or written again while the ledger does not answer.
const PATIENCE: u32 = 6;
/// What the lists of one entry hold at most.
const LISTED: usize = 100;
const LISTED_BYTES: usize = 100_000;

/// Where an entry lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    partition: String,
    entry: String,
}

impl Place {
    /// The sweep that may write a table now.
    pub(super) fn active(physical: &str) -> Self {
        Self { partition: "#sweep".to_owned(), entry: format!("active#{physical}") }
    }

    pub(super) fn plan(id: &str) -> Self {
        Self { partition: format!("#sweep#{id}"), entry: "plan".to_owned() }
    }

    /// A segment. 64 partitions take what thousands of workers write.
    pub(super) fn segment(id: &str, number: usize) -> Self {
        Self { partition: format!("#sweep#{id}#{:x}", number % 64), entry: format!("segment#{number:06}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.partition, self.entry)
    }
}

/// Which sweep may write a table now; none when the last one has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActiveEntry {
    pub(super) sweep: Option<String>,
}

/// How far a segment has come, and who has it in hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentEntry {
    pub(super) owner: String,
    /// Counts the owners.
    pub(super) fence: u64,
    /// Until when it is the owner's by its own clock, in milliseconds since 1970. 0 when it was given back.
    pub(super) until: u64,
    pub(super) position: Position,
    pub(super) tally: Tally,
}

impl Default for SegmentEntry {
    fn default() -> Self {
        Self { owner: String::new(), fence: 0, until: 0, position: Position::Start, tally: Tally::default() }
    }
}

/// An entry as it was read, which may be swapped for another one.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) value: Option<T>,
    bytes: Option<Vec<u8>>,
}

/// The ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ledger<'a>(pub(super) &'a dyn KeyTable);

impl Ledger<'_> {
    pub(super) async fn read<T: DeserializeOwned>(self, place: &Place) -> Result<Stored<T>, LedgerError> {
        let mut attempt = 0;
        let bytes = loop {
            match self.0.get(&place.partition, &place.entry).await {
                Ok(bytes) => break bytes,
                Err(error) => wait_out(error, &mut attempt).await?,
            }
        };
        let value = bytes.as_deref().map(|bytes| parse(place, bytes)).transpose()?;
        Ok(Stored { value, bytes })
    }

    /// Stores `value` if the entry is still as it was read. Returns whether it is stored; a value that an earlier
    /// attempt has stored, whose answer was lost, is.
    pub(super) async fn swap<T: Serialize>(
        self,
        place: &Place,
        stored: &mut Stored<T>,
        value: T,
    ) -> Result<bool, LedgerError> {
        let too_long = || LedgerError::TooLong { entry: place.to_string() };
        let bytes = serde_json::to_vec(&value).ok().filter(|bytes| bytes.len() <= MAX_LEN).ok_or_else(too_long)?;
        let mut attempt = 0;
        loop {
            let swap = self.0.compare_and_swap(&place.partition, &place.entry, stored.bytes.as_deref(), &bytes);
            let is_stored = match swap.await {
                Ok(Swap::Stored) => true,
                Ok(Swap::Found(found)) => found.as_deref() == Some(&bytes[..]),
                Ok(_) => false,
                Err(error) => {
                    wait_out(error, &mut attempt).await?;
                    continue;
                }
            };
            if is_stored {
                *stored = Stored { value: Some(value), bytes: Some(bytes) };
            }
            return Ok(is_stored);
        }
    }

    /// The plan of a sweep, if there is one.
    pub(super) async fn plan(self, id: &str) -> Result<Option<SweepPlan>, LedgerError> {
        let place = Place::plan(id);
        let plan = self.read::<SweepPlan>(&place).await?.value;
        match plan {
            Some(plan) if !plan.is_sound(id) => Err(LedgerError::Malformed { entry: place.to_string() }),
            plan => Ok(plan),
        }
    }

    /// A segment. One that nobody has begun has no entry.
    pub(super) async fn segment(self, id: &str, number: usize) -> Result<Stored<SegmentEntry>, LedgerError> {
        self.read(&Place::segment(id, number)).await
    }

    /// The sweep that may write the table now.
    pub(super) async fn active(self, physical: &str) -> Result<Stored<ActiveEntry>, LedgerError> {
        self.read(&Place::active(physical)).await
    }
}

impl SegmentEntry {
    /// What is stored of it: at most 100 keys.
    pub(super) fn trimmed(mut self) -> Self {
        self.tally.trim(LISTED, LISTED_BYTES);
        self
    }
}

fn parse<T: DeserializeOwned>(place: &Place, bytes: &[u8]) -> Result<T, LedgerError> {
    let parsed = Some(bytes).filter(|bytes| bytes.len() <= MAX_LEN).map(serde_json::from_slice);
    let malformed = || LedgerError::Malformed { entry: place.to_string() };
    parsed.and_then(Result::ok).ok_or_else(malformed)
}

/// Waits before the next attempt, if the ledger may answer then.
async fn wait_out(error: KeyTableError, attempt: &mut u32) -> Result<(), LedgerError> {
    if !error.is_retryable() || *attempt >= PATIENCE {
        return Err(LedgerError::Table(error));
    }
    sleep(pause(*attempt)).await;
    *attempt += 1;
    Ok(())
}
