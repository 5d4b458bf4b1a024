//! The struct as the derive sees it: its fields, with their attributes parsed.

use proc_macro2::Span;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, Type, ext::IdentExt};

use crate::{
    attr::{self, ContainerSeal, ContainerSerde, FieldSeal, FieldSerde},
    errors::Errors,
};

/// A struct with `#[derive(Record)]`.
pub(crate) struct Record<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) seal: ContainerSeal,
    pub(crate) serde: ContainerSerde,
    pub(crate) fields: Vec<Field<'a>>,
}

/// One of its fields.
pub(crate) struct Field<'a> {
    /// The identifier as written in the code, which may be `r#type`.
    pub(crate) ident: &'a Ident,
    /// The name by which errors call the field, and from which serde makes the stored name: `type`.
    pub(crate) name: String,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: &'a [Attribute],
    pub(crate) seal: FieldSeal,
    pub(crate) serde: FieldSerde,
}

impl<'a> Record<'a> {
    /// Reads the struct. `None` when it is not a struct with named fields.
    pub(crate) fn parse(input: &'a DeriveInput, errors: &mut Errors) -> Option<Self> {
        let named = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(named) => Ok(&named.named),
                Fields::Unnamed(_) => Err("a tuple struct has no field names, and so no attribute names"),
                Fields::Unit => Err("a unit struct has no fields to store"),
            },
            Data::Enum(_) => {
                Err("enums are not supported yet: derive it for a struct, and make the enum one of its fields")
            }
            Data::Union(_) => Err("a union cannot be stored"),
        };
        let named = match named {
            Ok(named) => named,
            Err(why) => {
                errors.on(&input.ident, format_args!("`{}` cannot be a `Record`: {why}", input.ident.unraw()));
                return None;
            }
        };
        let seal = ContainerSeal::parse(&input.attrs, errors);
        let serde = ContainerSerde::parse(&input.attrs, errors);
        let fields: Vec<Field<'a>> = named.iter().filter_map(|field| Field::parse(field, errors)).collect();
        attr::refuse_rewriting_macros(&input.attrs, &fields, errors);
        Some(Self { ident: &input.ident, generics: &input.generics, seal, serde, fields })
    }
}

impl Record<'_> {
    /// The stored name that serde gives a field that is not flattened.
    pub(crate) fn stored_name(&self, field: &Field<'_>) -> String {
        match (&field.serde.rename, self.serde.rename_all) {
            (Some(rename), _) => rename.value(),
            (None, Some(rule)) => rule.apply(&field.name),
            (None, None) => field.name.clone(),
        }
    }
}

impl<'a> Field<'a> {
    fn parse(field: &'a syn::Field, errors: &mut Errors) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let name = ident.unraw().to_string();
        let seal = FieldSeal::parse(&field.attrs, &name, errors);
        let serde = FieldSerde::parse(&field.attrs, &name, errors);
        Some(Self { ident, name, ty: &field.ty, attrs: &field.attrs, seal, serde })
    }

    /// The span of the field's name.
    pub(crate) fn span(&self) -> Span {
        self.ident.span()
    }
}
