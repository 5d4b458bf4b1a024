//! `#[seal(...)]`: our own attributes.

use proc_macro2::Span;
use syn::{Attribute, LitStr, Path};

use super::{Lookup, for_each_entry, of_field, spelling};
use crate::errors::Errors;

const ON_STRUCTS: [&str; 5] = ["table", "crate", "discriminator", "value", "lookup"];

/// What `#[seal(...)]` says on a struct.
#[derive(Default)]
pub(crate) struct ContainerSeal {
    /// The logical table.
    pub(crate) table: Option<LitStr>,
    /// The attribute that tells the record's items from others in the table.
    pub(crate) discriminator: Option<LitStr>,
    /// Its value in the record's items.
    pub(crate) value: Option<LitStr>,
    /// The lookups of several fields.
    pub(crate) lookups: Vec<Lookup>,
    /// Something in it was reported as not understood. What seems missing may be that.
    pub(crate) is_faulty: bool,
    /// The path of `tenantseal`, for crates that re-export it.
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
            "lookup" => {
                seal.lookups.push(Lookup::parse(entry)?);
                Ok(())
            }
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

/// Lists the marks of a field once: those before `tenant`, which has a value, and those after it. `lookup`, which may
/// be written several times, is the last.
macro_rules! field_marks {
    ([$($before:ident),*] tenant [$($after:ident),*]) => {
        const ON_FIELDS: &[&str] = &[$(stringify!($before),)* "tenant", $(stringify!($after),)* "lookup"];

        /// What `#[seal(...)]` says on a field: where each word was written.
        #[derive(Default)]
        pub(crate) struct FieldSeal {
            $(pub(crate) $before: Option<Span>,)*
            pub(crate) tenant: Option<TenantTemplate>,
            $(pub(crate) $after: Option<Span>,)*
            pub(crate) lookups: Vec<Lookup>,
            /// Something in it was reported as not understood. What seems missing may be that.
            pub(crate) is_faulty: bool,
        }

        impl FieldSeal {
            /// Where each mark of the field was written.
            pub(crate) fn marks(&self) -> impl Iterator<Item = Span> {
                let tenant = self.tenant.as_ref().map(|tenant| tenant.span);
                let lookups = self.lookups.iter().map(|lookup| lookup.span);
                [$(self.$before,)* tenant, $(self.$after,)*].into_iter().flatten().chain(lookups)
            }

            /// The slot for the mark of this name, which takes no value.
            fn flag(&mut self, name: &str) -> Option<&mut Option<Span>> {
                match name {
                    $(stringify!($before) => Some(&mut self.$before),)*
                    $(stringify!($after) => Some(&mut self.$after),)*
                    _ => None,
                }
            }
        }
    };
}

field_marks!([partition_key, sort_key] tenant [encrypt, plain, version]);

/// How the tenant's id appears in the partition key.
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
                "tenant" => {
                    let template = if entry.has_value() {
                        let written = entry.text()?;
                        TenantTemplate { text: written.value(), span: written.span() }
                    } else {
                        TenantTemplate { text: "{tenant}".to_owned(), span: entry.span() }
                    };
                    entry.once(&mut seal.tenant, template)
                }
                "lookup" => {
                    seal.lookups.push(Lookup::parse(entry)?);
                    Ok(())
                }
                name if ON_STRUCTS.contains(&name) => Err(entry.error(format_args!("`{name}` belongs on the struct"))),
                name => match seal.flag(name) {
                    Some(slot) => entry.flag(slot),
                    None => Err(entry
                        .error(format_args!("unknown seal attribute `{name}`: {}", spelling::hint(name, ON_FIELDS)))),
                },
            });
        seal.is_faulty = !understood;
        seal
    }
}
