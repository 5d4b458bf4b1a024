//! Blobs at every border of a chunk, in every split, and damaged in every way.

use proptest::prelude::*;
use tenantseal_core::blob::{BlobFault, BlobHeader, CHUNK_LEN, Extent, MAX_CHUNKS, SEALED_CHUNK_LEN, Stamp};
use tenantseal_core::{BlobVault, Error, FormatError, OpenFault, TenantVault};

use super::{id, now, vault};

const BORDERS: [usize; 7] = [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 2 * CHUNK_LEN + 1];

/// Bytes of which no two chunks are alike.
fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251 + at / CHUNK_LEN).to_le_bytes()[0]).collect()
}

fn acme() -> TenantVault {
    vault().tenant(&id("acme"))
}

fn seal(blob: &BlobVault, plaintext: &[u8], step: usize) -> Vec<u8> {
    let mut sealer = now(blob.seal()).unwrap();
    let mut stored = sealer.header().to_vec();
    for piece in plaintext.chunks(step) {
        sealer.push(piece, &mut stored).unwrap();
    }
    sealer.finish(&mut stored).unwrap();
    stored
}

/// What a reader of a stream gives out, and how it ends.
fn open(blob: &BlobVault, stored: &[u8], step: usize) -> (Vec<u8>, Result<(), BlobFault>) {
    let mut plaintext = Vec::new();
    let ends = read(blob, stored, step, &mut plaintext);
    (plaintext, ends)
}

fn read(blob: &BlobVault, stored: &[u8], step: usize, plaintext: &mut Vec<u8>) -> Result<(), BlobFault> {
    let mut arrived = 0;
    let header = loop {
        match BlobHeader::parse(&stored[..arrived])? {
            Some(header) => break header,
            None if arrived == stored.len() => return Err(BlobHeader::fault_of_end(stored)),
            None => arrived = (arrived + step).min(stored.len()),
        }
    };
    let opened = now(blob.open(&header)).map_err(|error| match error {
        Error::Blob(fault) => fault,
        // After many forged records the cache refuses to try more of them.
        other => BlobFault::Key(if other.is_retryable() { OpenFault::ForgedRecord } else { panic!("{other}") }),
    })?;
    let mut opener = opened.into_opener();
    for piece in stored[header.len()..].chunks(step) {
        let mut piece = piece;
        while let Some(chunk) = opener.push(&mut piece)? {
            plaintext.extend_from_slice(&chunk);
        }
    }
    plaintext.extend_from_slice(&opener.finish()?);
    Ok(())
}

fn header_len(stored: &[u8]) -> usize {
    BlobHeader::parse(stored).unwrap().unwrap().len()
}

#[test]
fn blobs_at_every_border_open_in_every_split() {
    let acme = acme();
    let blob = acme.blob("documents", "acme/a");
    for len in BORDERS {
        let plaintext = plaintext(len);
        for written in [1_000, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, usize::MAX] {
            let stored = seal(&blob, &plaintext, written);
            let chunks = len.div_ceil(CHUNK_LEN).max(1);
            assert_eq!(stored.len() - header_len(&stored), len + 16 * chunks, "{len}");
            for read in [997, SEALED_CHUNK_LEN - 1, SEALED_CHUNK_LEN, SEALED_CHUNK_LEN + 1, usize::MAX] {
                let opened = open(&blob, &stored, read);
                assert!(opened == (plaintext.clone(), Ok(())), "{len} bytes, written by {written}, read by {read}");
            }
        }
    }
}

#[test]
fn a_header_opens_when_it_arrives_byte_by_byte() {
    let blob = acme().blob("documents", "acme/a");
    let stored = seal(&blob, b"hello", 1);
    assert_eq!(open(&blob, &stored, 1), (b"hello".to_vec(), Ok(())));
}

