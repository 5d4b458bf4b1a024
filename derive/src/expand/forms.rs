//! How each field is read and written by itself, with its own `serde` attributes.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Type;

use super::{Flattened, mentions, span_of};
use crate::ast::{Field, Record};

/// The constant with the form of each field. It says nothing where the form is unknown here, because a type parameter
/// or a borrow decides.
pub(super) fn forms(record: &Record<'_>, krate: &TokenStream) -> TokenStream {
    let stored = || record.fields.iter().filter(|field| !field.serde.is_never_stored());
    let params: Vec<String> = record.generics.type_params().map(|param| param.ident.to_string()).collect();
    let fields =
        stored().filter(|field| field.serde.flatten.is_none()).map(|field| form(field, record, &params, krate));
    let flattened = stored().filter(|field| field.serde.flatten.is_some()).map(|field| {
        let flattened = Flattened::from_type(field.ty);
        let (is_optional, record) = (flattened.optional.is_some(), flattened.record());
        let forms = quote::quote_spanned!(span_of(field.ty)=> <#record as #krate::schema::Record>::FORMS);
        quote!((#is_optional, &#forms))
    });
    let borrows = record.generics.lifetimes().next().is_some() || record.fields.iter().any(|field| borrows(field.ty));
    let unreadable = if borrows {
        quote!(|_| ::core::option::Option::None)
    } else {
        quote!(#krate::schema::ReadsBack::<Self>::UNREADABLE)
    };
    quote! {
        const FORMS: #krate::schema::Forms = {
            #[allow(unused_imports)]
            use #krate::schema::{NotRead as _, NotReadBack as _, Unwritten as _};
            #krate::schema::Forms {
                fields: &[#(#fields),*],
                flattened: &[#(#flattened),*],
                unreadable: #unreadable,
            }
        };
    }
}

fn form(field: &Field<'_>, record: &Record<'_>, params: &[String], krate: &TokenStream) -> TokenStream {
    let Field { ty, seal, serde, .. } = field;
    let name = record.stored_name(field);
    let written = to_text(ty);
    let is_public = seal.plain.is_some();
    let reads = quote!(#krate::schema::Reads::<#ty>);
    let own_read = quote!(#reads::READ);
    let is_unknown = borrows(ty) || serde.with.is_some() && mentions(ty.to_token_stream(), params);
    let is_known = !is_unknown;
    let (given, stored) = if is_known {
        let span = span_of(ty);
        let read = serde
            .reader
            .as_ref()
            .map(|path| quote::quote_spanned!(span=> ::core::option::Option::Some(|__value| #path(__value))));
        let write = serde.writer.as_ref().map(|path| {
            quote::quote_spanned!(span=> ::core::option::Option::Some(|__value, __serializer| #path(__value, __serializer)))
        });
        let write = write.unwrap_or_else(|| quote!(#krate::schema::Writes::<#ty>::WRITE));
        let form = |read| quote!(|__value| #krate::schema::through::<#ty>(__value, #read, #write));
        (form(own_read.clone()), form(read.unwrap_or(own_read)))
    } else {
        let unknown = quote!(|_| #krate::schema::StoredForm::Unknown);
        (unknown.clone(), unknown)
    };
    let some = |optional: bool| quote!(|| ::core::option::Option::Some(#optional));
    let is_optional = if serde.default || record.serde.default || serde.skip_deserializing.is_some() {
        some(true)
    } else if serde.reader.is_some() {
        some(false)
    } else if is_known {
        quote!(#reads::IS_OPTIONAL)
    } else {
        quote!(|| ::core::option::Option::None)
    };
    let aliases = &serde.aliases;
    quote! {
        #krate::schema::FieldForm {
            name: #name,
            aliases: &[#(#aliases),*],
            ty: #written,
            is_public: #is_public,
            given: #given,
            stored: #stored,
            is_optional: #is_optional,
        }
    }
}

/// The type as the user wrote it, for errors.
fn to_text(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    text.replace(" :: ", "::").replace(" < ", "<").replace(" > ", ">").replace(" >", ">").replace(" ,", ",")
}

/// Whether the type is written with a lifetime or a reference. A type that borrows cannot be read from a temporary
/// value.
fn borrows(ty: &Type) -> bool {
    fn has_borrow(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Punct(punct) => matches!(punct.as_char(), '&' | '\''),
            TokenTree::Group(group) => has_borrow(group.stream()),
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        })
    }
    has_borrow(ty.to_token_stream())
}
