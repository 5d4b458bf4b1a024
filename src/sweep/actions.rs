//! The actions of sweeps, one file each.

mod count;
mod migrate;
mod reindex;
mod reseal;
mod rewrap;
mod sealed_again;
mod verify;

pub(super) use count::Count;
pub(super) use migrate::Migrate;
pub(super) use reindex::ReindexAction;
pub(super) use reseal::Reseal;
pub(super) use rewrap::Rewrap;
pub(super) use verify::Verify;
