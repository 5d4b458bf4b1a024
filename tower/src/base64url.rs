//! Base64url without padding (RFC 7515, section 2), in the one encoding that each sequence of bytes has.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes of a text. None for padding, other alphabets, and last characters with bits that no byte has.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
