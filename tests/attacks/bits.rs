//! Every bit and every length of every sealed byte.

use crate::attacks::victim::{Attacker, bytes, store, with};
use crate::common::{World, contact, item};

/// The wrapped key is the end of a record; `check` does not cover it, KMS does (docs/FORMAT.md, section 7).
fn wrapped_key(record: &[u8]) -> std::ops::Range<usize> {
    let at = (0..record.len() - 2).rev().find(|&at| {
        let length = u16::from_be_bytes([record[at], record[at + 1]]);
        at + 2 + usize::from(length) == record.len()
    });
    at.unwrap() + 2..record.len()
}

#[tokio::test]
async fn every_flipped_bit_is_detected() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let stored = store(&world, &seal, "acme", "c-1").await;
    let mut attacker = Attacker::new(&world, Some(stored.clone())).await;
    let original = item(&contact("acme", "c-1"));
    let mut bits = 0;
    for name in ["_seal", "email", "notes", "api_keys"] {
        let sealed = bytes(&stored, name);
        let record = match name {
            "_seal" => wrapped_key(&sealed),
            // Form 12: the record after the first byte and its length.
            "notes" => {
                let end = 3 + usize::from(u16::from_be_bytes([sealed[1], sealed[2]]));
                let wrapped = wrapped_key(&sealed[3..end]);
                wrapped.start + 3..wrapped.end + 3
            }
            _ => 0..0,
        };
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut damaged = sealed.clone();
                damaged[at] ^= 1 << bit;
                let opened = attacker.attack(with(stored.clone(), name, damaged)).await;
                // While the data key is in use, nobody asks for it by the wrapped key, and the values are authentic all the same.
                // In form 12 the wrapped key is no part of what is encrypted either.
                let harmless = record.contains(&at).then(|| original.clone());
                assert_eq!(opened, harmless, "{name}: byte {at}, bit {bit}");
                bits += 1;
            }
        }
    }
    assert!(bits > 8 * 500, "{bits}");
}

#[tokio::test]
async fn every_flipped_bit_of_a_wrapped_key_is_detected_by_kms() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let stored = store(&world, &seal, "acme", "c-1").await;
    let mut attacker = Attacker::new(&world, None).await;
    for name in ["_seal", "notes"] {
        let sealed = bytes(&stored, name);
        let end =
            if name == "_seal" { sealed.len() } else { 3 + usize::from(u16::from_be_bytes([sealed[1], sealed[2]])) };
        let length = wrapped_key(&sealed[if name == "_seal" { 0 } else { 3 }..end]).len();
        for at in end - length..end {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1 << (at % 8);
            // The other record must not bring the key into use.
            let mut alone = with(stored.clone(), name, damaged);
            match name {
                "_seal" => drop(alone.remove("notes")),
                _ => alone.retain(|other, _| !["email", "api_keys"].contains(&other.as_str())),
            }
            attacker.restart().await;
            assert_eq!(attacker.attack(alone).await, None, "{name}: byte {at}");
        }
    }
}

#[tokio::test]
async fn everything_that_is_cut_short_or_goes_on_is_detected() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let stored = store(&world, &seal, "acme", "c-1").await;
    let mut attacker = Attacker::new(&world, Some(stored.clone())).await;
    for name in ["_seal", "email", "notes", "api_keys"] {
        let sealed = bytes(&stored, name);
        for end in 0..sealed.len() {
            assert_eq!(
                attacker.attack(with(stored.clone(), name, sealed[..end].to_vec())).await,
                None,
                "{name}: {end}"
            );
        }
        for start in 1..sealed.len() {
            assert_eq!(
                attacker.attack(with(stored.clone(), name, sealed[start..].to_vec())).await,
                None,
                "{name}: {start}.."
            );
        }
        for byte in 0..=u8::MAX {
            let longer = [&sealed[..], &[byte]].concat();
            assert_eq!(attacker.attack(with(stored.clone(), name, longer)).await, None, "{name} and {byte}");
        }
    }
}
