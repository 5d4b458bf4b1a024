//! The lookups of a record, as the schema's builders are written by hand.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::{attr::FormKind, check::Lookup};

/// A constant with the lookups, if there are any. A constant of its own, because only then they live as long as the
/// schema.
pub(super) fn declare(lookups: &[Lookup<'_>], krate: &TokenStream) -> Option<TokenStream> {
    let declared = lookups.iter().map(|lookup| builder(lookup, krate));
    (!lookups.is_empty()).then(|| {
        quote! {
            const __LOOKUPS: &[#krate::schema::LookupBuilder<'static>] = &[#(#declared),*];
        }
    })
}

/// Checks the lookups, also against those of flattened records.
pub(super) fn check(lookups: &[Lookup<'_>], span: Span) -> TokenStream {
    if lookups.is_empty() {
        quote_spanned!(span=> .with_lookups(&[]))
    } else {
        quote_spanned!(span=> .with_lookups(__LOOKUPS))
    }
}

fn builder(Lookup { name, parts, written }: &Lookup<'_>, krate: &TokenStream) -> TokenStream {
    let forms = parts.iter().map(|(attribute, form)| {
        let form = match form {
            FormKind::With(path) => quote!(#path),
            // A function, which says so where tenantseal has no such form.
            FormKind::Known("text") => quote!(#krate::schema::Form::text()),
            FormKind::Known(word) => {
                let constant = format_ident!("{}", word.to_uppercase());
                quote!(#krate::schema::Form::#constant)
            }
        };
        (attribute, form)
    });
    let start = match forms.clone().count() {
        1 => {
            let parts = forms.map(|(attribute, form)| quote!(#attribute, #form));
            quote!(#krate::schema::Lookup::on(#(#parts),*))
        }
        _ => {
            let parts = forms.map(|(attribute, form)| quote!((#attribute, #form)));
            quote!(#krate::schema::Lookup::all_of([#(#parts),*]))
        }
    };
    let bits = written.bits.as_ref().map(|bits| quote!(.bits(#bits)));
    let prefix = written.prefix.as_ref().map(|characters| quote!(.prefix(#characters)));
    let key = written.key.as_ref().map(|number| quote!(.key(#number)));
    let index = written.index.as_ref().map(|name| quote!(.index(#name)));
    let tenant_index = written.tenant_index.as_ref().map(|name| quote!(.tenant_index(#name)));
    let flags = [
        written.each.map(|_| quote!(.each())),
        written.unique.map(|_| quote!(.unique())),
        written.building.map(|_| quote!(.building())),
        written.retired.map(|_| quote!(.retired())),
    ];
    let flags = flags.iter().flatten();
    quote!(#start.named(#name) #bits #prefix #key #index #tenant_index #(#flags)*)
}
