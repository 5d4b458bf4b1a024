//! ARNs of KMS keys, and their compact form in key records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::FormatError;
use crate::format::reader::Reader;
use crate::hex;

/// The ARN of a KMS key, for example `arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab`.
///
/// Never an alias: KMS answers with the key's own ARN, and an alias can be re-pointed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyArn {
    partition: Box<str>,
    region: Box<str>,
    account: Box<str>,
    key_id: Box<str>,
}

impl KeyArn {
    const MAX_LEN: usize = 512;
    const MULTI_REGION: &str = "mrk-";

    /// Parses a key ARN.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyArn`] when `arn` does not have the shape of a KMS key's ARN.
    pub fn parse(arn: &str) -> Result<Self, InvalidKeyArn> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "kms", region, account, resource] = parts[..] else {
            return Err(InvalidKeyArn);
        };
        let key_id = resource.strip_prefix("key/").ok_or(InvalidKeyArn)?;
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if arn.len() > Self::MAX_LEN || !word(partition) || !word(region) || !is_account_id(account) || !word(key_id) {
            return Err(InvalidKeyArn);
        }
        Ok(Self { partition: partition.into(), region: region.into(), account: account.into(), key_id: key_id.into() })
    }

    /// The Region in which the key answered.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The 12-digit account that owns the key.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The key id, `mrk-…` for a multi-Region key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Whether both name the same key material: equal, or replicas of one multi-Region key, whose ARNs differ in the
    /// Region alone.
    pub fn is_same_key(&self, other: &Self) -> bool {
        let Self { partition, region, account, key_id } = self;
        *partition == other.partition
            && *account == other.account
            && *key_id == other.key_id
            && (*region == other.region || key_id.starts_with(Self::MULTI_REGION))
    }

    /// Appends the compact form when the ARN has the standard shape, else the whole ARN.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self.compact() {
            Some(Compact { multi_region, account, id }) => {
                out.push(if multi_region { 0x02 } else { 0x01 });
                out.push(u8::try_from(self.region.len()).expect("compact() allows 32"));
                out.extend_from_slice(self.region.as_bytes());
                out.extend_from_slice(&account.to_be_bytes()[3..]);
                out.extend_from_slice(&id);
            }
            None => {
                let arn = self.to_string();
                out.push(0x00);
                out.extend_from_slice(&u16::try_from(arn.len()).expect("parse() allows 512").to_be_bytes());
                out.extend_from_slice(arn.as_bytes());
            }
        }
    }

    /// Reads what [`Self::encode`] writes, and nothing else.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let malformed = |_| FormatError::Kek;
        let arn = match reader.u8()? {
            0x00 => {
                let length = reader.u16()?;
                let arn = std::str::from_utf8(reader.take(length.into())?).map_err(|_| FormatError::Kek)?;
                let arn = Self::parse(arn).map_err(malformed)?;
                if arn.compact().is_some() {
                    return Err(FormatError::Kek);
                }
                arn
            }
            kind @ (0x01 | 0x02) => {
                let length = reader.u8()?;
                let region = std::str::from_utf8(reader.take(length.into())?).map_err(|_| FormatError::Kek)?;
                let [a, b, c, d, e] = reader.array()?;
                let account = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
                let id = hex::encode(&reader.array::<16>()?);
                let key_id = match kind {
                    0x02 => format!("{}{id}", Self::MULTI_REGION),
                    _ => format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]),
                };
                let arn =
                    Self::parse(&format!("arn:aws:kms:{region}:{account:012}:key/{key_id}")).map_err(malformed)?;
                if arn.compact().is_none() {
                    return Err(FormatError::Kek);
                }
                arn
            }
            _ => return Err(FormatError::Kek),
        };
        Ok(arn)
    }

    /// The parts of the standard shape: partition `aws`, a Region of at most 32 characters, a lower-case UUID or `mrk-`
    /// and 32 lower-case hex digits.
    fn compact(&self) -> Option<Compact> {
        if &*self.partition != "aws" || self.region.len() > 32 {
            return None;
        }
        let (multi_region, digits) = match self.key_id.strip_prefix(Self::MULTI_REGION) {
            Some(digits) => (true, digits.to_owned()),
            None => {
                let dashed =
                    self.key_id.len() == 36 && [8, 13, 18, 23].iter().all(|&at| self.key_id.as_bytes()[at] == b'-');
                dashed.then(|| (false, self.key_id.replace('-', "")))?
            }
        };
        Some(Compact { multi_region, account: self.account.parse().ok()?, id: hex::decode(&digits)? })
    }
}

