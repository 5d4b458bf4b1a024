//! The record of a lookup key.

use std::sync::LazyLock;

use tenantseal_core::context::{EncryptionContext, StaticPairs};
use tenantseal_core::crypto::{DataKey, LookupKey, LookupKeyId, WrappedDataKey};
use tenantseal_core::envelope::VerifiedDataKey;
use tenantseal_core::format::{KekId, KnownLookups, LookupContents, LookupDefinition, LookupKind, LookupRecord};
use tenantseal_core::tenant::TenantId;

use super::Fixed;

/// A lookup record is the sum of its parts, and whoever lacks its data key makes no other one that opens.
///
/// The input is the record itself where it begins with one; otherwise it is a place in the record of the scene, and bytes to put there.
pub fn lookup_record(data: &[u8]) {
    let Scene { tenant, key, stored, id, known } = &*SCENE;
    let edited = match data {
        [high, low, edit @ ..] if *high != 3 => {
            let mut edited = stored.clone();
            let at = usize::from(u16::from_be_bytes([*high, *low])) % stored.len();
            let end = (at + edit.len()).min(stored.len());
            edited.splice(at..end, edit.iter().copied());
            edited
        }
        record => record.to_vec(),
    };
    let Ok(record) = LookupRecord::decode(&edited) else { return };
    let key_record = record.stored_key_record();
    assert_eq!(record.key_record().encode(), key_record);
    assert!(edited.len() >= 3 + key_record.len() + 12 + LookupKey::LEN + 16);
    assert_eq!(edited[3..3 + key_record.len()], *key_record);
    match key.unwrap_lookup_key(tenant, 1, &record) {
        // The key record is KMS's to authenticate, and its own check: it may differ.
        Ok(opened) => assert_eq!((opened.key.extract().id(), &opened.known), (*id, known)),
        Err(_) => assert_ne!(edited, *stored),
    }
    assert!(key.unwrap_lookup_key(tenant, 2, &record).is_err());
}

struct Scene {
    tenant: TenantId,
    key: VerifiedDataKey,
    stored: Vec<u8>,
    id: LookupKeyId,
    known: KnownLookups,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let tenant = TenantId::parse("acme").expect("a good id");
    let context = EncryptionContext::new(&tenant, &StaticPairs::default()).for_lookups().expect("room for a pair");
    let kek = KekId::parse("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let wrapped = WrappedDataKey::new([0xaa, 0xbb, 0xcc, 0xdd]).expect("4 bytes");
    // Not the one of the example, whose records lie in the corpus.
    let data_key = DataKey::take(vec![7; 32]).expect("32 bytes");
    let key = VerifiedDataKey::from_generated(&data_key, 1_700_000_000, &context, kek.expect("a good ARN"), wrapped);
    let definition = LookupDefinition::new(LookupKind::Equality, 128, [("email", "email")]).expect("a good lookup");
    let mut known = KnownLookups::default();
    known.insert("crm", "email", &definition);
    let lookup_key = LookupKey::generate(&Fixed).expect("bytes");
    let id = lookup_key.extract().id();
    let contents = LookupContents { key: lookup_key, known: known.clone() };
    let stored = key.wrap_lookup_key(&tenant, 1, [7; 12], &contents);
    Scene { tenant, key, stored, id, known }
});
