//! The vectors of blobs: what opens, and what is refused.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use tenantseal_core::TenantId;
use tenantseal_core::blob::{BlobFault, BlobIdentity, BlobSealer, SEALED_CHUNK_LEN};
use tenantseal_core::crypto::{RandomError, RandomSource};
use tenantseal_core::envelope::OpenFault;
use tenantseal_core::format::FormatError;

use super::super::scene::{CREATED, Scene, scene};
use super::{BUCKET, Blob, Expected, H, ID, KEY, Piece};

/// Gives `first`, and then each byte one higher: the blob ids of the vectors.
#[derive(Debug)]
struct Counting(u8);

impl RandomSource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.iter_mut().zip(self.0..).for_each(|(byte, next)| *byte = next);
        Ok(())
    }
}

pub(super) fn seal(scene: &Scene, bucket: &str, key: &str, id: u8, plaintext: &[u8]) -> Vec<u8> {
    let identity = BlobIdentity::new(&scene.tenant, bucket, key);
    let mut sealer = BlobSealer::start(&scene.unwrapped(0, CREATED), &identity, &Counting(id)).unwrap();
    let mut stored = sealer.header().to_vec();
    sealer.push(plaintext, &mut stored).unwrap();
    sealer.finish(&mut stored).unwrap();
    stored
}

/// The chunks of a blob of the example's key and id, sealed without the library: of each its index, its mark and its plaintext.
pub(super) fn chunks(scene: &Scene, chunks: &[(u32, u8, &[u8])]) -> Vec<u8> {
    let lp = |part: &str| [&u32::try_from(part.len()).unwrap().to_be_bytes()[..], part.as_bytes()].concat();
    let id: Vec<u8> = (ID..).take(32).collect();
    let info = [b"tenantseal v1 blob\0tsblob\0\x01", &id[..], &lp("acme"), &lp(BUCKET), &lp(KEY)].concat();
    let mut okm = [0; 64];
    Hkdf::<Sha256>::new(Some(b"tenantseal v1"), &scene.kms.0[0].data_key).expand(&info, &mut okm).unwrap();
    let cipher = Aes256Gcm::new_from_slice(&okm[..32]).unwrap();
    let seal = |(index, last, plaintext): &(u32, u8, &[u8])| {
        let nonce = [&[0; 7][..], &index.to_be_bytes(), &[*last]].concat();
        cipher.encrypt(&Nonce::try_from(&nonce[..]).unwrap(), *plaintext).unwrap()
    };
    chunks.iter().flat_map(seal).collect()
}

const HELLO: &str = "blob_open_hello";
const FULL: &str = "blob_open_one_full_chunk";
const TWO: &str = "blob_open_two_chunks";
pub(in crate::vectors) fn vectors() -> Vec<Blob> {
    let mut vectors = opened();
    vectors.extend(refused_headers());
    vectors.extend(refused_chunks());
    vectors
}

fn opened() -> Vec<Blob> {
    let example = scene();
    let make = |name: &str, rule, scene: Scene, bucket, key: &str, id, plaintext: Piece| {
        let bytes = match &plaintext {
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::Zeros(count) => vec![0; *count],
            Piece::Of(..) => panic!("no plaintext"),
        };
        let stored = vec![Piece::Bytes(seal(&scene, bucket, key, id, &bytes))];
        Blob {
            name: name.to_owned(),
            rule,
            scene,
            bucket,
            key: key.to_owned(),
            stored,
            expected: Expected::Opened(plaintext, id),
        }
    };
    let bytes = |text: &str| Piece::Bytes(text.as_bytes().to_vec());
    let pairs = scene().with_pairs(&[("env", "prod")]);
    let former = {
        let mut former = pairs.clone();
        former.contexts.insert(0, vec![]);
        former
    };
    vec![
        make(HELLO, "14: the example", example.clone(), BUCKET, KEY, ID, bytes("hello")),
        make("blob_open_nothing", "14: the only chunk may be empty", example.clone(), BUCKET, KEY, ID, bytes("")),
        make(FULL, "14: a chunk holds 65,536 bytes", example.clone(), BUCKET, KEY, ID, Piece::Zeros(65_536)),
        make(TWO, "14: the last chunk holds 1 byte", example.clone(), BUCKET, KEY, ID, Piece::Zeros(65_537)),
        make("blob_open_another_id", "14: any blob id", example.clone(), BUCKET, KEY, 0x11, bytes("hello")),
        make("blob_open_another_bucket", "14: the logical bucket", example.clone(), "b", KEY, ID, bytes("hello")),
        make(
            "blob_open_a_key_beyond_ascii",
            "14: the whole key, UTF-8",
            example.clone(),
            BUCKET,
            "acme/é/名前",
            ID,
            bytes("hello"),
        ),
        make(
            "blob_open_a_key_of_1024_bytes",
            "14: the whole key",
            example,
            BUCKET,
            &format!("acme/{}", "k".repeat(1_019)),
            ID,
            bytes("hello"),
        ),
        make("blob_open_static_pairs", "14 and 8.2: the record's context", pairs, BUCKET, KEY, ID, bytes("hello")),
        make("blob_open_former_pairs", "14 and 8.2: former pairs", former, BUCKET, KEY, ID, bytes("hello")),
        make(
            "blob_open_shared_data_key",
            "14 and 13.2: a data key with a period",
            scene().in_period("1763683200+86400"),
            BUCKET,
            KEY,
            ID,
            bytes("hello"),
        ),
    ]
}

