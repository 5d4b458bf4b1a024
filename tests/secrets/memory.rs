//! Data keys leave memory when they are evicted: scanned through `/proc/<pid>/mem` of a process that used them.

use async_trait::async_trait;
use tenantseal::keys::{
    DataKey, EncryptionContext, GeneratedDataKey, KekId, KeyService, KeyServiceError, UnwrappedDataKey, WrappedDataKey,
};
use tenantseal::{TenantId, TenantSeal};

use crate::common::{Contact, World, contact, id, item};
use crate::needles;
use crate::process::{Scanned, is_scanned, stop_at};

/// The data key of the process that is scanned, byte by byte, so that the whole is nowhere but where it is written.
fn data_key_byte(at: usize) -> u8 {
    let mixed = (u64::try_from(at).unwrap() + 0x5eed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).to_be_bytes()[3]
}

/// A key service that makes the key anew each time, in the place where it stays.
#[derive(Debug)]
pub(crate) struct Derived;

impl Derived {
    /// Its data key, for those who scan.
    pub(crate) fn bytes() -> [u8; 32] {
        std::array::from_fn(data_key_byte)
    }

    pub(crate) fn data_key() -> DataKey {
        let Ok(key) = DataKey::try_from_fn(|bytes| {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = data_key_byte(at));
            Ok::<_, std::convert::Infallible>(())
        });
        key
    }

    pub(crate) fn kek() -> KekId {
        KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap()
    }
}

#[async_trait]
impl KeyService for Derived {
    async fn generate_data_key(
        &self,
        _: &TenantId,
        _: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        Ok(GeneratedDataKey::new(Self::data_key(), WrappedDataKey::new(vec![1]).unwrap(), Self::kek()))
    }

    async fn unwrap_data_key(
        &self,
        _: &TenantId,
        _: &EncryptionContext,
        _: &KekId,
        _: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        Ok(UnwrappedDataKey::new(Self::data_key(), Self::kek()))
    }
}

/// What the scanned process does: it seals and opens some items, and evicts their key.
async fn use_and_evict(seal: &TenantSeal) {
    let acme = seal.tenant(&id("acme"));
    for at in 0..20 {
        let contact = item(&contact("acme", &format!("c-{at}")));
        let sealed = acme.seal("crm", contact.clone()).await.unwrap();
        assert_eq!(acme.open("crm", sealed).await.unwrap(), contact);
    }
    stop_at("use");
    seal.revoke(&id("acme")).await;
    stop_at("eviction");
}

#[tokio::test]
async fn nothing_of_a_data_key_is_in_memory_after_its_eviction() {
    if is_scanned() {
        let config = aws_types::SdkConfig::builder().build();
        let seal = TenantSeal::builder().key_service(Derived).record::<Contact>().build(&config).unwrap();
        return use_and_evict(&seal).await;
    }
    let process = Scanned::start("memory::nothing_of_a_data_key_is_in_memory_after_its_eviction", vec![]);
    let found = process.scan(|| needles::of_data_key(&Derived::bytes()));
    // The scan finds what is there: the backend's own form of the key.
    let held = if cfg!(feature = "aws-lc-rs") { "data key" } else { "HMAC state, inner" };
    assert!(found.iter().any(|found| found.name == held && found.in_use > 0), "{found:?}");
    assert!(found.iter().all(|found| found.evicted == 0), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_copies_of_an_answer_of_kms_are_counted_and_ours_are_gone() {
    if is_scanned() {
        let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let seal = TenantSeal::builder().assume_role(crate::common::ROLE).record::<Contact>().build(&config).unwrap();
        return use_and_evict(&seal).await;
    }
    let world = World::start(&["acme"]).await;
    let (taps, _) = world.tapped().await;
    let mut environment = world.stack.environment(world.credentials.clone());
    environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_KMS");
    environment.push(("AWS_ENDPOINT_URL_KMS", taps.kms.url().to_owned()));
    let found = tokio::task::spawn_blocking(move || {
        let process =
            Scanned::start("memory::the_sdks_copies_of_an_answer_of_kms_are_counted_and_ours_are_gone", environment);
        process.scan(|| {
            let plaintext = plaintexts(&taps.kms.answered()).remove(0);
            let data_key = aws_smithy_types::base64::decode(&plaintext).unwrap();
            let mut needles = needles::of_data_key(&data_key.try_into().unwrap());
            needles.push(needles::Needle { name: "data key in Base64", bytes: plaintext.into_bytes() });
            needles
        })
    })
    .await
    .unwrap();
    for found in found {
        // The answer itself lay in buffers of the HTTP client and of the SDK's parser, which nobody wipes.
        let is_beyond_reach = found.name.starts_with("data key");
        assert!(is_beyond_reach || found.evicted == 0, "{found:?}");
    }
}

/// What KMS answered in `Plaintext`.
fn plaintexts(answered: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answered).into_owned();
    text.split("\"Plaintext\":\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}
