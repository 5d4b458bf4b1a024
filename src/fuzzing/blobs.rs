//! What must hold for any bytes that are said to be a blob.

use std::sync::LazyLock;

use tenantseal_core::blob::{BlobFault, BlobHeader, BlobIdentity, BlobSealer, CHUNK_LEN, Extent, OpenedBlob};
use tenantseal_core::envelope::VerifiedDataKey;

use super::{Fixed, SCENE};

/// What is stored of a blob, and its plaintext.
type Blob = (Vec<u8>, Vec<u8>);

/// A blob of two chunks, and one of a few bytes, which is faster to try.
static BLOBS: LazyLock<[Blob; 2]> = LazyLock::new(|| [CHUNK_LEN + 9, 9].map(make));

fn make(len: usize) -> Blob {
    let plaintext: Vec<u8> = (0..=250).cycle().take(len).collect();
    let mut sealer = BlobSealer::start(&SCENE.key, &identity(), &Fixed).expect("fixed bytes");
    let mut stored = sealer.header().to_vec();
    sealer.push(&plaintext, &mut stored).expect("two chunks");
    sealer.finish(&mut stored).expect("two chunks");
    (stored, plaintext)
}

fn identity() -> BlobIdentity {
    BlobIdentity::new(&SCENE.tenant, "documents", "acme/a")
}

/// Whoever lacks the key makes no blob of which anything opens but a beginning of what was sealed, in whatever pieces it
/// arrives; and whatever is read to its end is the whole.
///
/// The input is a sequence of edits of the stored bytes of a blob: what to do, where, and the bytes to put there, to
/// insert there or how many to take out. Its first byte says in what pieces the result arrives.
pub fn blob(data: &[u8]) {
    header(data);
    let Some((step, mut rest)) = data.split_first() else { return };
    let (stored, plaintext) = &BLOBS[usize::from(step % 8 != 0)];
    let mut damaged = stored.clone();
    while let [choice, high, low, length, after @ ..] = rest {
        let (edit, after) = after.split_at(usize::from(*length).min(after.len()));
        // The beginning, the border of the chunks, or the end.
        let from = [0, stored.len().saturating_sub(9 + 16 + 300), damaged.len().saturating_sub(300)]
            [usize::from(choice >> 2) % 3];
        let at = (from + usize::from(u16::from_be_bytes([*high, *low]) % 600)).min(damaged.len());
        match choice & 3 {
            0 => damaged.iter_mut().skip(at).zip(edit).for_each(|(byte, edit)| *byte = *edit),
            1 => drop(damaged.splice(at..at, edit.iter().copied())),
            2 => drop(damaged.drain(at..(at + usize::from(*length)).min(damaged.len()))),
            _ => damaged.truncate(at),
        }
        rest = after;
    }
    let mut given = Vec::new();
    let ends = read(&SCENE.key, &damaged, 1 + 997 * usize::from(*step), &mut given);
    assert!(plaintext.starts_with(&given));
    assert!(ends.is_err() || given == *plaintext);
}

fn read(key: &VerifiedDataKey, stored: &[u8], step: usize, given: &mut Vec<u8>) -> Result<(), BlobFault> {
    let header = BlobHeader::parse(stored)?.ok_or_else(|| BlobHeader::fault_of_end(stored))?;
    let opened = OpenedBlob::new(&header, key, &identity())?;
    let extent = Extent::new(stored.len() as u64, &header);
    let mut opener = opened.into_opener();
    for mut piece in stored[header.len()..].chunks(step) {
        while let Some(chunk) = opener.push(&mut piece)? {
            given.extend(chunk);
        }
    }
    given.extend(opener.finish()?);
    assert_eq!(extent.map(|extent| extent.len()), Ok(given.len() as u64), "the store's size says the same");
    Ok(())
}

/// A header is found in the same place however much of what follows it is there, and never in a part of it.
fn header(data: &[u8]) {
    let Ok(Some(header)) = BlobHeader::parse(data) else { return };
    assert!(header.len() <= data.len().min(BlobHeader::MAX_LEN));
    assert!((0..header.len()).all(|end| matches!(BlobHeader::parse(&data[..end]), Ok(None))));
    let alone = BlobHeader::parse(&data[..header.len()]).expect("the same bytes").expect("all of them");
    assert_eq!((alone.len(), alone.claimed_stamp()), (header.len(), header.claimed_stamp()));
}
