//! Limits how much one data key seals.

/// How many attributes a process seals under one data key before it moves on to another.
///
/// AES-GCM may be invoked 2^32 times under one key with random nonces (NIST SP 800-38D, section 8.3). That limit
/// concerns an item's key. Counting all items of a data key together is cheaper and never less strict.
#[derive(Debug, Clone, Copy)]
pub struct Seals {
    /// For a data key of this process alone. Half of the limit, so that seals in flight when it is reached do not
    /// matter.
    pub(crate) own: u64,
    /// For a data key whose record is in the key table: each process counts for itself, and anew each time it loads the
    /// key.
    pub(crate) shared: u64,
}

impl Seals {
    /// What the analysis allows; at least 256 processes together use up a shared key.
    pub const MOST: Self = Self { own: 1 << 31, shared: 1 << 24 };
}