fn refuse(name: &str, rule: &'static str, stored: Vec<Piece>, fault: BlobFault, gives: usize) -> Blob {
    let name = format!("blob_refuse_{name}");
    let expected = Expected::Refused(fault, gives);
    Blob { name, rule, scene: scene(), bucket: BUCKET, key: KEY.to_owned(), stored, expected }
}

fn refused_headers() -> Vec<Blob> {
    let hello = seal(&scene(), BUCKET, KEY, ID, b"hello");
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = hello.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        vec![Piece::Bytes(changed)]
    };
    let of = |range| vec![Piece::Of(HELLO, range)];
    let no_record = BlobFault::Key(OpenFault::Format(FormatError::NotARecord));
    let key = |fault| BlobFault::Key(fault);
    let elsewhere = |name, rule, scene: Scene, bucket, key: &str, fault| {
        let blob = refuse(name, rule, of(0..hello.len()), fault, 0);
        Blob { scene, bucket, key: key.to_owned(), ..blob }
    };
    let mut globex = scene();
    globex.tenant = TenantId::parse("globex").unwrap();
    let other_kek = {
        let mut other = scene();
        other.kms.0[0].alias_of = Some("5678");
        other
    };
    vec![
        refuse(
            "plain",
            "14: another magic",
            vec![Piece::Bytes(b"%PDF-2.0, in plaintext".to_vec())],
            BlobFault::NotSealed,
            0,
        ),
        refuse("nothing", "14: another magic", vec![], BlobFault::NotSealed, 0),
        refuse("magic_cut", "14: another magic", of(0..7), BlobFault::NotSealed, 0),
        refuse("newer_version", "14: versions of newer releases", with(7, &[2]), BlobFault::UnknownVersion(2), 0),
        refuse("version_of_nobody", "14: another magic", with(7, &[0x10]), BlobFault::NotSealed, 0),
        refuse("magic_alone", "14: it ends in the header", of(0..8), BlobFault::Truncated, 0),
        refuse("header_cut", "14: it ends in the header", of(0..H - 1), BlobFault::Truncated, 0),
        refuse("record_of_no_byte", "14: 1 to 16,384 bytes", with(8, &[0, 0]), no_record, 0),
        refuse("record_of_16385_bytes", "14: 1 to 16,384 bytes", with(8, &[0x40, 1]), no_record, 0),
        refuse("record_of_16384_bytes_cut", "14: 1 to 16,384 bytes", with(8, &[0x40, 0]), BlobFault::Truncated, 0),
        refuse("reference", "14: the whole record, never a reference", with(10, &[2]), no_record, 0),
        refuse(
            "record_with_a_byte_more",
            "14 and 5",
            [&hello[..8], &[0, 90], &hello[10..99], &[0], &hello[99..]].concat().into_pieces(),
            key(OpenFault::Format(FormatError::Trailing)),
            0,
        ),
        refuse("kid_forged", "14 and 8.4", with(11, &[0xff]), key(OpenFault::ForgedRecord), 0),
        refuse("wrapped_key_forged", "14 and 8.3", with(95, &[0xff]), key(OpenFault::WrappedDataKey), 0),
        refuse("blob_id_changed", "14: the commitment", with(H - 64, &[0x81]), BlobFault::ForeignBlob, 0),
        refuse("commitment_changed", "14: the commitment", with(H - 1, &[hello[H - 1] ^ 1]), BlobFault::ForeignBlob, 0),
        elsewhere("another_key", "14: bound to its key", scene(), BUCKET, "acme/b", BlobFault::ForeignBlob),
        elsewhere("another_bucket", "14: bound to its bucket", scene(), "pictures", KEY, BlobFault::ForeignBlob),
        elsewhere(
            "bucket_and_key_shifted",
            "14: each with its length",
            scene(),
            "documentsacme/",
            "a",
            BlobFault::ForeignBlob,
        ),
        elsewhere(
            "another_tenant",
            "14 and 8.2: bound to its tenant",
            globex,
            BUCKET,
            KEY,
            key(OpenFault::ForeignContext),
        ),
        elsewhere("another_kek", "14 and 8.3", other_kek, BUCKET, KEY, key(OpenFault::OtherKek)),
    ]
}

