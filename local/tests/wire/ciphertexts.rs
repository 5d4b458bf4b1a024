//! Ciphertexts: their size, what they are bound to, and what becomes of damaged ones.

use aws_sdk_kms::{error::SdkError, primitives::Blob, types::DataKeySpec};

use crate::fixture::{Fixture, data_key, refusal};

#[tokio::test]
async fn a_data_key_is_wrapped_in_184_bytes_and_comes_back() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let arn = fixture.key("alias/a", None).await;
    let made = data_key(kms, "alias/a", "a").send().await.unwrap();
    assert_eq!(made.key_id.as_ref(), Some(&arn), "the answer names the key, never the alias");
    let (plaintext, blob) = (made.plaintext.unwrap(), made.ciphertext_blob.unwrap());
    assert_eq!((plaintext.as_ref().len(), blob.as_ref().len()), (32, 184));
    for key_id in [Some("alias/a"), Some(arn.as_str()), None] {
        let decrypt = kms.decrypt().set_key_id(key_id.map(str::to_owned)).encryption_context("tenant", "a");
        let opened = decrypt.ciphertext_blob(blob.clone()).send().await.unwrap();
        assert_eq!(opened.plaintext.as_ref(), Some(&plaintext));
        assert_eq!(opened.key_id.as_ref(), Some(&arn));
    }
    let without = kms.generate_data_key_without_plaintext().key_id("alias/a").key_spec(DataKeySpec::Aes256);
    assert_eq!(without.send().await.unwrap().ciphertext_blob.unwrap().as_ref().len(), 184);
}

#[tokio::test]
async fn no_byte_of_a_ciphertext_can_be_changed_or_lost() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let arn = fixture.key("alias/a", None).await;
    let blob = data_key(kms, "alias/a", "a").send().await.unwrap().ciphertext_blob.unwrap().into_inner();
    let decrypt = |blob: Vec<u8>, key_id: Option<String>| {
        kms.decrypt().set_key_id(key_id).encryption_context("tenant", "a").ciphertext_blob(Blob::new(blob)).send()
    };
    for index in 0..blob.len() {
        let mut damaged = blob.clone();
        damaged[index] ^= 1;
        for key_id in [Some(arn.clone()), None] {
            assert_eq!(refusal(decrypt(damaged.clone(), key_id).await), "InvalidCiphertextException", "byte {index}");
        }
    }
    for length in [1, 4, 8, 44, 56, 136, 152, 183] {
        assert_eq!(refusal(decrypt(blob[..length].to_vec(), None).await), "InvalidCiphertextException");
    }
    let longer = [&blob[..], b"x"].concat();
    assert_eq!(refusal(decrypt(longer, None).await), "InvalidCiphertextException");
}

#[tokio::test]
async fn the_encryption_context_is_bound() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    fixture.key("alias/a", None).await;
    let blob = data_key(kms, "alias/a", "a").encryption_context("purpose", "x").send().await.unwrap();
    let blob = blob.ciphertext_blob.unwrap();
    let decrypt = |pairs: &[(&str, &str)]| {
        let request = kms.decrypt().key_id("alias/a").ciphertext_blob(blob.clone());
        pairs.iter().fold(request, |request, (key, value)| request.encryption_context(*key, *value)).send()
    };
    decrypt(&[("purpose", "x"), ("tenant", "a")]).await.unwrap();
    for wrong in [
        &[][..],
        &[("tenant", "a")],
        &[("tenant", "a"), ("purpose", "y")],
        &[("Tenant", "a"), ("purpose", "x")],
        &[("tenant", "apurpose"), ("x", "")],
        &[("tenant", "a"), ("purpose", "x"), ("more", "")],
    ] {
        assert_eq!(refusal(decrypt(wrong).await), "InvalidCiphertextException", "{wrong:?}");
    }
}

#[tokio::test]
async fn another_key_is_an_incorrect_key() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    fixture.key("alias/a", None).await;
    let other = fixture.key("alias/b", None).await;
    let blob = data_key(kms, "alias/a", "a").send().await.unwrap().ciphertext_blob.unwrap();
    for key_id in ["alias/b", &other] {
        let decrypt = kms.decrypt().key_id(key_id).encryption_context("tenant", "a").ciphertext_blob(blob.clone());
        assert_eq!(refusal(decrypt.send().await), "IncorrectKeyException");
    }
    kms.update_alias().alias_name("alias/a").target_key_id(&other).send().await.unwrap();
    let decrypt = kms.decrypt().key_id("alias/a").encryption_context("tenant", "a").ciphertext_blob(blob);
    assert_eq!(refusal(decrypt.send().await), "IncorrectKeyException", "the alias was re-pointed");
}

