//! The form `text`: what readers take for the same word, whatever its case, width or composition.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

/// `NFKC(fold(NFKC(fold(NFD(text)))))`, the compatibility caseless match of The Unicode Standard, section 3.13 (D146),
/// with each run of white space as one space and none at the ends.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return words(&text.to_ascii_lowercase());
    }
    let nfkc = ComposingNormalizer::new_nfkc();
    let case = CaseMapper::new();
    let decomposed = DecomposingNormalizer::new_nfd().normalize(text);
    let folded = case.fold_string(&decomposed);
    let once = nfkc.normalize(&folded);
    let folded = case.fold_string(&once);
    words(&nfkc.normalize(&folded))
}

/// The words of the text. `char::is_whitespace` is Unicode's `White_Space`.
fn words(text: &str) -> Cow<'static, str> {
    let mut words = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    Cow::Owned(words)
}
