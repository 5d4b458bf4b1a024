//! The actions of sweeps, one file each.

mod count;
mod reindex;
mod verify;

pub(super) use count::Count;
pub(super) use reindex::ReindexAction;
pub(super) use verify::Verify;
