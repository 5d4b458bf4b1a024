//! Vectors of lookups (docs/FORMAT.md, section 15): `lookup_token_…` are tokens, `lookup_open_…` and `lookup_refuse_…` what lies in the
//! key table.

use serde_json::Value;

mod records;
mod tokens;

/// The lookup key of the example.
fn lookup_key() -> [u8; 32] {
    std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap())
}

/// All files.
pub(super) fn vectors() -> Vec<(String, Value)> {
    let records = records::vectors().into_iter().map(|vector| (vector.name.to_owned(), vector.to_json()));
    let tokens = tokens::vectors().into_iter().map(|vector| (vector.name.to_owned(), vector.to_json()));
    records.chain(tokens).collect()
}
