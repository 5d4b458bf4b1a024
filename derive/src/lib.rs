//! `#[derive(Record)]` for [tenantseal](https://docs.rs/tenantseal).

mod ast;
mod attr;
mod case;
mod check;
mod errors;
mod expand;
mod fallback;

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Declares which fields of a struct are keys, which are encrypted and which are stored as they are.
#[proc_macro_derive(Record, attributes(seal))]
pub fn derive_record(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// The way of the data: ast (which reads the attributes) → check → expand, or the faults and a fallback.
fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = errors::Errors::default();
    let record = ast::Record::parse(input, &mut errors);
    let entries = record
        .as_ref()
        .map(|record| check::check(record, &mut errors))
        .unwrap_or_default();
    match (record, errors.into_compile_errors()) {
        (Some(record), None) => expand::expand(&record, &entries),
        (record, faults) => {
            let krate = record.and_then(|record| record.seal.krate);
            let fallback = fallback::fallback(input, krate.as_ref());
            quote::quote!(#faults #fallback)
        }
    }
}
