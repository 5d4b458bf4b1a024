//! What a data key looks like in memory. Computed in the process that scans, never in the one that is scanned.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, block_api::compress256};

/// The bytes to look for, each with its name.
pub(crate) struct Needle {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// All that is made of a data key, and the key itself.
pub(crate) fn of_data_key(data_key: &[u8; 32]) -> Vec<Needle> {
    let prk = extract(b"tenantseal v1", data_key);
    vec![
        Needle { name: "data key", bytes: data_key.to_vec() },
        Needle { name: "item key", bytes: item_key(&prk) },
        Needle { name: "PRK", bytes: prk.to_vec() },
        Needle { name: "HMAC state, inner", bytes: state(&prk, 0x36) },
        Needle { name: "HMAC state, outer", bytes: state(&prk, 0x5c) },
    ]
}

/// All that is made of a lookup key for the lookup `email` of `acme`, and the key itself.
pub(crate) fn of_lookup_key(lookup_key: &[u8; 32], definition: &[u8]) -> Vec<Needle> {
    let prk = extract(b"tenantseal v1 lookup", lookup_key);
    let scope = [lp(b"acme"), lp(b"crm"), lp(b"email"), lp(definition)].concat();
    let mac_key = expand(&prk, &[b"tenantseal v1 lookup\0", &scope[..]].concat());
    vec![
        Needle { name: "lookup key", bytes: lookup_key.to_vec() },
        Needle { name: "lookup PRK", bytes: prk.clone() },
        Needle { name: "lookup PRK, inner state", bytes: state(&prk, 0x36) },
        Needle { name: "lookup PRK, outer state", bytes: state(&prk, 0x5c) },
        Needle { name: "MAC key", bytes: mac_key.clone() },
        Needle { name: "MAC key, inner state", bytes: state(&mac_key, 0x36) },
        Needle { name: "MAC key, outer state", bytes: state(&mac_key, 0x5c) },
    ]
}

/// The key that wraps lookup key 1 of `acme` under a data key.
pub(crate) fn wrap_key(data_key: &[u8; 32]) -> Vec<u8> {
    let info = [b"tenantseal v1 lookup key\0", &lp(b"acme")[..], &[0, 1]].concat();
    expand(&extract(b"tenantseal v1", data_key), &info)
}

fn extract(salt: &[u8], key: &[u8; 32]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).unwrap();
    mac.update(key);
    mac.finalize().into_bytes().to_vec()
}

fn expand(prk: &[u8], info: &[u8]) -> Vec<u8> {
    let mut key = vec![0; 32];
    Hkdf::<Sha256>::from_prk(prk).unwrap().expand(info, &mut key).unwrap();
    key
}

/// The state of HMAC after its key, inner or outer.
fn state(key: &[u8], pad: u8) -> Vec<u8> {
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    // FIPS 180-4, 5.3.3: the initial hash value of SHA-256.
    let mut state =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    compress256(&mut state, &[block]);
    state.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect()
}

/// The key of the item `c-0` (docs/FORMAT.md, section 7), with which an AES key schedule begins too.
fn item_key(prk: &[u8]) -> Vec<u8> {
    let mut info = b"tenantseal v1 item\0".to_vec();
    for part in [&b"acme"[..], b"crm"] {
        info.extend_from_slice(&lp(part));
    }
    info.push(2);
    for (name, value) in [(&b"tenant_id"[..], &b"acme"[..]), (b"contact_id", b"c-0")] {
        info.extend_from_slice(&[&lp(name)[..], &[1], &lp(value)].concat());
    }
    expand(prk, &info)
}

fn lp(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}
