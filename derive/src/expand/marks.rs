//! Detects marks that would be ignored: at compile time where a type is known, otherwise through the safety net at run
//! time.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{GenericArgument, Generics, PathArguments, Type, ext::IdentExt};

use super::{field, krate, span_of};
use crate::{
    ast::{Field, Record},
    check::{Entry, Role},
};

/// Refuses a field that is stored as it is although its type marks fields of its own, because these marks would be
/// ignored, a field with a lookup whose type has few values, and a partition key that is no string. The check is
/// separate from the schema: records that contain each other could not evaluate it there.
pub(super) fn check_heeded(record: &Record<'_>, krate: &TokenStream) -> Option<TokenStream> {
    let mut probes = Vec::new();
    for field in record.fields.iter().filter(|field| is_plain_by_default(field)) {
        let name = &field.name;
        let mut types = Vec::new();
        named_types(field.ty, &mut types);
        // The innermost type is the one to underline. Only the type itself knows what an alias or a macro stands for.
        let named = types.iter().map(|ty| (quote!(Marks), *ty));
        for (probe, ty) in named.chain([(quote!(Within), field.ty)]).chain(types.iter().map(|ty| (quote!(Within), *ty)))
        {
            let span = span_of(ty);
            let here = self::krate(record.seal.krate.as_ref(), span);
            probes.push(quote_spanned!(span=> #here::schema::heed(#here::schema::#probe::<#ty>::THERE, #name);));
        }
    }
    for field in record.fields.iter().filter(|field| !field.seal.lookups.is_empty()) {
        let (name, mut types) = (&field.name, vec![field.ty]);
        if field.seal.lookups.iter().any(|lookup| lookup.each.is_some()) {
            named_types(field.ty, &mut types);
        }
        for ty in types {
            let span = span_of(ty);
            let here = self::krate(record.seal.krate.as_ref(), span);
            probes.push(quote_spanned!(span=> #here::schema::refuse_few(#here::schema::Few::<#ty>::VALUES, #name);));
        }
    }
    for field in record.fields.iter().filter(|field| field.seal.partition_key.is_some() && field.serde.with.is_none()) {
        let (name, ty, span) = (&field.name, field.ty, span_of(field.ty));
        let here = self::krate(record.seal.krate.as_ref(), span);
        probes
            .push(quote_spanned!(span=> #here::schema::refuse_not_a_string(#here::schema::Str::<#ty>::NEVER, #name);));
    }
    (!probes.is_empty()).then(|| {
        quote! {
            const HEEDED: () = {
                #[allow(unused_imports)]
                use #krate::schema::{Many as _, MaybeAString as _, NoMarks as _};
                #(#probes)*
            };
        }
    })
}

/// Makes the record visible to checks of its containers.
pub(super) fn holds(record: &Record<'_>, bounds: &Generics, krate: &TokenStream) -> TokenStream {
    let ident = record.ident;
    let (_, ty_generics, _) = record.generics.split_for_impl();
    let (impl_generics, _, where_clause) = bounds.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::schema::Holds for #ident #ty_generics #where_clause {
            const MARKS: bool = #krate::schema::has_marks::<Self>();
        }
    }
}

/// Registers the type, if it has marks, for the safety net at run time.
pub(super) fn register(record: &Record<'_>, entries: &[Entry<'_>], krate: &TokenStream) -> Option<TokenStream> {
    let is_marked = entries.iter().any(|entry| match entry {
        Entry::Attribute(attribute) => attribute.role == Role::Encrypted,
        Entry::Flatten(_) => true,
    });
    if !is_marked {
        return None;
    }
    let own: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Attribute(attribute) => Some(attribute),
            Entry::Flatten(_) => None,
        })
        .collect();
    let fields = own.iter().map(|attribute| field(attribute, krate));
    let optional = own.iter().filter(|attribute| attribute.may_be_absent).map(|attribute| &attribute.name);
    let written = record.ident.unraw().to_string();
    let name = record.serde.rename.as_ref().map_or_else(|| written.clone(), |name| name.value());
    // What a type parameter marks is unknown here; the marks of the type's own fields are known.
    let encrypts = if record.generics.type_params().next().is_some() || record.generics.const_params().next().is_some()
    {
        let has_own = own.iter().any(|attribute| attribute.role == Role::Encrypted);
        quote!(#has_own)
    } else {
        let ident = record.ident;
        let lifetimes = record.generics.lifetimes().map(|_| quote!('static));
        quote!(#krate::schema::has_marks::<#ident<#(#lifetimes),*>>())
    };
    Some(quote! {
        #[allow(deprecated)]
        const _: () = {
            fn __beside() {}
            #krate::schema::inventory::submit! {
                #krate::schema::MarkedRecord {
                    beside: || #krate::schema::path_of(&__beside),
                    ident: #written,
                    name: #name,
                    fields: &[#(#fields),*],
                    optional: &[#(#optional),*],
                    encrypts: || #encrypts,
                }
            }
        };
    })
}

fn is_plain_by_default(Field { seal, serde, .. }: &Field<'_>) -> bool {
    seal.marks().next().is_none() && serde.flatten.is_none() && !serde.is_never_stored()
}

/// The types that a type names: itself, those in brackets and those behind references.
fn named_types<'a>(ty: &'a Type, found: &mut Vec<&'a Type>) {
    match ty {
        Type::Path(path) => {
            found.push(ty);
            for segment in &path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
                    for argument in &arguments.args {
                        if let GenericArgument::Type(inner) = argument {
                            named_types(inner, found);
                        }
                    }
                }
            }
        }
        Type::Reference(reference) => named_types(&reference.elem, found),
        Type::Array(array) => named_types(&array.elem, found),
        Type::Slice(slice) => named_types(&slice.elem, found),
        Type::Group(group) => named_types(&group.elem, found),
        Type::Paren(paren) => named_types(&paren.elem, found),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|inner| named_types(inner, found)),
        Type::Macro(_) => found.push(ty),
        _ => {}
    }
}
