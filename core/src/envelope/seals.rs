//! How much one data key seals.

/// How many attributes a process seals under one data key before another takes its place.
///
/// Under one key AES-GCM may be invoked 2^32 times with random nonces (NIST SP 800-38D, section 8.3). That is an item's key; all items
/// of a data key are counted together, which is cheaper and never less.
#[derive(Debug, Clone, Copy)]
pub struct Seals {
    /// Under a key of its own. Half, so that what is under way when it is reached does not matter.
    pub(crate) own: u64,
    /// Under a key whose record is in the key table: each process, and each time that it loads the key, counts for itself.
    pub(crate) shared: u64,
}

impl Seals {
    /// What the analysis allows; a shared key is used up by no fewer than 256 processes.
    pub const MOST: Self = Self { own: 1 << 31, shared: 1 << 24 };
}
