//! Stored bytes, as docs/FORMAT.md lays them down: hostile bytes in, a value or a named fault out. No keys, no I/O.

mod ciphertext;
mod context;
mod dense;
mod fault;
mod identity;
pub mod inspect;
mod kek;
mod number;
mod reader;
mod record;
mod stored_key;
mod value;

pub(crate) use ciphertext::{Form, Sealed, attribute_aad, prefix_len, put_prefix};
pub use fault::FormatError;
pub(crate) use identity::Identity;
pub use identity::InvalidKey;
pub(crate) use kek::is_account_id;
pub use kek::{InvalidKeyArn, KeyArn};
pub use number::InvalidNumber;
pub(crate) use number::Number;
pub(crate) use record::KeyRecord;
pub(crate) use stored_key::{OwnedStoredKey, StoredKey};
pub use value::InvalidValue;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use value::encodings;
pub(crate) use value::{decode_value, encode_value, encoded_len};

/// Names that begin with this belong to the library.
pub(crate) const RESERVED_PREFIX: &str = "_seal";

/// The attribute that names the data key under which PutItem sealed the item: by its record, or by a reference to it.
pub(crate) const HEADER: &str = "_seal";
