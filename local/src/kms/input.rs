//! Parts of requests that several operations share.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};

use crate::refusal::{Refusal, kms as code};

/// Bytes, which JSON carries as base64.
#[derive(Debug)]
pub(super) struct Blob(pub(super) Vec<u8>);

/// The input of operations that take a key and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OnlyKeyId {
    pub(super) key_id: String,
}

/// A tag as KMS writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) tag_key: String,
    pub(super) tag_value: String,
}

/// Non-secret pairs to which a ciphertext is bound.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct EncryptionContext(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).ok_or_else(|| D::Error::custom("not base64"))
    }
}

impl Blob {
    pub(super) fn decode(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().map(Self)
    }
}

/// Bytes as JSON carries them.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

impl Tag {
    pub(super) fn to_json(&self) -> Value {
        json!({ "TagKey": self.tag_key, "TagValue": self.tag_value })
    }
}

impl EncryptionContext {
    /// KMS accepts contexts of up to 8,192 characters.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let length: usize = self.0.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
        if length > 8192 {
            return Err(code::VALIDATION.because("the encryption context is longer than 8192 characters"));
        }
        Ok(())
    }
}

/// Refuses any algorithm, key spec or similar, except the one that the stack supports.
pub(super) fn only(name: &str, given: Option<&str>, supported: &str) -> Result<(), Refusal> {
    match given {
        Some(given) if given != supported => {
            Err(code::UNSUPPORTED.because(format!("the local stack supports only {name} {supported}, not {given}")))
        }
        _ => Ok(()),
    }
}

/// Refuses a length or number outside its bounds.
pub(super) fn within(name: &str, value: usize, bounds: std::ops::RangeInclusive<usize>) -> Result<(), Refusal> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (low, high) = bounds.into_inner();
    Err(code::VALIDATION.because(format!("{name} must be between {low} and {high}, not {value}")))
}
