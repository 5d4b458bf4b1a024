//! Reads and writes stored bytes (docs/FORMAT.md): parses hostile bytes into a value or a named fault. No keys, no I/O.

mod ciphertext;
mod context;
mod fault;
mod identity;
pub mod inspect;
mod kek;
mod leave;
mod lookup;
mod number;
pub mod reader;
mod record;
mod rewrap;
mod stored_form;
mod stored_key;

pub use crate::crypto::Identity;
pub use ciphertext::{Form, Sealed, attribute_aad, prefix_len, put_prefix};
pub use fault::FormatError;
pub use identity::{InvalidPrimaryKey, PrimaryKeyPart};
pub use kek::{InvalidKekId, InvalidKeyArn, KekId, KeyArn, is_account_id};
pub use leave::{Leave, LeaveFault, LeaveStage, LeaveTerms, leave_entry};
pub(crate) use lookup::context_digest;
pub use lookup::{
    InvalidLookup, KnownLookups, LookupContents, LookupDefinition, LookupFault, LookupKind, LookupRecord, lookup_entry,
};
pub use number::{InvalidNumber, Number};
pub use reader::put_lp;
pub use record::KeyRecord;
pub use rewrap::RewrapEntry;
pub use stored_form::StoredForm;
pub use stored_key::{OwnedStoredKey, StoredKey};

/// Attribute names with this prefix belong to the library.
pub const RESERVED_PREFIX: &str = "_seal";

/// The attribute that names the data key under which PutItem sealed the item: it holds the key record, or a reference
/// to it.
pub const HEADER: &str = "_seal";