#[test]
fn no_flipped_bit_gives_out_anything_but_an_authentic_prefix() {
    let blob = acme().blob("documents", "acme/a");
    for len in [0, 1, CHUNK_LEN + 1] {
        let plaintext = plaintext(len);
        let stored = seal(&blob, &plaintext, usize::MAX);
        let header = header_len(&stored);
        // All of the header's bytes, and of a chunk those at its borders.
        let body = stored.len() - header;
        let chunk_bytes =
            (0..body).filter(|at| at % SEALED_CHUNK_LEN < 3 || (at + 20) % SEALED_CHUNK_LEN < 23 || body - at < 20);
        for at in (0..header).chain(chunk_bytes.map(|at| header + at)) {
            for bit in [0, 3, 7] {
                let mut flipped = stored.clone();
                flipped[at] ^= 1 << bit;
                let (given, ends) = open(&blob, &flipped, usize::MAX);
                // A cached data key is found by its id: nobody looks at the wrapped key and its KEK in the record.
                let is_wrapped_key = ends.is_ok() && at > 10 + 37 && at < header - 64;
                assert!(is_wrapped_key || ends.is_err(), "byte {at} of {len}, bit {bit}");
                assert!(plaintext.starts_with(&given), "byte {at} of {len}, bit {bit}");
                assert!(is_wrapped_key || given.len() <= at.saturating_sub(header), "byte {at} of {len}, bit {bit}");
            }
        }
    }
}

#[test]
fn no_cut_and_no_extension_of_a_blob_opens_to_its_end() {
    let blob = acme().blob("documents", "acme/a");
    for len in BORDERS {
        let plaintext = plaintext(len);
        let stored = seal(&blob, &plaintext, usize::MAX);
        let header = header_len(&stored);
        let borders = (0..4).flat_map(|chunk| {
            let border = header + chunk * SEALED_CHUNK_LEN;
            [border.saturating_sub(17), border - 1, border, border + 1, border + 15, border + 16, border + 17]
        });
        for end in (0..header).step_by(7).chain([7, 8, 9, 10]).chain(borders).filter(|end| *end < stored.len()) {
            let (given, ends) = open(&blob, &stored[..end], usize::MAX);
            let fault = ends.expect_err("it is cut");
            assert!(plaintext.starts_with(&given), "{len} bytes cut at {end}");
            if end < 8 {
                assert_eq!(fault, BlobFault::NotSealed, "{len} bytes cut at {end}");
            } else if end < header + 16 {
                assert_eq!(fault, BlobFault::Truncated, "{len} bytes cut at {end}");
            } else {
                assert!(matches!(fault, BlobFault::Truncated | BlobFault::NotAuthentic), "{len} bytes cut at {end}");
            }
            if end > header + 16 {
                // The store says how long it is; what is left of a cut blob may have a legal length.
                let lies = Extent::new(end as u64, &BlobHeader::parse(&stored).unwrap().unwrap());
                assert!(lies.is_err() || lies.unwrap().len() < len as u64);
            }
        }
        for added in [1, 15, 16, 17, SEALED_CHUNK_LEN] {
            let (given, ends) = open(&blob, &[&stored[..], &vec![0; added]].concat(), usize::MAX);
            assert!(ends.is_err(), "{len} bytes and {added}");
            assert!(plaintext.starts_with(&given) && given.len() < len.max(1), "{len} bytes and {added}");
        }
    }
}

#[test]
fn no_other_sequence_of_chunks_opens_to_its_end() {
    let blob = acme().blob("documents", "acme/a");
    let plaintext = plaintext(2 * CHUNK_LEN + 9);
    let stored = seal(&blob, &plaintext, usize::MAX);
    let other = seal(&blob, &plaintext, usize::MAX);
    let header = header_len(&stored);
    let mut chunks: Vec<&[u8]> = stored[header..].chunks(SEALED_CHUNK_LEN).collect();
    chunks.extend(other[header..].chunks(SEALED_CHUNK_LEN));
    assert_eq!(chunks.len(), 6, "three of this version, and three of another");
    for length in 0..=4_u32 {
        for sequence in 0..6_usize.pow(length) {
            let picked: Vec<usize> = (0..length).map(|place| sequence / 6_usize.pow(place) % 6).collect();
            // Of four chunks, those that begin with the whole blob: all others fail as their beginning does.
            if picked.len() == 4 && picked[..3] != [0, 1, 2] {
                continue;
            }
            let bytes = picked.iter().fold(stored[..header].to_vec(), |all, chunk| [&all[..], chunks[*chunk]].concat());
            let (given, ends) = open(&blob, &bytes, usize::MAX);
            assert_eq!(ends.is_ok(), picked == [0, 1, 2], "{picked:?}");
            assert!(plaintext.starts_with(&given), "{picked:?}");
        }
    }
}

