//! `#[seal(...)]`: our own attributes.

use proc_macro2::Span;
use syn::{Attribute, LitStr, Path, Token, spanned::Spanned};

use super::{flag, for_each_entry, name_of, once, spelling, text};
use crate::errors::Errors;

const ON_STRUCTS: [&str; 2] = ["table", "crate"];
const ON_FIELDS: [&str; 5] = ["partition_key", "sort_key", "tenant", "encrypt", "plain"];

/// What `#[seal(...)]` says on a struct.
#[derive(Default)]
pub(crate) struct ContainerSeal {
    /// The logical table.
    pub(crate) table: Option<LitStr>,
    /// Where `tenantseal` is, for crates that re-export it.
    pub(crate) krate: Option<Path>,
}

impl ContainerSeal {
    pub(super) const NAME: &'static str = "seal";

    /// Reads the struct's `#[seal(...)]`.
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut seal = Self::default();
        for_each_entry(attrs, Self::NAME, errors, |meta, _| match name_of(meta).as_str() {
            "table" => once(&mut seal.table, text(meta)?, meta),
            "crate" => once(&mut seal.krate, text(meta)?.parse_with(Path::parse_mod_style)?, meta),
            name if ON_FIELDS.contains(&name) => Err(meta.error(format_args!("`{name}` belongs on a field"))),
            name => Err(meta.error(format_args!(
                "unknown seal attribute `{name}`: {}",
                spelling::hint(name, &ON_STRUCTS)
            ))),
        });
        seal
    }
}

/// What `#[seal(...)]` says on a field: where each word was written.
#[derive(Default)]
pub(crate) struct FieldSeal {
    pub(crate) partition_key: Option<Span>,
    pub(crate) sort_key: Option<Span>,
    pub(crate) encrypt: Option<Span>,
    pub(crate) plain: Option<Span>,
    pub(crate) tenant: Option<TenantTemplate>,
}

/// How the tenant's id shows in the partition key.
pub(crate) struct TenantTemplate {
    /// `{tenant}`, or `TENANT#{tenant}#`.
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl FieldSeal {
    /// Reads the `#[seal(...)]` of the field called `field`.
    pub(crate) fn parse(attrs: &[Attribute], field: &str, errors: &mut Errors) -> Self {
        let mut seal = Self::default();
        for_each_entry(attrs, ContainerSeal::NAME, errors, |meta, _| {
            match name_of(meta).as_str() {
                "partition_key" => flag(&mut seal.partition_key, meta),
                "sort_key" => flag(&mut seal.sort_key, meta),
                "encrypt" => flag(&mut seal.encrypt, meta),
                "plain" => flag(&mut seal.plain, meta),
                "tenant" => {
                    let template = if meta.input.peek(Token![=]) {
                        let written = text(meta)?;
                        TenantTemplate {
                            text: written.value(),
                            span: written.span(),
                        }
                    } else {
                        TenantTemplate {
                            text: "{tenant}".to_owned(),
                            span: meta.path.span(),
                        }
                    };
                    once(&mut seal.tenant, template, meta)
                }
                name if ON_STRUCTS.contains(&name) => {
                    Err(meta.error(format_args!("field `{field}`: `{name}` belongs on the struct")))
                }
                name => Err(meta.error(format_args!(
                    "field `{field}`: unknown seal attribute `{name}`: {}",
                    spelling::hint(name, &ON_FIELDS)
                ))),
            }
        });
        seal
    }
}
