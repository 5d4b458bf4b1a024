//! `#[derive(Record)]` for [tenantseal](https://docs.rs/tenantseal): what each field is, known at compile time.
//!
//! Use it through `tenantseal`, which re-exports it; [`Record`](derive@Record) describes every attribute.
//!
//! The derive is a pipeline. `ast` reads the struct, with `attr` for its attributes. `check` applies the rules.
//! `expand` writes the implementation. For a struct with faults, all of them are reported at once. `fallback` then
//! writes an empty implementation, so that nothing else fails because of it.

mod ast;
mod attr;
mod case;
mod check;
mod errors;
mod expand;
mod fallback;

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Declares which fields of a struct are keys, which are encrypted and which are stored as they are.
///
/// ```text
/// #[derive(Serialize, Deserialize, tenantseal::Record)]
/// #[seal(table = "crm")]
/// struct Contact {
///     #[seal(partition_key, tenant)]
///     tenant_id: String,
///     #[seal(sort_key)]
///     contact_id: String,
///     company: String,
///     #[seal(encrypt, lookup(email, index = "by-email"))]
///     email: String,
///     #[seal(encrypt)]
///     api_keys: HashMap<String, String>,
/// }
/// ```
///
/// It implements the trait `tenantseal::Record`: a constant that lists the attributes of the stored item under the
/// names that serde gives them. A second constant says how each field is read and written by itself. Updates,
/// conditions and the check that a record can be read back use it.
///
/// # On the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `#[seal(table = "crm")]` | The logical table. A record without one can only be flattened into others. |
/// | `#[seal(discriminator = "kind", value = "contact")]` | Items whose `kind` is `contact` are this record's. |
/// | `#[seal(lookup(name = "person", part(last_name, text), part(born)))]` | A lookup of several encrypted fields. |
/// | `#[seal(crate = "path")]` | The path of `tenantseal`, for crates that re-export it. |
///
/// Give a discriminator, with `table`, when the table's records disagree on an attribute. A record without a field of
/// that name gets the attribute when it is stored. Where `discriminator` names the sort key, the key begins with
/// `value`.
///
/// # On fields
///
/// | attribute | meaning |
/// |---|---|
/// | `#[seal(partition_key, tenant)]` | The partition key; its value is the tenant's id, as in `TenantId::as_str`. |
/// | `#[seal(partition_key, tenant = "TENANT#{tenant}#")]` | The partition key; the id is a part of its value. |
/// | `#[seal(sort_key)]` | The sort key. |
/// | `#[seal(encrypt)]` | Encrypted before it leaves the process. |
/// | `#[seal(plain)]`, or nothing | Stored in plaintext, with everything in it. |
/// | `#[seal(version)]` | A plain `u64`, by which the typed repository detects another writer. |
/// | `#[seal(encrypt, lookup(email, index = "by-email"))]` | Items are found by it although it is encrypted. |
///
/// A record with a table has exactly one partition key and at most one sort key, which may come from a flattened
/// record. The partition key must show its tenant, so that the key of each operation is checked before anything is
/// sent.
///
/// A tenant template has exactly one `{tenant}`. With nothing after it, the key must equal the rendered template. With
/// text after it, the key must begin with the rendered template. The text must not begin with a letter, a digit, `_` or
/// `-`. It could otherwise be part of an id, and tenant `12` would own the items of tenant `123`.
///
/// # Lookups
///
/// A lookup stores a keyed hash of the field's value, its token, in an attribute of its own, `_seal_by_email`. Equal
/// values of one tenant have equal tokens, which every reader of the table sees. A field has as many lookups as it
/// needs, each a `lookup(..)` with these words:
///
/// | word | meaning |
/// |---|---|
/// | `exact`, `email`, `digits`, `alphanumeric`, `text` | The form in which values are compared; `exact` unless written. `text` needs the feature `unicode`. |
/// | `with = "path::to::FORM"` | A form of your own: a constant of type `tenantseal::schema::Form`. |
/// | `bits = 10` | 3 to 40 bits are kept of a token, so different values share tokens; 128 unless written. |
/// | `prefix = 3` | The token of the first 1 to 16 characters of the form. It answers `begins_with`, and needs `bits`. |
/// | `each` | One token per member of a set or list. It answers `contains`, needs `bits`, and has no index. |
/// | `index = "by-email"` | The index whose partition key is the token: yours to create, with the key declared as S. |
/// | `tenant_index = "by-email"` | The same with the table's partition key, and the token as sort key. |
/// | `name = "email_2"` | The token's attribute is `_seal_by_` and this; else the stored name, with `_3` for a prefix of 3. |
/// | `part(field, form)` | On the struct: 2 to 8 encrypted fields make one token. It needs `name`. A field of a flattened record goes by its stored name. |
/// | `key = 2` | Which of the tenant's lookup keys; 1 unless written. |
/// | `building`, `retired` | The state: tokens are written but nobody asks; nor are they written any more. |
/// | `unique` | No two items of a tenant have the value. It needs `TenantSealBuilder::claims`, and writes go through the repository. |
///
/// A type with few values has no lookup of its own: `bool`, `u8`, `i8`, `char`, `()`, their `Option`s, and types that
/// say so (`impl FewValued for Gender {}`). As parts they are allowed.
///
/// A name never changes its meaning: another form, other bits or parts are a second lookup with a name of its own.
///
/// # serde's attributes
///
/// | serde's attribute | effect |
/// |---|---|
/// | `rename`, `rename_all` | All 8 rules. The split forms too, when both halves give the same name. |
/// | `r#type` | Stored as `type`. |
/// | `default`, `bound`, `borrow`, `crate`, `expecting`, `deny_unknown_fields` | They change no name. |
/// | `with`, `serialize_with`, `deserialize_with` | They change no name. Refused on a flattened field. |
/// | `skip_serializing_if` | The attribute may be absent. Refused on keys: every item has its key. |
/// | `skip` | The field is no attribute of the item. |
/// | `skip_serializing`, `skip_deserializing` | The field is still read or written, so it is in the schema. |
/// | `alias` | Another name that may be stored: a plain attribute as well. |
/// | `tag` | serde writes one more attribute: a plain one. |
/// | `flatten` | The attributes of another `Record`, or of an `Option` of one. |
///
/// # What the derive refuses, and why
///
/// | refused | because |
/// |---|---|
/// | an encrypted key | DynamoDB finds items by it. |
/// | two partition keys, two sort keys, a sort key alone | No table has such a key. |
/// | a version that is a key, encrypted, skipped, has a `with`, or is no `u64` | DynamoDB counts it; a smaller type overflows. |
/// | `discriminator` without `value` or `table`, or of an encrypted attribute | It says what is encrypted. |
/// | `partition_key` without `tenant`, `tenant` elsewhere | An operation could not be checked against its tenant. |
/// | two fields of one stored name, also through `flatten` | serde writes both, and one is silently lost. |
/// | a stored name that is empty or begins with `_seal` | DynamoDB has no such name, or it is reserved. |
/// | a key's name of more than 255 bytes | DynamoDB's limit. |
/// | a lookup of a field that is not encrypted, or of a type with few values | It is queried as it is, or would be shown. |
/// | two lookups of one name or one index, also through `flatten` | One token would overwrite the other. |
/// | `prefix` or `each` without `bits`, `each` with an index, `unique` with one of the three | See the table above. |
/// | an unknown `seal` attribute | It is misspelt, and the field would be stored in plaintext. |
/// | an unknown `serde` attribute | It might change names. |
/// | a split `rename` or `rename_all` | An attribute has one stored name. |
/// | `skip*` on keys and encrypted fields | An attribute that is only read or only written gets lost. |
/// | `alias` on keys and encrypted fields | An attribute of the other name would be read though nothing sealed it. |
/// | `flatten` over a type that is no `Record`, such as a map | Its attributes are not declared. |
/// | an unmarked, unflattened field whose type (or a type in its brackets) has encrypted fields | Their marks would have no effect. |
/// | `transparent`, `into`, `from`, `try_from`, `remote` | What is stored is another type, which a derive cannot see. |
/// | enums, unions, tuple and unit structs | They have no attributes, or not always the same. |
/// | attribute macros below the derive, such as `#[serde_as]` | They change fields that the derive has already seen. |
///
/// Where a field's type has encrypted fields, `encrypt` encrypts the field whole, and `plain` says that all of it is
/// public. Such types behind a type parameter, or behind a struct that is no record, are found when the repository
/// serializes the record.
///
/// Clashes through `flatten` are found when the constant is evaluated. For a struct with type parameters, that is where
/// it is used.
///
/// The code does not show whether an attribute with a single name is an attribute macro or a helper of another derive.
/// Such an attribute is refused when serde is derived below it. Otherwise it passes, and the struct must still have the
/// fields that the derive saw. Write attribute macros above the derives, and put serde's derives and `Record` into one
/// list.
#[proc_macro_derive(Record, attributes(seal, serde))]
pub fn derive_record(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// The pipeline: ast (which reads the attributes) → check → expand, or the faults and a fallback.
fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = errors::Errors::default();
    let record = ast::Record::parse(input, &mut errors);
    let checked = record.as_ref().map(|record| check::check(record, &mut errors)).unwrap_or_default();
    match (&record, errors.into_compile_errors()) {
        (Some(record), None) => expand::expand(record, &checked),
        (_, faults) => {
            // Its faults, if any, are already among those reported.
            let krate = attr::ContainerSeal::parse(&input.attrs, &mut errors::Errors::default()).krate;
            let fallback = fallback::fallback(input, krate.as_ref());
            quote::quote!(#faults #fallback)
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    #[test]
    fn a_record_expands_to_a_constant() {
        let expanded = derive(&parse_quote! {
            #[seal(table = "crm")]
            struct Contact<'a> {
                #[seal(partition_key, tenant = "T#{tenant}")]
                tenant_id: String,
                #[serde(flatten)]
                address: Address,
                #[seal(encrypt)]
                r#type: &'a str,
            }
        });
        let schema = quote! {
            #[automatically_derived]
            #[allow(deprecated)]
            impl<'a> ::tenantseal::schema::Record for Contact<'a> {
                const SCHEMA: ::tenantseal::schema::RecordSchema = {
                    let _ = |__record: &Self| {
                        let Self { tenant_id: _, address: _, r#type: _ } = __record;
                    };
                    ::tenantseal::schema::RecordSchema::new(
                        ::core::option::Option::Some("crm"),
                        &[
                            ::tenantseal::schema::RecordField::PartitionKey { name: "tenant_id", tenant: "T#{tenant}" },
                            ::tenantseal::schema::RecordField::Flatten(
                                &<Address as ::tenantseal::schema::Record>::SCHEMA
                            ),
                            ::tenantseal::schema::RecordField::Encrypted { name: "type" }
                        ]
                    ).with_lookups(&[])
                };
            }
        }
        .to_string();
        let evaluated = quote! {
            #[allow(deprecated)]
            const _: ::tenantseal::schema::RecordSchema =
                <Contact<'static> as ::tenantseal::schema::Record>::SCHEMA;
            #[allow(deprecated)]
            const _: () = <Contact<'static> as ::tenantseal::schema::Record>::HEEDED;
        };
        let expanded = expanded.to_string();
        // Without its last brace, because other constants follow.
        assert!(expanded.starts_with(schema.trim_end_matches([' ', '}']).trim_end()), "{expanded}");
        assert!(expanded.ends_with(&evaluated.to_string()), "{expanded}");
    }

    #[test]
    fn a_faulty_struct_is_still_a_record() {
        let expanded = derive(&parse_quote! {
            #[seal(crate = "own::vault")]
            enum Contact<T: Clone> {}
        })
        .to_string();
        let fallback = quote! {
            impl<T: Clone> own::vault::schema::Record for Contact<T> {
                const SCHEMA: own::vault::schema::RecordSchema =
                    own::vault::schema::RecordSchema::new(::core::option::Option::None, &[]);
            }
        };
        assert!(expanded.contains("compile_error"), "{expanded}");
        assert!(expanded.ends_with(&fallback.to_string()), "{expanded}");
    }
}
