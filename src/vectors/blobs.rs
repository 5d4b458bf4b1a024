//! Vectors of blobs (docs/FORMAT.md, section 14).

use aws_smithy_types::base64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tenantseal_core::blob::{BlobFault, BlobHeader};
use tenantseal_core::envelope::OpenFault;
use tenantseal_core::{BlobVault, Error, Vault};

use super::hex::hex;
use super::json::{configured, known};
use super::scene::{CREATED, Scene, scene};
use made::{chunks, seal};

mod made;

pub(super) use made::vectors;

const BUCKET: &str = "documents";
const KEY: &str = "acme/a";
/// The blob id of the example.
const ID: u8 = 0x80;
/// The length of its header.
const H: usize = 163;

/// One file.
pub(super) struct Blob {
    pub(super) name: String,
    rule: &'static str,
    scene: Scene,
    bucket: &'static str,
    key: String,
    stored: Vec<Piece>,
    expected: Expected,
}

enum Expected {
    /// It opens to these bytes; the first byte of its blob id.
    Opened(Piece, u8),
    /// It does not open, and a stream gives out so many bytes before.
    Refused(BlobFault, usize),
}

/// A part of what is stored.
#[derive(Clone)]
enum Piece {
    Bytes(Vec<u8>),
    Zeros(usize),
    /// Bytes of another file's.
    Of(&'static str, std::ops::Range<usize>),
}

impl Piece {
    fn to_json(&self) -> Value {
        match self {
            Self::Bytes(bytes) if bytes.len() > 1_024 => json!({ "base64": base64::encode(bytes) }),
            Self::Bytes(bytes) => json!({ "hex": hex(bytes) }),
            Self::Zeros(count) => json!({ "zeros": count }),
            Self::Of(name, range) => json!({ "of": name, "from": range.start, "to": range.end }),
        }
    }

    fn bytes(&self, vectors: &[Blob]) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Zeros(count) => vec![0; *count],
            Self::Of(name, range) => {
                let other = vectors.iter().find(|vector| vector.name == *name).unwrap();
                other.stored(vectors)[range.clone()].to_vec()
            }
        }
    }
}

impl Blob {
    fn stored(&self, vectors: &[Self]) -> Vec<u8> {
        self.stored.iter().flat_map(|piece| piece.bytes(vectors)).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { name: _, rule, scene, bucket, key, stored, expected } = self;
        let kms = scene.kms.0.iter().map(|one| known(one, &scene.tenant));
        let mut vector = json!({
            "rule": rule,
            "tenant": scene.tenant.as_str(),
            "contexts": configured(scene),
            "kms": kms.collect::<Vec<_>>(),
            "bucket": bucket,
            "key": key,
            "stored": stored.iter().map(Piece::to_json).collect::<Vec<_>>(),
        });
        match expected {
            Expected::Opened(plaintext, id) => {
                vector["opened"] = plaintext.to_json();
                let id: Vec<u8> = (*id..).take(32).collect();
                vector["sealed"] =
                    json!({ "blob_id": hex(&id), "record": hex(scene.unwrapped(0, CREATED).stored_record()) });
            }
            Expected::Refused(fault, gives) => {
                vector["refused"] = json!({ "fault": fault_name(*fault), "gives": gives });
            }
        }
        vector
    }

    fn vault(&self) -> BlobVault {
        let mut builder = Vault::builder(self.scene.kms.clone());
        let (current, former) = self.scene.contexts.split_first().unwrap();
        for (name, value) in current {
            builder = builder.context(name, value);
        }
        for pairs in former {
            builder = builder.former_context(pairs.clone());
        }
        builder.build().unwrap().tenant(&self.scene.tenant).blob(self.bucket, &self.key)
    }
}

/// What a reader of a stream gives out of these bytes, and how it ends.
async fn read(vault: &BlobVault, stored: &[u8], given: &mut Vec<u8>) -> Result<(), BlobFault> {
    let header = BlobHeader::parse(stored)?.ok_or_else(|| BlobHeader::fault_of_end(stored))?;
    let opened = vault.open(&header).await.map_err(|error| match error {
        Error::Blob(fault) => fault,
        other => panic!("{other}"),
    })?;
    let (mut opener, mut rest) = (opened.into_opener(), &stored[header.len()..]);
    while let Some(chunk) = opener.push(&mut rest)? {
        given.extend(chunk);
    }
    given.extend(opener.finish()?);
    Ok(())
}

#[tokio::test]
async fn every_blob_opens_to_its_bytes_or_is_refused_with_its_fault() {
    let vectors = vectors();
    for vector in &vectors {
        let (mut given, name) = (Vec::new(), &vector.name);
        let ends = read(&vector.vault(), &vector.stored(&vectors), &mut given).await;
        match &vector.expected {
            Expected::Opened(plaintext, _) => {
                assert_eq!(ends, Ok(()), "{name}");
                assert!(given == plaintext.bytes(&[]), "{name}");
            }
            Expected::Refused(fault, gives) => {
                assert_eq!(ends, Err(*fault), "{name}");
                assert!(given == vec![0; *gives], "{name} gives {} bytes", given.len());
            }
        }
    }
}

#[test]
fn the_example_of_the_section_on_blobs_is_made_to_the_byte() {
    let example = scene();
    let sha256 = |stored: &[u8]| hex(&Sha256::digest(stored));
    let hello = seal(&example, BUCKET, KEY, ID, b"hello");
    assert_eq!(hello.len() - 21, H);
    assert_eq!(hex(&hello[H - 32..H]), "88c489ef9039ba6ef980f3adce449080381da3d8319600c339b1fa4ef00c5063");
    assert_eq!(hex(&hello[H..]), "4ba4a92413f589629eba3b752eae72c4b1ca0648f3");
    assert_eq!(chunks(&example, &[(0, 1, b"hello")]), hello[H..], "made without the library");
    assert_eq!(sha256(&hello), "3d5dc80f00c6c94f15f6b11231586f78d195be2dbed420fd96b95f7565fb4ec8");
    let full = seal(&example, BUCKET, KEY, ID, &[0; 65_536]);
    assert_eq!(
        (full.len(), sha256(&full)),
        (65_715, "de53edd3880d81098605529a313971e4854bf95a064ade8c13b7f30740509a52".to_owned())
    );
    let two = seal(&example, BUCKET, KEY, ID, &[0; 65_537]);
    assert_eq!(
        (two.len(), sha256(&two)),
        (65_732, "718c7954ff32b89f079faf1661035417bec79f12df8db0368fb09f0e4ad25d16".to_owned())
    );
    assert_eq!(hex(&seal(&example, BUCKET, KEY, ID, b"")[H..]), "3fde1af2a7cf5bd7d2b69b2930a0606c");
}

fn fault_name(fault: BlobFault) -> &'static str {
    match fault {
        BlobFault::NotSealed => "not sealed",
        BlobFault::UnknownVersion(_) => "unknown version",
        BlobFault::Truncated => "truncated",
        BlobFault::Key(OpenFault::ForeignContext) => "foreign context",
        BlobFault::Key(OpenFault::OtherKek) => "other KEK",
        BlobFault::Key(OpenFault::WrappedDataKey) => "wrapped key refused",
        BlobFault::Key(OpenFault::ForgedRecord) => "forged record",
        BlobFault::Key(OpenFault::Format(_)) => "malformed record",
        BlobFault::ForeignBlob => "foreign blob",
        BlobFault::NotAuthentic => "not authentic",
        new => panic!("the vectors have no words for it yet: {new}"),
    }
}
