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
    let mut mac = Hmac::<Sha256>::new_from_slice(b"tenantseal v1").unwrap();
    mac.update(data_key);
    let prk = mac.finalize().into_bytes();
    let state = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(&prk).for_each(|(byte, key)| *byte ^= key);
        // FIPS 180-4, 5.3.3: the initial hash value of SHA-256.
        let mut state =
            [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
        compress256(&mut state, &[block]);
        state.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect::<Vec<u8>>()
    };
    vec![
        Needle { name: "data key", bytes: data_key.to_vec() },
        Needle { name: "item key", bytes: item_key(&prk) },
        Needle { name: "PRK", bytes: prk.to_vec() },
        Needle { name: "HMAC state, inner", bytes: state(0x36) },
        Needle { name: "HMAC state, outer", bytes: state(0x5c) },
    ]
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
    let mut key = vec![0; 32];
    Hkdf::<Sha256>::from_prk(prk).unwrap().expand(&info, &mut key).unwrap();
    key
}

fn lp(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}
