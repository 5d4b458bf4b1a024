//! What an operation adds to KMS's bill.

use std::fmt;

use serde::Serialize;

/// A change of the monthly bill at KMS's list price. A key costs $1 a month in each Region, and $1 more after each of
/// its first 2 rotations (AWS KMS pricing). Requests are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct MonthlyCost {
    /// US dollars a month from now on.
    pub now: u32,
    /// At most this many more US dollars a month after the next automatic rotations.
    pub later: u32,
}

impl MonthlyCost {
    /// How many rotations of a key cost.
    const PRICED_ROTATIONS: u32 = 2;

    /// A new key in `regions` Regions, with automatic rotation.
    pub(super) fn for_key(regions: usize) -> Self {
        let regions = u32::try_from(regions).unwrap_or(u32::MAX);
        Self { now: regions, later: regions * Self::PRICED_ROTATIONS }
    }

    /// A rotation on demand of a key with `before` earlier rotations.
    pub(super) fn for_rotation(regions: usize, before: u32) -> Self {
        let regions = u32::try_from(regions).unwrap_or(u32::MAX);
        Self { now: if before < Self::PRICED_ROTATIONS { regions } else { 0 }, later: 0 }
    }

    /// Automatic rotation of a key with `before` earlier rotations.
    pub(super) fn for_schedule(regions: usize, before: u32) -> Self {
        let regions = u32::try_from(regions).unwrap_or(u32::MAX);
        Self { now: 0, later: regions * Self::PRICED_ROTATIONS.saturating_sub(before) }
    }
}

impl fmt::Display for MonthlyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+${} a month now, up to +${} a month with the next rotations", self.now, self.later)
    }
}
