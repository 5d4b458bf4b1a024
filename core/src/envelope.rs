//! What is sealed under a tenant's data key: verified keys, and the faults of what does not open.

mod fault;
mod key_ring;
mod placement;
mod unwrapped_key;

pub use fault::OpenFault;
pub use key_ring::{KeyRing, NeededKey};
pub use placement::RecordPlace;
pub use unwrapped_key::{NotInKeyTable, Serves, UnwrappedKey};
