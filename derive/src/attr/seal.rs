//! `#[seal(...)]`: our own attributes.

use proc_macro2::Span;
use syn::{Attribute, LitStr, Path};

use super::{for_each_entry, of_field, spelling};
use crate::errors::Errors;

const ON_STRUCTS: [&str; 4] = ["table", "crate", "discriminator", "value"];
const ON_FIELDS: [&str; 6] = ["partition_key", "sort_key", "tenant", "encrypt", "plain", "version"];

/// What `#[seal(...)]` says on a struct.
#[derive(Default)]
pub(crate) struct ContainerSeal {
    /// The logical table.
    pub(crate) table: Option<LitStr>,
    /// The attribute that tells the record's items from others in the table.
    pub(crate) discriminator: Option<LitStr>,
    /// Its value in the record's items.
    pub(crate) value: Option<LitStr>,
    /// Something in it was not understood and is reported, so what is missing may be just that.
    pub(crate) is_faulty: bool,
    /// Where `tenantseal` is, for crates that re-export it.
    pub(crate) krate: Option<Path>,
}

impl ContainerSeal {
    const NAME: &'static str = "seal";

    /// Reads the struct's `#[seal(...)]`.
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut seal = Self::default();
        let understood = for_each_entry(attrs, Self::NAME, "", errors, |entry| match entry.name().as_str() {
            "table" => entry.once(&mut seal.table, entry.text()?),
            "discriminator" => entry.once(&mut seal.discriminator, entry.text()?),
            "value" => entry.once(&mut seal.value, entry.text()?),
            "crate" => entry.once(&mut seal.krate, entry.text()?.parse_with(Path::parse_mod_style)?),
            name if ON_FIELDS.contains(&name) => Err(entry.error(format_args!("`{name}` belongs on a field"))),
            name => {
                Err(entry.error(format_args!("unknown seal attribute `{name}`: {}", spelling::hint(name, &ON_STRUCTS))))
            }
        });
        seal.is_faulty = !understood;
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
    pub(crate) version: Option<Span>,
    pub(crate) tenant: Option<TenantTemplate>,
    /// Something in it was not understood and is reported, so what is missing may be just that.
    pub(crate) is_faulty: bool,
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
        let understood =
            for_each_entry(attrs, ContainerSeal::NAME, &of_field(field), errors, |entry| match entry.name().as_str() {
                "partition_key" => entry.flag(&mut seal.partition_key),
                "sort_key" => entry.flag(&mut seal.sort_key),
                "encrypt" => entry.flag(&mut seal.encrypt),
                "plain" => entry.flag(&mut seal.plain),
                "version" => entry.flag(&mut seal.version),
                "tenant" => {
                    let template = if entry.has_value() {
                        let written = entry.text()?;
                        TenantTemplate { text: written.value(), span: written.span() }
                    } else {
                        TenantTemplate { text: "{tenant}".to_owned(), span: entry.span() }
                    };
                    entry.once(&mut seal.tenant, template)
                }
                name if ON_STRUCTS.contains(&name) => Err(entry.error(format_args!("`{name}` belongs on the struct"))),
                name => {
                    Err(entry
                        .error(format_args!("unknown seal attribute `{name}`: {}", spelling::hint(name, &ON_FIELDS))))
                }
            });
        seal.is_faulty = !understood;
        seal
    }
}
