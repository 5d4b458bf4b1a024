//! The cryptographic operations.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    random,
    refusal::{Refusal, kms as code},
};

use super::{
    cipher,
    input::{Blob, EncryptionContext, base64, only, within},
    session::{Session, Target, add_encryption_context, invalid_ciphertext},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encrypt {
    key_id: String,
    plaintext: Blob,
    #[serde(default)]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Decrypt {
    ciphertext_blob: Blob,
    key_id: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<String>,
    recipient: Option<Value>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GenerateDataKey {
    key_id: String,
    #[serde(default)]
    encryption_context: EncryptionContext,
    key_spec: Option<String>,
    number_of_bytes: Option<usize>,
    recipient: Option<Value>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReEncrypt {
    ciphertext_blob: Blob,
    source_key_id: Option<String>,
    #[serde(default)]
    source_encryption_context: EncryptionContext,
    source_encryption_algorithm: Option<String>,
    destination_key_id: String,
    #[serde(default)]
    destination_encryption_context: EncryptionContext,
    destination_encryption_algorithm: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GenerateRandom {
    number_of_bytes: usize,
}

/// The maximum length of plaintext and ciphertext that KMS accepts.
const MAX_PLAINTEXT: usize = 4096;
const MAX_CIPHERTEXT: usize = 6144;

impl Session<'_> {
    pub(super) fn encrypt(&mut self, input: Encrypt) -> Result<Value, Refusal> {
        let Encrypt { key_id, plaintext: Blob(plaintext), encryption_context, encryption_algorithm, dry_run } = input;
        only("EncryptionAlgorithm", encryption_algorithm.as_deref(), ALGORITHM)?;
        within("the length of Plaintext", plaintext.len(), 1..=MAX_PLAINTEXT)?;
        encryption_context.check()?;
        let target = self.resolve(&key_id)?;
        self.authorise_data("kms:Encrypt", &target, &encryption_context)?;
        let key = self.usable(&target)?;
        refuse_dry_run(dry_run)?;
        let blob = cipher::seal(key, &encryption_context, &plaintext)?;
        Ok(json!({ "KeyId": key.arn(), "CiphertextBlob": base64(&blob), "EncryptionAlgorithm": ALGORITHM }))
    }

    pub(super) fn decrypt(&mut self, input: Decrypt) -> Result<Value, Refusal> {
        let Decrypt { ciphertext_blob: Blob(blob), key_id, encryption_context, .. } = input;
        only("EncryptionAlgorithm", input.encryption_algorithm.as_deref(), ALGORITHM)?;
        refuse_recipient(input.recipient.as_ref())?;
        within("the length of CiphertextBlob", blob.len(), 1..=MAX_CIPHERTEXT)?;
        encryption_context.check()?;
        let target = self.resolve_source(key_id.as_deref(), &blob)?;
        self.authorise_data("kms:Decrypt", &target, &encryption_context)?;
        self.usable(&target)?;
        refuse_dry_run(input.dry_run)?;
        let (plaintext, material) = self.open(&target, &encryption_context, &blob)?;
        Ok(json!({
            "KeyId": self.key(&target.key)?.arn(),
            "Plaintext": base64(&plaintext),
            "EncryptionAlgorithm": ALGORITHM,
            "KeyMaterialId": material,
        }))
    }

    pub(super) fn generate_data_key(&mut self, input: GenerateDataKey) -> Result<Value, Refusal> {
        refuse_recipient(input.recipient.as_ref())?;
        let (mut output, plaintext) = self.make_data_key("kms:GenerateDataKey", input)?;
        output["Plaintext"] = base64(&plaintext).into();
        Ok(output)
    }

    pub(super) fn generate_data_key_without_plaintext(&mut self, input: GenerateDataKey) -> Result<Value, Refusal> {
        Ok(self.make_data_key("kms:GenerateDataKeyWithoutPlaintext", input)?.0)
    }

    pub(super) fn re_encrypt(&mut self, input: ReEncrypt) -> Result<Value, Refusal> {
        let ReEncrypt {
            ciphertext_blob: Blob(blob), source_encryption_context, destination_encryption_context, ..
        } = input;
        only("SourceEncryptionAlgorithm", input.source_encryption_algorithm.as_deref(), ALGORITHM)?;
        only("DestinationEncryptionAlgorithm", input.destination_encryption_algorithm.as_deref(), ALGORITHM)?;
        within("the length of CiphertextBlob", blob.len(), 1..=MAX_CIPHERTEXT)?;
        source_encryption_context.check()?;
        destination_encryption_context.check()?;
        let source = self.resolve_source(input.source_key_id.as_deref(), &blob)?;
        let destination = self.resolve(&input.destination_key_id)?;
        let same_key = (source.key == destination.key).to_string();
        for (action, target, context) in [
            ("kms:ReEncryptFrom", &source, &source_encryption_context),
            ("kms:ReEncryptTo", &destination, &destination_encryption_context),
        ] {
            self.authorise_or_granted(action, target, context, |keys| {
                add_encryption_context(keys, context);
                keys.set("kms:ReEncryptOnSameKey", &same_key);
            })?;
        }
        self.usable(&source)?;
        let key = self.usable(&destination)?;
        refuse_dry_run(input.dry_run)?;
        let (plaintext, material) = self.open(&source, &source_encryption_context, &blob)?;
        let blob = cipher::seal(key, &destination_encryption_context, &plaintext)?;
        Ok(json!({
            "CiphertextBlob": base64(&blob),
            "SourceKeyId": self.key(&source.key)?.arn(),
            "KeyId": key.arn(),
            "SourceEncryptionAlgorithm": ALGORITHM,
            "DestinationEncryptionAlgorithm": ALGORITHM,
            "SourceKeyMaterialId": material,
            "DestinationKeyMaterialId": key.current_material().id,
        }))
    }

    pub(super) fn generate_random(&mut self, input: GenerateRandom) -> Result<Value, Refusal> {
        within("NumberOfBytes", input.number_of_bytes, 1..=1024)?;
        self.authorise_own("kms:GenerateRandom", "*", |_| ())?;
        Ok(json!({ "Plaintext": base64(&random::bytes(input.number_of_bytes)?) }))
    }

    fn make_data_key(&mut self, action: &str, input: GenerateDataKey) -> Result<(Value, Vec<u8>), Refusal> {
        let length = match (input.key_spec.as_deref(), input.number_of_bytes) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(length)) => length,
            _ => return Err(code::VALIDATION.because("Please specify either number of bytes or key spec.")),
        };
        within("NumberOfBytes", length, 1..=1024)?;
        input.encryption_context.check()?;
        let target = self.resolve(&input.key_id)?;
        self.authorise_data(action, &target, &input.encryption_context)?;
        let key = self.usable(&target)?;
        refuse_dry_run(input.dry_run)?;
        let plaintext = random::bytes(length)?;
        let blob = cipher::seal(key, &input.encryption_context, &plaintext)?;
        let material = &key.current_material().id;
        let output = json!({ "KeyId": key.arn(), "CiphertextBlob": base64(&blob), "KeyMaterialId": material });
        Ok((output, plaintext))
    }

    /// The key to decrypt with: the one that the request names, otherwise the one that the ciphertext names.
    fn resolve_source(&self, key_id: Option<&str>, blob: &[u8]) -> Result<Target, Refusal> {
        key_id.map_or_else(|| self.resolve_blob(blob), |key_id| self.resolve(key_id))
    }

    fn authorise_data(&self, action: &str, target: &Target, context: &EncryptionContext) -> Result<(), Refusal> {
        self.authorise_or_granted(action, target, context, |keys| add_encryption_context(keys, context))
    }

    /// Decrypts, and returns the id of the material.
    fn open(&self, target: &Target, context: &EncryptionContext, blob: &[u8]) -> Result<(Vec<u8>, String), Refusal> {
        // As at KMS, a ciphertext that names another key fails differently from one that names none.
        let named = cipher::key_id(blob).unwrap_or_default();
        let other = crate::state::keys::KeyName { region: self.region.to_owned(), id: named.to_owned() };
        if other != target.key && self.state.keys.was_ever(&other) {
            return Err(code::INCORRECT_KEY
                .because("The key ID in the request does not identify a CMK that can perform this operation."));
        }
        let opened = cipher::open(self.key(&target.key)?, context, blob);
        let (plaintext, material) = opened.ok_or_else(invalid_ciphertext)?;
        Ok((plaintext, material.id.clone()))
    }
}

/// The only algorithm of symmetric keys.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

/// Ends a dry run at the last point: everything left would succeed, or fail because of the data.
fn refuse_dry_run(dry_run: bool) -> Result<(), Refusal> {
    if dry_run {
        return Err(code::DRY_RUN.because("The request would have succeeded, but the DryRun option is set."));
    }
    Ok(())
}

/// The stack does not emulate Nitro enclaves, whose answer has no plaintext. Ignoring the recipient would reveal it.
fn refuse_recipient(recipient: Option<&Value>) -> Result<(), Refusal> {
    match recipient {
        Some(_) => Err(code::UNSUPPORTED.because("the local stack does not encrypt for a recipient")),
        None => Ok(()),
    }
}
