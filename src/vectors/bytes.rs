//! Stored bytes in their parts, so that each part can be wrong while the rest is right.

use tenantseal_core::format::{Form, Identity, StoredKey, attribute_aad, put_prefix};

use super::scene::{CREATED, NONCE, Scene};

pub(super) fn lp(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A context of these pairs, in the order given.
pub(super) fn context(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(pairs.len()).unwrap()];
    for (name, value) in pairs {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// The record of section 11; `bytes` computes what the parts leave out, so that only what was changed is wrong.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) version: u8,
    pub(super) kid: Vec<u8>,
    pub(super) created: u32,
    pub(super) context: Vec<u8>,
    /// In place of the one that belongs to version, created and context.
    pub(super) check: Option<Vec<u8>>,
    pub(super) kek: Vec<u8>,
    pub(super) wrapped: Vec<u8>,
}

pub(super) fn record(scene: &Scene) -> Record {
    let kek = [&[0x01, 9][..], b"us-east-1", &111_122_223_333_u64.to_be_bytes()[3..], &UUID].concat();
    Record {
        version: 1,
        kid: scene.prk().key_id().as_bytes().to_vec(),
        created: CREATED,
        context: context(&[(b"tenant", b"acme")]),
        check: None,
        kek,
        wrapped: scene.kms.0[0].wrapped.clone(),
    }
}

pub(super) const UUID: [u8; 16] =
    [0x12, 0x34, 0xab, 0xcd, 0x12, 0xab, 0x34, 0xcd, 0x56, 0xef, 0x12, 0x34, 0x56, 0x78, 0x90, 0xab];

impl Record {
    pub(super) fn bytes(&self, scene: &Scene) -> Vec<u8> {
        let Self { version, kid, created, context, check, kek, wrapped } = self;
        let made = scene.prk().check(*version, *created, context).0.to_vec();
        let length = u16::try_from(wrapped.len()).unwrap().to_be_bytes();
        let parts: [&[u8]; 8] =
            [&[*version], kid, &created.to_be_bytes(), context, check.as_ref().unwrap_or(&made), kek, &length, wrapped];
        parts.concat()
    }
}

/// An attribute whose plaintext is these bytes, sealed as it should be.
pub(super) fn sealed(
    scene: &Scene,
    identity: &Identity,
    own: Option<StoredKey<&[u8]>>,
    name: &str,
    plaintext: &[u8],
) -> Vec<u8> {
    let mut aad = Vec::new();
    attribute_aad(Form::with(own), name, &mut aad);
    let mut bytes = Vec::new();
    put_prefix(own, &NONCE, &mut bytes);
    let start = bytes.len();
    bytes.extend_from_slice(plaintext);
    scene.prk().item_key(identity).encrypt(&NONCE, &aad, &mut bytes, start);
    bytes
}
