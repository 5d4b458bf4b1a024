//! Keys and the algorithms they are used with: HKDF-SHA256, HMAC-SHA256 and AES-256-GCM. The only module that names an algorithm.
//!
//! docs/FORMAT.md, "Keys and derivations", is the specification. Every type here that holds a key is redacted in
//! `Debug`, is not `Clone` and is zeroized on drop.

mod backend;
mod blob_key;
mod cipher;
mod data_key;
mod derivation;
mod identity;
mod leave_key;
mod lookup_key;
mod random;

pub(crate) use blob_key::{BlobKey, Commitment};
use cipher::NotAuthentic;
pub use cipher::{ItemKey, NONCE_LEN, TAG_LEN};
pub use data_key::{DataKey, WrappedDataKey, WrongLength};
pub use derivation::{Check, DataKeyId, InvalidDataKeyId, NonceKey, PseudorandomKey};
pub use identity::Identity;
pub(crate) use leave_key::LeaveKey;
pub(crate) use lookup_key::LookupWrapKey;
pub use lookup_key::{LookupKey, LookupKeyId, LookupPrk, MacKey};
pub use random::{OsRandom, RandomError, RandomSource};

/// `label(s) = "tenantseal v1 " ‖ s ‖ 0x00`: begins every HKDF info and every AAD, so that no two purposes share an
/// input.
macro_rules! label {
    ($purpose:literal) => {
        concat!("tenantseal v1 ", $purpose, "\0").as_bytes()
    };
}
pub(crate) use label;

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    fn is_zeroized<T: ZeroizeOnDrop>() {}

    #[test]
    fn every_kind_of_key_is_zeroized_on_drop() {
        is_zeroized::<DataKey>();
        is_zeroized::<LookupKey>();
        is_zeroized::<LookupWrapKey>();
        is_zeroized::<zeroize::Zeroizing<[u8; 32]>>(); // NonceKey, LeaveKey
        // ItemKey, BlobKey, PseudorandomKey, LookupPrk and MacKey: see the backends.
    }

    #[test]
    fn no_key_is_shown_by_debug() {
        let key = DataKey::take(vec![0x5a; 32]).unwrap();
        let derived = PseudorandomKey::extract(&key);
        let shown = format!("{key:?} {derived:?} {:?}", WrappedDataKey::new(vec![0x5a; 184]).unwrap());
        assert_eq!(shown, "DataKey(..) PseudorandomKey(..) WrappedDataKey(184 bytes)");
    }
}
