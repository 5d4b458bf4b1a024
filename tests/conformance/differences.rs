//! Where the second server (ministack 1.5.33) differs from the local one (dynoxide 3.2), and which of them is right by the Amazon
//! DynamoDB Developer Guide and API reference.

/// One case in which the plain results of the two servers differ.
#[derive(Debug, Clone)]
pub struct Difference {
    pub case: &'static str,
    /// Which server is right, and why.
    pub reason: &'static str,
    /// Whether the tenant's client brings something else than a plain one on the second server, for the same reason.
    pub tenant_too: bool,
}

pub const DIFFERENCES: &[Difference] = &[];
