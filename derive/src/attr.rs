//! The attributes of a struct and its fields, as written. [`check`](crate::check) decides what they mean together.

mod foreign;
mod lookup;
mod seal;
mod serde;
mod spelling;

pub(crate) use self::{
    foreign::refuse_rewriting_macros,
    lookup::{Form, FormKind, Lookup},
    seal::{ContainerSeal, FieldSeal, TenantTemplate},
    serde::{ContainerSerde, FieldSerde},
};

use std::fmt::Display;

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::{Attribute, LitStr, Token, ext::IdentExt, meta::ParseNestedMeta, spanned::Spanned, token};

use crate::errors::Errors;

/// Calls `each` for every entry of every `#[name(...)]`, so that a faulty entry does not hide the others.
///
/// `whose` begins the messages and names the field. `each` must leave the input at the end of its entry. When it fails,
/// the rest of the entry is skipped. Returns whether everything was understood.
fn for_each_entry(
    attrs: &[Attribute],
    name: &str,
    whose: &str,
    errors: &mut Errors,
    mut each: impl FnMut(&Entry<'_>) -> syn::Result<()>,
) -> bool {
    let mut understood = true;
    for attr in attrs {
        match attr.path().get_ident() {
            Some(ident) if ident == name => {}
            // To the compiler it is the same attribute. serde ignores its own attribute in this spelling. If we ignored
            // ours, a sensitive value would be stored in plaintext.
            Some(ident) if ident.unraw() == name => {
                understood = false;
                errors.on(ident, format_args!("{whose}write `#[{name}]`, not `#[{ident}]`"));
                continue;
            }
            _ => continue,
        }
        let parsed = attr.parse_nested_meta(|meta| {
            let entry = Entry { meta, whose };
            if let Err(error) = each(&entry) {
                understood = false;
                errors.push(error);
                entry.skip_value()?;
            }
            Ok(())
        });
        if let Err(error) = parsed {
            understood = false;
            errors.push(error);
        }
    }
    understood
}

/// One of the words in `#[name(...)]`, with its value.
struct Entry<'a> {
    meta: ParseNestedMeta<'a>,
    whose: &'a str,
}

impl Entry<'_> {
    /// The word, as the user wrote it.
    fn name(&self) -> String {
        self.meta.path.to_token_stream().to_string().replace(' ', "")
    }

    fn span(&self) -> Span {
        self.meta.path.span()
    }

    fn has_value(&self) -> bool {
        self.meta.input.peek(Token![=])
    }

    fn has_parentheses(&self) -> bool {
        self.meta.input.peek(token::Paren)
    }

    /// Remembers where the word was written. Refuses a value or a repetition.
    fn flag(&self, slot: &mut Option<Span>) -> syn::Result<()> {
        if self.has_value() || self.has_parentheses() {
            return Err(self.error(format_args!("`{}` takes no value", self.name())));
        }
        self.once(slot, self.span())
    }

    /// Remembers a value. Refuses a repetition.
    fn once<T>(&self, slot: &mut Option<T>, value: T) -> syn::Result<()> {
        if slot.is_some() {
            return Err(self.error(format_args!("`{}` is written twice", self.name())));
        }
        *slot = Some(value);
        Ok(())
    }

    /// The text in `name = "text"`.
    fn text(&self) -> syn::Result<LitStr> {
        if !self.has_value() {
            return Err(self.error(format_args!("`{0}` needs a value: `{0} = \"...\"`", self.name())));
        }
        self.meta.value()?.parse()
    }

    /// Skips the value, whatever it is.
    fn skip_value(&self) -> syn::Result<()> {
        while !self.meta.input.is_empty() && !self.meta.input.peek(Token![,]) {
            self.meta.input.parse::<TokenTree>()?;
        }
        Ok(())
    }

    fn error(&self, message: impl Display) -> syn::Error {
        self.meta.error(format_args!("{}{message}", self.whose))
    }
}

/// The beginning of messages about the field called `field`.
fn of_field(field: &str) -> String {
    format!("field `{field}`: ")
}
