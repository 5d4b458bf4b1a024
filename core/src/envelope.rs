//! Seals and opens bytes under verified data keys, and names the faults of what does not open.

mod fault;
mod key_ring;
mod key_use;
mod opener;
mod placement;
mod sealer;
mod seals;
mod verified_data_key;

pub use fault::OpenFault;
pub use key_ring::{KeyRing, NeededKey};
pub use key_use::{DataKeySource, Purpose};
pub use opener::Opener;
pub use placement::KeyRecordPlacement;
pub use sealer::{Nonces, Sealer};
pub use seals::Seals;
pub use verified_data_key::{NotInKeyTable, RecordMatch, VerifiedDataKey};
