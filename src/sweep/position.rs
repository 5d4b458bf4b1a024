//! How far a segment of a scan has come.

use serde::{Deserialize, Serialize};

use super::key::Key;

/// Where a segment goes on. It moves after the writes of a page were acknowledged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Position {
    /// At its beginning.
    Start,
    /// Behind the item with this key.
    After(Key),
    /// Nowhere: it was read to its end.
    Done,
}