#[test]
fn a_blob_opens_in_no_other_place_and_under_no_other_header() {
    let vault = vault();
    let (acme, globex) = (vault.tenant(&id("acme")), vault.tenant(&id("globex")));
    let blob = acme.blob("documents", "acme/a");
    let stored = seal(&blob, b"hello", usize::MAX);
    for (other, fault) in [
        (acme.blob("documents", "acme/b"), BlobFault::ForeignBlob),
        (acme.blob("pictures", "acme/a"), BlobFault::ForeignBlob),
        (acme.blob("documentsacme/", "a"), BlobFault::ForeignBlob),
        (globex.blob("documents", "acme/a"), BlobFault::Key(OpenFault::ForeignContext)),
    ] {
        assert_eq!(open(&other, &stored, usize::MAX), (vec![], Err(fault)), "{other:?}");
    }
    let version = seal(&blob, b"HELLO", usize::MAX);
    let header = header_len(&stored);
    let mixed = [&version[..header], &stored[header..]].concat();
    assert_eq!(open(&blob, &mixed, usize::MAX), (vec![], Err(BlobFault::NotAuthentic)));
    let twice = [&stored[..], &version[..]].concat();
    assert_eq!(open(&blob, &twice, usize::MAX), (vec![], Err(BlobFault::NotAuthentic)));
    let mut grafted = stored.clone();
    grafted[header - 64..header - 32].copy_from_slice(&version[header - 64..header - 32]);
    assert_eq!(open(&blob, &grafted, usize::MAX), (vec![], Err(BlobFault::ForeignBlob)), "its stamp alone");
}

#[test]
fn what_is_no_blob_is_named_for_what_it_is() {
    let blob = acme().blob("documents", "acme/a");
    let stored = seal(&blob, b"hello", usize::MAX);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = stored.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        open(&blob, &changed, 1).1.unwrap_err()
    };
    for plain in [&b""[..], b"ts", b"%PDF-2.0", b"tsblob\x01"] {
        assert_eq!(open(&blob, plain, 1), (vec![], Err(BlobFault::NotSealed)), "{plain:?}");
    }
    assert_eq!(with(7, &[2]), BlobFault::UnknownVersion(2));
    assert_eq!(with(7, &[0x0f]), BlobFault::UnknownVersion(0x0f));
    assert_eq!(with(7, &[0x10]), BlobFault::NotSealed);
    let no_record = BlobFault::Key(OpenFault::Format(FormatError::NotARecord));
    assert_eq!((with(8, &[0, 0]), with(8, &[0x40, 1]), with(10, &[2])), (no_record, no_record, no_record));
    assert_eq!(with(8, &[0x40, 0]), BlobFault::Truncated, "a record as long as it may be, which is not there");
    assert_eq!(with(10, &[3]), BlobFault::Key(OpenFault::Format(FormatError::NotARecord)));
    assert_eq!(with(10, &[4]), BlobFault::Key(OpenFault::Format(FormatError::UnknownVersion(4))));
    assert!(!BlobFault::UnknownVersion(2).is_integrity() && !BlobFault::Changed.is_integrity());
    assert!(BlobFault::NotSealed.is_integrity() && no_record.is_integrity() && BlobFault::OtherVersion.is_integrity());
}

#[test]
fn every_range_is_opened_of_its_chunks_alone() {
    let blob = acme().blob("documents", "acme/a");
    for len in BORDERS {
        let plaintext = plaintext(len);
        let stored = seal(&blob, &plaintext, usize::MAX);
        let header = BlobHeader::parse(&stored).unwrap().unwrap();
        let extent = Extent::new(stored.len() as u64, &header).unwrap();
        assert_eq!((extent.len(), extent.is_empty()), (len as u64, len == 0));
        let opened = now(blob.open(&header)).unwrap();
        let ends = [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 2 * CHUNK_LEN + 1, 3 * CHUNK_LEN];
        for (start, end) in ends.into_iter().flat_map(|start| ends.map(|end| (start, end))) {
            let expected = plaintext.get(start..end.min(len)).unwrap_or_default();
            let span = extent.span(start as u64..end as u64);
            assert_eq!(span.is_none(), expected.is_empty(), "{start}..{end} of {len}");
            let Some(span) = span else { continue };
            let at = |offset: u64| usize::try_from(offset).unwrap();
            let mut bytes = &stored[at(span.stored().start)..at(span.stored().end)];
            let mut opener = opened.opener(&span);
            let mut given = Vec::new();
            while let Some(chunk) = opener.push(&mut bytes).unwrap() {
                given.extend(chunk);
            }
            given.extend(opener.finish().unwrap());
            given.drain(..span.skip());
            given.truncate(at(span.len()));
            assert!(given == expected, "{start}..{end} of {len}");
        }
    }
}

