//! Writes the first bits of bytes as letters, 6 to a letter: for whole bytes, Base64url without padding.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many letters so many bits take.
pub(crate) const fn len(bits: u8) -> usize {
    (bits as usize).div_ceil(6)
}

/// Appends the first `bits` bits of `bytes`, 1 to 128; zero bits fill the last letter. There are at least so many bits.
pub(crate) fn push(out: &mut String, bytes: &[u8], bits: u8) {
    let (mut first, touched) = ([0; 16], usize::from(bits).div_ceil(8));
    first[..touched].copy_from_slice(&bytes[..touched]);
    let unused = 128 - u32::from(bits);
    let first = u128::from_be_bytes(first) >> unused << unused;
    let mut letters = [0; len(128)];
    for (nth, letter) in letters.iter_mut().enumerate() {
        *letter = LETTERS[(first << (6 * nth) >> 122) as usize & 0x3f];
    }
    // All at once: `push` of one letter after the other checks the room for each.
    out.push_str(std::str::from_utf8(&letters[..len(bits)]).expect("letters are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn six(bytes: &[u8], bits: u8) -> String {
        let mut out = String::new();
        push(&mut out, bytes, bits);
        assert_eq!(out.len(), len(bits));
        out
    }

    #[test]
    fn whole_bytes_are_base64url_without_padding() {
        // RFC 4648, section 10, and its section 5 for the last 2 letters.
        assert_eq!(six(b"fo", 16), "Zm8");
        assert_eq!(six(b"foobar", 48), "Zm9vYmFy");
        assert_eq!(six(&[0xfb, 0xff], 16), "-_8");
    }

    #[test]
    fn every_bit_that_is_asked_for_shows_and_no_other() {
        for bits in 1..=128 {
            for at in 0..136 {
                let mut bytes = [0_u8; 17];
                bytes[at / 8] = 0x80 >> (at % 8);
                let is_shown = six(&bytes, bits) != six(&[0; 17], bits);
                assert_eq!(is_shown, at < usize::from(bits), "bit {at} of {bits}");
            }
        }
    }
}
