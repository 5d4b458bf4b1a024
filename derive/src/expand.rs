//! The implementation for a struct without faults.

mod forms;
mod lookups;
mod marks;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    GenericArgument, GenericParam, Generics, Lifetime, Path, PathArguments, Type, parse_quote, spanned::Spanned,
};

use crate::{
    ast::Record,
    check::{Attribute, Checked, Entry, Role},
};

/// Writes the implementation of `Record`.
pub(crate) fn expand(record: &Record<'_>, Checked { entries, lookups }: &Checked<'_>) -> TokenStream {
    let Record { ident, generics, seal, fields, .. } = record;
    let krate = krate(seal.krate.as_ref(), Span::call_site());
    let table = match &seal.table {
        Some(table) => quote!(::core::option::Option::Some(#table)),
        None => quote!(::core::option::Option::None),
    };
    let flattened: Vec<Flattened<'_>> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Flatten(ty) => Some(Flattened::from_type(ty)),
            Entry::Attribute(_) => None,
        })
        .collect();
    let optional = optional(&flattened);
    let schema_fields = entries.iter().map(|entry| match entry {
        Entry::Attribute(attribute) => field(attribute, &krate),
        Entry::Flatten(ty) => Flattened::from_type(ty).field(&krate),
    });
    let names = fields.iter().map(|field| field.ident);

    let bounds = bounds(generics, &flattened, &krate);
    let (_, ty_generics, _) = generics.split_for_impl();
    let (impl_generics, _, where_clause) = bounds.split_for_impl();
    // A fault that only the whole schema reveals is reported at the struct's name.
    let span = ident.span().resolved_at(Span::call_site());
    let here = self::krate(seal.krate.as_ref(), span);
    let discriminator = seal
        .discriminator
        .as_ref()
        .zip(seal.value.as_ref())
        .map(|(attribute, value)| quote_spanned!(span=> .with_discriminator(#attribute, #value)));
    let declared = lookups::declare(lookups, &krate);
    let checked = (!lookups.is_empty() || !flattened.is_empty()).then(|| lookups::check(lookups, span));
    let schema = quote_spanned! {span=>
        #here::schema::RecordSchema::new(#table, &[#(#schema_fields),*]) #discriminator #checked
    };
    let version = fields.iter().find(|field| field.seal.version.is_some()).map(|field| {
        let (ident, ty) = (field.ident, span_of(field.ty));
        quote_spanned!(ty=> let _ = |__record: &Self| #krate::schema::is_version(&__record.#ident);)
    });
    let unheeded = marks::check_heeded(record, &krate);
    let holds = marks::holds(record, &bounds, &krate);
    let registered = marks::register(record, entries, &krate);
    let forms = forms::forms(record, &krate);
    let evaluated = evaluate_schema(record, &here);
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::schema::Record for #ident #ty_generics #where_clause {
            const SCHEMA: #krate::schema::RecordSchema = {
                #optional
                // An attribute macro below the derive may have rewritten the struct. This code compiles only if these
                // are still its fields.
                let _ = |__record: &Self| {
                    let Self { #(#names: _),* } = __record;
                };
                #version
                #declared
                #schema
            };
            #unheeded
            #forms
        }
        #holds
        #registered
        #evaluated
    }
}

/// The path of `tenantseal`, for code with the span `span`.
pub(crate) fn krate(path: Option<&Path>, span: Span) -> TokenStream {
    path.map_or_else(|| quote_spanned!(span=> ::tenantseal), ToTokens::to_token_stream)
}

/// One attribute, as an entry of the schema.
fn field(attribute: &Attribute, krate: &TokenStream) -> TokenStream {
    let Attribute { name, role, .. } = attribute;
    let field = quote!(#krate::schema::RecordField);
    match role {
        Role::PartitionKey { tenant } => quote!(#field::PartitionKey { name: #name, tenant: #tenant }),
        Role::SortKey => quote!(#field::SortKey { name: #name }),
        Role::Plain => quote!(#field::Plain { name: #name }),
        Role::Encrypted => quote!(#field::Encrypted { name: #name }),
        Role::Version => quote!(#field::Version { name: #name }),
    }
}

/// A flattened field's type: a record, or an `Option` of one, whose attributes are all there or all absent.
struct Flattened<'a> {
    ty: &'a Type,
    /// The type inside the `Option`.
    optional: Option<&'a Type>,
}

impl<'a> Flattened<'a> {
    fn from_type(ty: &'a Type) -> Self {
        Self { ty, optional: option_of(ty) }
    }

    fn record(&self) -> &'a Type {
        self.optional.unwrap_or(self.ty)
    }

    /// The schema of the record, with a span that underlines a type without one where it is written.
    fn field(&self, krate: &TokenStream) -> TokenStream {
        let ty = self.ty;
        let record = match self.optional {
            Some(_) => quote_spanned!(span_of(ty)=> <#ty as __Optional>::Record),
            None => ty.to_token_stream(),
        };
        let schema = quote_spanned!(span_of(ty)=> <#record as #krate::schema::Record>::SCHEMA);
        quote!(#krate::schema::RecordField::Flatten(&#schema))
    }
}

/// Code that looks through an `Option`, which is recognized by its name alone. serde may write a user's own type of
/// that name in another way. For such a type, this code does not compile.
fn optional(flattened: &[Flattened<'_>]) -> Option<TokenStream> {
    flattened.iter().any(|flattened| flattened.optional.is_some()).then(|| {
        quote! {
            #[diagnostic::on_unimplemented(
                message = "`{Self}` is not a `Record` and not the standard `Option` of one",
                label = "its sensitive attributes are not declared"
            )]
            trait __Optional {
                type Record;
            }
            impl<T> __Optional for ::core::option::Option<T> {
                type Record = T;
            }
        }
    })
}

/// `T`, when the type is written as `Option<T>` under any path.
fn option_of(ty: &Type) -> Option<&Type> {
    let ty = match ty {
        Type::Group(group) => &*group.elem,
        ty => ty,
    };
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) if last.ident == "Option" && arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// The generics of the impl: flattened type parameters must be records.
fn bounds(generics: &Generics, flattened: &[Flattened<'_>], krate: &TokenStream) -> Generics {
    let mut generics = generics.clone();
    let params: Vec<String> = generics.type_params().map(|param| param.ident.to_string()).collect();
    for record in flattened.iter().map(Flattened::record) {
        if mentions(record.to_token_stream(), &params) {
            generics.make_where_clause().predicates.push(parse_quote!(#record: #krate::schema::Record));
        }
    }
    generics
}

/// Whether the tokens contain one of the type parameters.
fn mentions(tokens: TokenStream, params: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => params.contains(&ident.to_string()),
        TokenTree::Group(group) => mentions(group.stream(), params),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Makes the compiler evaluate the schema at once. Otherwise it evaluates a constant of an impl, and reports its
/// faults, only where the constant is used. With type parameters, nothing can be evaluated yet.
fn evaluate_schema(record: &Record<'_>, krate: &TokenStream) -> Option<TokenStream> {
    let ident = record.ident;
    let mut lifetimes = Vec::new();
    for param in &record.generics.params {
        match param {
            GenericParam::Lifetime(_) => lifetimes.push(Lifetime::new("'static", Span::call_site())),
            GenericParam::Type(_) | GenericParam::Const(_) => return None,
        }
    }
    Some(quote_spanned! {ident.span().resolved_at(Span::call_site())=>
        #[allow(deprecated)]
        const _: #krate::schema::RecordSchema = <#ident<#(#lifetimes),*> as #krate::schema::Record>::SCHEMA;
        #[allow(deprecated)]
        const _: () = <#ident<#(#lifetimes),*> as #krate::schema::Record>::HEEDED;
    })
}

/// The span of a type. Names in the generated code are looked up where the derive is.
fn span_of(ty: &Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}