#[test]
fn a_size_that_lies_does_not_open_at_the_end() {
    let blob = acme().blob("documents", "acme/a");
    let stored = seal(&blob, &plaintext(2 * CHUNK_LEN), usize::MAX);
    let header = BlobHeader::parse(&stored).unwrap().unwrap();
    let opened = now(blob.open(&header)).unwrap();
    let true_size = stored.len() as u64;
    for lie in [true_size - SEALED_CHUNK_LEN as u64, true_size - 1, true_size + 17, true_size + SEALED_CHUNK_LEN as u64]
    {
        let extent = Extent::new(lie, &header).unwrap();
        let last = extent.last_chunk();
        let start = usize::try_from(last.stored().start).unwrap().min(stored.len());
        let end = usize::try_from(last.stored().end).unwrap().min(stored.len());
        let mut opener = opened.opener(&last);
        let result = opener.push(&mut &stored[start..end]).and_then(|_| opener.finish());
        assert!(result.is_err(), "{lie}");
    }
    let sizes = [0, header.len() as u64, header.len() as u64 + 15, true_size + 1, true_size + 16];
    assert_eq!(sizes.map(|size| Extent::new(size, &header).err()), [Some(BlobFault::Truncated); 5]);
    let most = header.len() as u64 + MAX_CHUNKS * SEALED_CHUNK_LEN as u64;
    assert_eq!(Extent::new(most, &header).unwrap().len(), MAX_CHUNKS * CHUNK_LEN as u64);
    assert_eq!(Extent::new(most + 17, &header), Err(BlobFault::TooLong));
}

#[test]
fn no_two_blobs_have_one_stamp_or_one_ciphertext() {
    let blob = acme().blob("documents", "acme/a");
    let (one, other) = (seal(&blob, &[0; 40], usize::MAX), seal(&blob, &[0; 40], usize::MAX));
    let stamp = |stored: &[u8]| BlobHeader::parse(stored).unwrap().unwrap().claimed_stamp();
    assert_ne!(stamp(&one), stamp(&other));
    assert_ne!(one[header_len(&one)..], other[header_len(&other)..]);
    let text = stamp(&one).to_string();
    assert_eq!(text.parse::<Stamp>(), Ok(stamp(&one)));
    assert!(text.to_uppercase().parse::<Stamp>().is_err() || text.to_uppercase() == text);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn any_split_of_any_length_opens(
        len in 0..200_000_usize,
        written in proptest::collection::vec(1..70_000_usize, 1..9),
        read in proptest::collection::vec(1..70_000_usize, 1..9),
    ) {
        let blob = acme().blob("documents", "acme/a");
        let plaintext = plaintext(len);
        let mut sealer = now(blob.seal()).unwrap();
        let mut stored = sealer.header().to_vec();
        let mut rest = &plaintext[..];
        for step in written.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, behind) = rest.split_at(rest.len().min(*step));
            sealer.push(piece, &mut stored).unwrap();
            rest = behind;
        }
        sealer.finish(&mut stored).unwrap();
        let header = BlobHeader::parse(&stored).unwrap().unwrap();
        let mut opener = now(blob.open(&header)).unwrap().into_opener();
        let (mut given, mut rest) = (Vec::new(), &stored[header.len()..]);
        for step in read.iter().cycle() {
            if rest.is_empty() { break }
            let (mut piece, behind) = rest.split_at(rest.len().min(*step));
            while let Some(chunk) = opener.push(&mut piece).unwrap() {
                given.extend(chunk);
            }
            rest = behind;
        }
        given.extend(opener.finish().unwrap());
        prop_assert!(given == plaintext);
    }
}
