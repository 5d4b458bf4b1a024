//! Lookups: what a token is made of, and the record in which a lookup key is stored (docs/FORMAT.md, section 15).

mod definition;
mod known;
mod record;
#[cfg(test)]
mod tests;

pub use definition::{InvalidLookup, LookupDefinition, LookupKind};
pub use known::KnownLookups;
pub use record::{LookupContents, LookupFault, LookupRecord};

use sha2::{Digest, Sha256};

use super::KeyRecord;
use super::context::encode_pairs;
use crate::context::EncryptionContext;
use crate::hex;

/// The name of the key table's entry that holds lookup key `number` of the tenant of `context`, which is without the
/// pair `purpose`.
pub fn lookup_entry(context: &EncryptionContext, number: u16) -> String {
    format!("lookup#{}#{number}", context_digest(context))
}

/// How entries of the key table name a context: the first 16 bytes of its SHA-256, in hex digits.
pub(crate) fn context_digest(context: &EncryptionContext) -> String {
    digest(&KeyRecord::context_bytes(context))
}

/// The same of the pairs of a stored context.
pub(crate) fn pairs_digest(pairs: &[(&str, &str)]) -> String {
    let mut encoded = Vec::new();
    encode_pairs(pairs.iter().copied(), &mut encoded);
    digest(&encoded)
}

fn digest(context: &[u8]) -> String {
    hex::encode(&Sha256::digest(context)[..16])
}
