//! The attributes of a struct and its fields, as written: what they mean together is for [`check`](crate::check) to say.

mod foreign;
mod seal;
mod serde;
mod spelling;

pub(crate) use self::{
    foreign::refuse_rewriting_macros,
    seal::{ContainerSeal, FieldSeal, TenantTemplate},
    serde::{ContainerSerde, FieldSerde},
};

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::{Attribute, LitStr, Token, meta::ParseNestedMeta, spanned::Spanned, token};

use crate::errors::Errors;

/// Calls `each` for every entry of every `#[name(...)]`, so that a faulty entry hides no other.
///
/// `each` must leave the input at the end of the entry it was given; when it fails, the rest of the entry is skipped.
fn for_each_entry(
    attrs: &[Attribute],
    name: &str,
    errors: &mut Errors,
    mut each: impl FnMut(&ParseNestedMeta<'_>, &mut Errors) -> syn::Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let parsed = attr.parse_nested_meta(|meta| {
            if let Err(error) = each(&meta, errors) {
                errors.push(error);
                skip_to_comma(&meta)?;
            }
            Ok(())
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
}

/// Leaves out what is left of an entry.
fn skip_to_comma(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
        meta.input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// The name of an entry, as the user wrote it.
fn name_of(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.to_token_stream().to_string().replace(' ', "")
}

/// Remembers where an entry was written, and that it is written once and takes no value.
fn flag(slot: &mut Option<Span>, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) || meta.input.peek(token::Paren) {
        return Err(meta.error(format_args!("`{}` takes no value", name_of(meta))));
    }
    once(slot, meta.path.span(), meta)
}

/// Remembers the value of an entry, and that it is written once.
fn once<T>(slot: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if slot.is_some() {
        return Err(meta.error(format_args!("`{}` is written twice", name_of(meta))));
    }
    *slot = Some(value);
    Ok(())
}

/// The text in `name = "text"`.
fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}