fn refused_chunks() -> Vec<Blob> {
    let hello = seal(&scene(), BUCKET, KEY, ID, b"hello");
    let flip = |at: usize| {
        let mut flipped = hello.clone();
        flipped[at] ^= 1;
        flipped.into_pieces()
    };
    let of = |name, range| Piece::Of(name, range);
    let (header, first, last) =
        (of(TWO, 0..H), of(TWO, H..H + SEALED_CHUNK_LEN), of(TWO, H + SEALED_CHUNK_LEN..H + SEALED_CHUNK_LEN + 17));
    let authentic = BlobFault::NotAuthentic;
    let by_key = |sealed: &[(u32, u8, &[u8])]| vec![header.clone(), Piece::Bytes(chunks(&scene(), sealed))];
    let (zeros, another) = (vec![0; 65_536], seal(&scene(), BUCKET, KEY, 0x11, b"hello"));
    vec![
        refuse("no_chunk", "14: fewer than H + 16 bytes", vec![of(HELLO, 0..H)], BlobFault::Truncated, 0),
        refuse("chunk_of_15_bytes", "14: fewer than H + 16 bytes", vec![of(HELLO, 0..H + 15)], BlobFault::Truncated, 0),
        refuse("chunk_cut", "14: the last chunk", vec![of(HELLO, 0..H + 20)], authentic, 0),
        refuse("chunk_with_a_byte_more", "14: the last chunk", [&hello[..], &[0]].concat().into_pieces(), authentic, 0),
        refuse("ciphertext_changed", "14: each chunk", flip(H), authentic, 0),
        refuse("tag_changed", "14: each chunk", flip(hello.len() - 1), authentic, 0),
        refuse(
            "chunk_of_another_version",
            "14: the blob id",
            vec![of(HELLO, 0..H), Piece::Bytes(another[H..].to_vec())],
            authentic,
            0,
        ),
        refuse("cut_at_a_chunk", "14: the end", vec![header.clone(), first.clone()], authentic, 0),
        refuse(
            "cut_in_the_last_tag",
            "14: a last chunk of 1 to 16 bytes",
            vec![of(TWO, 0..H + SEALED_CHUNK_LEN + 16)],
            BlobFault::Truncated,
            65_536,
        ),
        refuse(
            "cut_after_a_byte",
            "14: a last chunk of 1 to 16 bytes",
            vec![of(TWO, 0..H + SEALED_CHUNK_LEN + 1)],
            BlobFault::Truncated,
            65_536,
        ),
        refuse("without_its_first_chunk", "14: the order", vec![header.clone(), last.clone()], authentic, 0),
        refuse("chunks_swapped", "14: the order", vec![header.clone(), last.clone(), first.clone()], authentic, 0),
        refuse(
            "last_chunk_twice",
            "14: the end",
            vec![header.clone(), first.clone(), last.clone(), last.clone()],
            authentic,
            65_536,
        ),
        refuse(
            "first_chunk_twice",
            "14: the order",
            vec![header.clone(), first.clone(), first, last],
            authentic,
            65_536,
        ),
        refuse(
            "a_last_chunk_first",
            "14: the end",
            vec![of(FULL, 0..H + SEALED_CHUNK_LEN), of(TWO, H + SEALED_CHUNK_LEN..H + SEALED_CHUNK_LEN + 17)],
            authentic,
            0,
        ),
        refuse(
            "an_empty_last_chunk",
            "14: none only where it is the only one",
            by_key(&[(0, 0, &zeros), (1, 1, b"")]),
            BlobFault::Truncated,
            65_536,
        ),
        refuse("no_last_chunk", "14: the last is marked", by_key(&[(0, 0, b"hello")]), authentic, 0),
        refuse(
            "a_short_chunk_first",
            "14: chunks hold 65,536 bytes",
            by_key(&[(0, 0, b"hello"), (1, 1, b"!")]),
            authentic,
            0,
        ),
        refuse("an_index_left_out", "14: the order", by_key(&[(0, 0, &zeros), (2, 1, b"!")]), authentic, 65_536),
        refuse("another_mark", "14: the last is marked by 01", by_key(&[(0, 2, b"hello")]), authentic, 0),
    ]
}

trait IntoPieces {
    fn into_pieces(self) -> Vec<Piece>;
}

impl IntoPieces for Vec<u8> {
    fn into_pieces(self) -> Vec<Piece> {
        vec![Piece::Bytes(self)]
    }
}
