//! Writes the first bits of bytes as letters, 6 to a letter: for whole bytes, Base64url without padding.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many letters so many bits take.
pub(crate) const fn len(bits: u8) -> usize {
    (bits as usize).div_ceil(6)
}

/// Appends the first `bits` bits of `bytes`; zero bits fill the last letter. There are at least so many bits.
pub(crate) fn push(out: &mut String, bytes: &[u8], bits: u8) {
    let bits = usize::from(bits);
    for at in (0..bits).step_by(6) {
        let next = bytes.get(at / 8 + 1).copied().unwrap_or_default();
        let six = u16::from_be_bytes([bytes[at / 8], next]) >> (10 - at % 8) & 0x3f;
        let unused = 6_usize.saturating_sub(bits - at);
        out.push(char::from(LETTERS[usize::from(six >> unused << unused)]));
    }
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
