//! The wall clock as a seam: tests and simulations move it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// Tells the time of day.
pub trait TimeSource: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> SystemTime;
}

/// A shared [`TimeSource`].
pub type SharedTimeSource = Arc<dyn TimeSource>;

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTimeSource;

impl TimeSource for SystemTimeSource {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