struct Compact {
    multi_region: bool,
    account: u64,
    id: [u8; 16],
}

impl FromStr for KeyArn {
    type Err = InvalidKeyArn;

    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        Self::parse(arn)
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, key_id } = self;
        write!(f, "arn:{partition}:kms:{region}:{account}:key/{key_id}")
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyArn({self})")
    }
}

impl Serialize for KeyArn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyArn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whether a text is the id of an AWS account.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A text is not the ARN of a KMS key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key ARN has the shape arn:<partition>:kms:<region>:<12-digit account>:key/<key id>")]
pub struct InvalidKeyArn;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STANDARD: &str = "arn:aws:kms:eu-central-1:011111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const MULTI_REGION: &str = "arn:aws:kms:us-east-1:111111111111:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    const OTHER: &str = "arn:aws-us-gov:kms:us-gov-west-1:111111111111:key/1234ABCD-x";

    fn stored(arn: &str) -> Vec<u8> {
        let mut out = Vec::new();
        KeyArn::parse(arn).unwrap().encode(&mut out);
        out
    }

    #[test]
    fn arns_come_back_and_standard_ones_are_short() {
        for (arn, length) in [(STANDARD, 35), (MULTI_REGION, 32), (OTHER, 3 + OTHER.len())] {
            let stored = stored(arn);
            assert_eq!(stored.len(), length, "{arn}");
            let mut reader = Reader(&stored);
            assert_eq!(KeyArn::decode(&mut reader).unwrap().to_string(), arn);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn replicas_of_a_multi_region_key_are_the_same_key_and_others_are_not() {
        let key = |arn: &str| KeyArn::parse(arn).unwrap();
        assert!(key(MULTI_REGION).is_same_key(&key(&MULTI_REGION.replace("us-east-1", "eu-west-1"))));
        assert!(!key(MULTI_REGION).is_same_key(&key(&MULTI_REGION.replace("111111111111", "222222222222"))));
        assert!(!key(STANDARD).is_same_key(&key(&STANDARD.replace("eu-central-1", "eu-west-1"))));
    }

    #[test]
    fn a_standard_arn_is_not_read_when_stored_at_length() {
        let mut stored = vec![0x00];
        stored.extend_from_slice(&u16::try_from(STANDARD.len()).unwrap().to_be_bytes());
        stored.extend_from_slice(STANDARD.as_bytes());
        assert_eq!(KeyArn::decode(&mut Reader(&stored)), Err(FormatError::Kek));
    }

    #[test]
    fn what_is_not_a_key_arn_is_refused() {
        for arn in [
            "",
            "alias/customer-acme",
            "arn:aws:kms:eu-west-1:111111111111:alias/x",
            "arn:aws:kms:eu-west-1:1:key/x",
            "arn:aws:kms:eu-west-1:111111111111:key/x*",
            "arn:aws:s3:eu-west-1:111111111111:key/x",
        ] {
            assert_eq!(KeyArn::parse(arn), Err(InvalidKeyArn), "{arn}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_themselves_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = Reader(&bytes);
            if let Ok(arn) = KeyArn::decode(&mut reader) {
                let mut again = Vec::new();
                arn.encode(&mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.0.len()]);
            }
        }
    }
}
