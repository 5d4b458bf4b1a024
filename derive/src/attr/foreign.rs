//! Attributes of other crates: harmless helpers of other derives, and macros that would rewrite the struct behind our
//! back.
//!
//! A derive sees the struct as it stands below the derive. An attribute macro further down runs later, so serde stores
//! its changes without this derive having seen them. From the tokens alone, `#[validate(...)]` (a helper of another
//! derive, inert) and `#[rewrite(...)]` (a macro) look the same. Neither the names in scope nor the derives above are
//! visible. What this module does about it:
//!
//! - A path of several segments is never a helper. So it is a macro and refused, unless it is a tool's
//!   (`rustfmt::skip`).
//! - Macros that are known to rewrite serde's view are refused by name.
//! - Any other single name is refused when serde is derived below it: that derive would see the rewritten struct, and
//!   this one has not. Helpers can be moved without harm.
//! - What remains is a helper, or a macro that runs after serde's derive as well as after this one, so that the two
//!   agree. Refusing it would lock out every derive that has helpers. The macro might derive serde itself. Even then
//!   the expansion pins the fields (see [`expand`](crate::expand)), and a client refuses attributes that no schema
//!   names.
//!
//! Fields cannot have attribute macros, so every attribute of a field is a helper.

use proc_macro2::TokenTree;
use syn::{Attribute, Meta, Path, ext::IdentExt};

use crate::{ast::Field, errors::Errors};

/// Tools may have attributes of their own; a macro cannot have such a path.
const TOOLS: [&str; 5] = ["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];

/// Attribute macros that change how serde sees the struct: all of `serde_with`'s, and those of `macro_rules_attribute`.
const REWRITERS: [&str; 4] = ["apply", "serde_as", "serde_conv", "skip_serializing_none"];

/// Attributes of the language, which change no field and may stand anywhere.
const BUILTIN: [&str; 16] = [
    "allow",
    "cfg",
    "cfg_attr",
    "cfg_eval",
    "deny",
    "deprecated",
    "derive",
    "doc",
    "expect",
    "forbid",
    "must_use",
    "non_exhaustive",
    "repr",
    "seal",
    "serde",
    "warn",
];

/// Refuses attribute macros below the derive that may rewrite the struct.
pub(crate) fn refuse_rewriting_macros(attrs: &[Attribute], fields: &[Field<'_>], errors: &mut Errors) {
    let mut refused = false;
    for (i, attr) in attrs.iter().enumerate() {
        let Some(why) = fault(attr, &attrs[i + 1..]) else {
            continue;
        };
        refused = true;
        errors.on(attr.path(), format_args!("`#[{}]` {why}", to_text(attr.path())));
    }
    // One fault, one error: when the macro itself has been reported, its fields need no further error.
    if !refused {
        refuse_unconsumed_serde_as(fields, errors);
    }
}

/// The fault of a struct's attribute that `below` follows.
fn fault(attr: &Attribute, below: &[Attribute]) -> Option<&'static str> {
    let path = attr.path();
    let first = path.segments.first()?.ident.unraw().to_string();
    let last = path.segments.last()?.ident.unraw().to_string();
    if REWRITERS.contains(&last.as_str()) {
        Some("must stand above the derive: below it, the macro changes the fields after the derive has read them")
    } else if path.segments.len() > 1 && !TOOLS.contains(&first.as_str()) {
        Some(
            "is an attribute macro and must stand above the derive: down here it may change the fields after the \
             derive has looked at them",
        )
    } else if path.segments.len() == 1 && !BUILTIN.contains(&last.as_str()) && below.iter().any(derives_serde) {
        Some(
            "may be an attribute macro, and serde is derived below it: put `Record` and serde's derives into one \
             list, and this above or below it",
        )
    } else {
        None
    }
}

/// `serde_as` leaves its attributes on the fields as helpers and adds `with` beside them. So one without the other
/// means that it has not run yet, whatever name it was imported under.
fn refuse_unconsumed_serde_as(fields: &[Field<'_>], errors: &mut Errors) {
    for field in fields.iter().filter(|field| field.serde.with.is_none()) {
        for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("serde_as")) {
            errors.on(
                attr.path(),
                format_args!("field `{}`: `#[serde_as]` must stand above the derive: it has not run yet", field.name),
            );
        }
    }
}

/// Whether this is `#[derive(.., Serialize, ..)]` or `Deserialize`, under any path.
fn derives_serde(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else { return false };
    list.path.is_ident("derive")
        && list
            .tokens
            .clone()
            .into_iter()
            .any(|token| matches!(&token, TokenTree::Ident(ident) if ident == "Serialize" || ident == "Deserialize"))
}

/// The path as the user wrote it.
fn to_text(path: &Path) -> String {
    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    segments.join("::")
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::{DeriveInput, parse_quote, parse2};

    use super::*;

    fn is_refused(attrs: proc_macro2::TokenStream) -> bool {
        let input: DeriveInput = parse2(quote!(#attrs struct X;)).expect("the test's own struct parses");
        let mut errors = Errors::default();
        refuse_rewriting_macros(&input.attrs, &[], &mut errors);
        errors.into_compile_errors().is_some()
    }

    #[test]
    fn macros_that_rewrite_fields_are_refused_under_any_path() {
        for attr in [
            quote!(#[serde_as]),
            quote!(#[serde_with::serde_as]),
            quote!(#[::serde_with::serde_as(crate = "a")]),
            quote!(#[skip_serializing_none]),
            quote!(#[r#serde_as]),
            quote!(#[apply(option_default)]),
            quote!(#[some::other::macro_of_mine]),
        ] {
            assert!(is_refused(attr.clone()), "{attr}");
        }
    }

    #[test]
    fn attributes_of_the_language_and_its_tools_pass() {
        assert!(!is_refused(quote! {
            /// Documented.
            #[allow(dead_code)] #[repr(C)] #[rustfmt::skip] #[clippy::cognitive_complexity = "1"]
            #[diagnostic::on_unimplemented(message = "")] #[deprecated]
            #[derive(Serialize)]
        }));
    }

    #[test]
    fn helpers_of_other_derives_pass() {
        assert!(!is_refused(quote!(#[validate(schema(function = "f"))] #[builder(default)])));
        assert!(!is_refused(quote!(#[validate(nested)] #[derive(Debug)])));
    }

    #[test]
    fn an_unknown_name_above_a_serde_derive_is_refused() {
        assert!(is_refused(quote!(#[rewrite] #[derive(Serialize)])));
        assert!(is_refused(quote!(#[rewrite] #[derive(Debug, serde::Deserialize)])));
    }

    #[test]
    fn what_serde_as_leaves_behind_when_it_stands_above_passes() {
        let done: DeriveInput = parse_quote! {
            #[derive(::serde_with::__private_consume_serde_as_attributes)]
            struct X { #[serde_as(as = "A")] #[serde(with = "::serde_with::As::<A>")] x: u8 }
        };
        let pending: DeriveInput = parse_quote!(
            struct X {
                #[serde_as(as = "A")]
                x: u8,
            }
        );
        for (input, refused) in [(done, false), (pending, true)] {
            let mut errors = Errors::default();
            crate::ast::Record::parse(&input, &mut errors);
            assert_eq!(errors.into_compile_errors().is_some(), refused);
        }
    }
}
