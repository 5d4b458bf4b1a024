//! Leaves.

use std::sync::LazyLock;

use tenantseal_core::context::{EncryptionContext, StaticPairs};
use tenantseal_core::crypto::{DataKey, WrappedDataKey};
use tenantseal_core::envelope::VerifiedDataKey;
use tenantseal_core::format::{KekId, Leave, LeaveStage, LeaveTerms};
use tenantseal_core::tenant::TenantId;

/// Whoever lacks the data key makes no other leave that verifies, and what decodes says where its key record is.
///
/// The input is the leave itself where it begins with one; otherwise it is a place in the leave of the scene, and bytes to put there.
pub fn leave(data: &[u8]) {
    let Scene { tenant, key, stored, terms } = &*SCENE;
    let edited = match data {
        [high, low, edit @ ..] if *high != 1 => {
            let mut edited = stored.clone();
            let at = usize::from(u16::from_be_bytes([*high, *low])) % stored.len();
            let end = (at + edit.len()).min(stored.len());
            edited.splice(at..end, edit.iter().copied());
            edited
        }
        leave => leave.to_vec(),
    };
    let Ok(leave) = Leave::decode(&edited) else { return };
    let record = leave.stored_key_record();
    assert_eq!(leave.key_record().encode(), record);
    assert!(edited.ends_with(&[record, &edited[edited.len() - 16..]].concat()));
    let claimed = leave.claimed().clone();
    assert!(claimed.names.windows(2).all(|pair| pair[0] < pair[1]) && claimed.issued <= claimed.expires);
    let verified = |of: &TenantId, table| key.verify_leave(of, table, Leave::decode(&edited).expect("it did before"));
    match verified(tenant, "crm") {
        Ok(verified) => assert_eq!((&verified, &edited), (terms, stored)),
        Err(_) => assert_ne!(edited, *stored),
    }
    assert!(verified(tenant, "orders").is_err());
}

struct Scene {
    tenant: TenantId,
    key: VerifiedDataKey,
    stored: Vec<u8>,
    terms: LeaveTerms,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let tenant = TenantId::parse("acme").expect("a good id");
    let context = EncryptionContext::new(&tenant, &StaticPairs::default());
    let kek = KekId::parse("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let wrapped = WrappedDataKey::new([0xaa, 0xbb, 0xcc, 0xdd]).expect("4 bytes");
    // Not the one of the example, whose leaves lie in the corpus.
    let data_key = DataKey::take(vec![7; 32]).expect("32 bytes");
    let key = VerifiedDataKey::from_generated(&data_key, 1_700_000_000, &context, kek.expect("a good ARN"), wrapped);
    let names = ["email", "phone"].map(str::to_owned).into();
    let (issued, expires) = (1_700_000_000, 1_702_592_000);
    let terms = LeaveTerms { stage: LeaveStage::Sealing, serial: 5, issued, expires, names };
    let stored = key.issue_leave(&tenant, "crm", &terms);
    Scene { tenant, key, stored, terms }
});
