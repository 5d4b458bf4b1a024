//! The implementation for a struct with faults. It lets the rest of the program compile, so that only the faults are
//! reported.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Path};

use crate::expand;

/// Writes an empty implementation of `Record`.
pub(crate) fn fallback(input: &DeriveInput, krate: Option<&Path>) -> TokenStream {
    let krate = expand::krate(krate, Span::call_site());
    let ident = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::schema::Record for #ident #ty_generics #where_clause {
            const SCHEMA: #krate::schema::RecordSchema =
                #krate::schema::RecordSchema::new(::core::option::Option::None, &[]);
        }
    }
}