#[tokio::test]
async fn older_ciphertexts_open_after_rotations() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let mut blobs = Vec::new();
    for _ in 0..3 {
        blobs.push(data_key(kms, "alias/a", "a").send().await.unwrap());
        kms.rotate_key_on_demand().key_id(&key).send().await.unwrap();
    }
    assert_ne!(blobs[0].key_material_id, blobs[1].key_material_id);
    for made in blobs {
        let decrypt = kms.decrypt().key_id("alias/a").encryption_context("tenant", "a");
        let opened = decrypt.ciphertext_blob(made.ciphertext_blob.unwrap()).send().await.unwrap();
        assert_eq!((opened.plaintext, opened.key_material_id), (made.plaintext, made.key_material_id));
    }
    for _ in 3..25 {
        kms.rotate_key_on_demand().key_id(&key).send().await.unwrap();
    }
    assert_eq!(refusal(kms.rotate_key_on_demand().key_id(&key).send().await), "LimitExceededException");
}

#[tokio::test]
async fn re_encryption_moves_a_ciphertext_to_another_key_and_context() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let (a, b) = (fixture.key("alias/a", None).await, fixture.key("alias/b", None).await);
    let made = data_key(kms, "alias/a", "a").send().await.unwrap();
    let moved = kms
        .re_encrypt()
        .ciphertext_blob(made.ciphertext_blob.unwrap())
        .source_encryption_context("tenant", "a")
        .destination_key_id("alias/b")
        .destination_encryption_context("tenant", "b");
    let moved = moved.send().await.unwrap();
    assert_eq!((moved.source_key_id, moved.key_id), (Some(a), Some(b)));
    let blob = moved.ciphertext_blob.unwrap();
    let decrypt = kms.decrypt().key_id("alias/b").ciphertext_blob(blob);
    let opened = decrypt.clone().encryption_context("tenant", "b").send().await.unwrap();
    assert_eq!(opened.plaintext, made.plaintext);
    assert_eq!(refusal(decrypt.encryption_context("tenant", "a").send().await), "InvalidCiphertextException");
}

#[tokio::test]
async fn a_dry_run_ends_where_the_work_would_begin() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let result = data_key(kms, "alias/a", "a").dry_run(true).send().await;
    let Err(SdkError::ServiceError(error)) = &result else { panic!("{result:?}") };
    assert!(error.err().is_dry_run_operation_exception());
    assert_eq!(error.raw().status().as_u16(), 412);
    let decrypt = kms.decrypt().key_id("alias/a").ciphertext_blob(Blob::new("garbage")).dry_run(true);
    assert_eq!(refusal(decrypt.clone().send().await), "DryRunOperationException");
    kms.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(refusal(decrypt.send().await), "DisabledException");
}

#[tokio::test]
async fn sizes_are_those_of_kms() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    fixture.key("alias/a", None).await;
    let encrypt = |length| kms.encrypt().key_id("alias/a").plaintext(Blob::new(vec![0; length])).send();
    encrypt(4096).await.unwrap();
    assert_eq!(refusal(encrypt(4097).await), "ValidationException");
    assert_eq!(refusal(encrypt(0).await), "ValidationException");
    let bytes = |number| kms.generate_data_key().key_id("alias/a").number_of_bytes(number).send();
    assert_eq!(bytes(1024).await.unwrap().plaintext.unwrap().as_ref().len(), 1024);
    assert_eq!(refusal(bytes(1025).await), "ValidationException");
    let neither = kms.generate_data_key().key_id("alias/a").send().await;
    assert_eq!(refusal(neither), "ValidationException");
    let context = data_key(kms, "alias/a", &"x".repeat(8187)).send().await;
    assert_eq!(refusal(context), "ValidationException");
    let random = kms.generate_random().number_of_bytes(24).send().await.unwrap();
    assert_eq!(random.plaintext.unwrap().as_ref().len(), 24);
}
