//! One file per command.

pub(crate) mod cost;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod list;
#[cfg(feature = "local")]
pub(crate) mod local;
pub(crate) mod offboard;
pub(crate) mod onboard;
pub(crate) mod policy;
pub(crate) mod rotate;
pub(crate) mod show;
pub(crate) mod suspend;
