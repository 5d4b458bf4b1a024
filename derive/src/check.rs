//! The rules: which attributes a struct may have together, and which attributes of an item follow from them.

mod discriminator;
mod lookups;
mod names;
mod tenant;

use proc_macro2::Span;
use syn::{LitStr, Type};

use crate::{
    ast::{Field, Record},
    attr::TenantTemplate,
    errors::Errors,
};

pub(crate) use lookups::Lookup;

/// What follows from a struct's attributes.
#[derive(Default)]
pub(crate) struct Checked<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    pub(crate) lookups: Vec<Lookup<'a>>,
}

/// One entry of the schema.
pub(crate) enum Entry<'a> {
    /// An attribute of the stored item.
    Attribute(Attribute),
    /// All attributes of another record.
    Flatten(&'a Type),
}

/// An attribute of the stored item.
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Whether serde sometimes leaves it out.
    pub(crate) may_be_absent: bool,
    /// The source of the name: the field, its `rename` or `alias`, or the struct's `tag`.
    span: Span,
    /// The field's name in errors; `None` for a tag.
    field: Option<String>,
}

/// The role of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    PartitionKey { tenant: String },
    SortKey,
    Plain,
    Encrypted,
    Version,
}

/// Checks every rule that one struct can break by itself. `RecordSchema::new` checks those that span records.
pub(crate) fn check<'a>(record: &'a Record<'_>, errors: &mut Errors) -> Checked<'a> {
    let mut entries = Vec::new();
    if let Some(tag) = &record.serde.tag {
        // serde writes the struct's name there. It reads nothing from it, but the attribute is in the item.
        let name = tag.value();
        entries.push(Entry::Attribute(Attribute {
            name,
            role: Role::Plain,
            may_be_absent: false,
            span: tag.span(),
            field: None,
        }));
    }
    for field in &record.fields {
        entries.extend(entries_of(field, record, errors));
    }
    names::check(&entries, errors);
    check_keys(record, errors);
    discriminator::check(&record.seal, &entries, errors);
    if let Some(table) = &record.seal.table
        && table.value().is_empty()
    {
        errors.at(table.span(), "the table's name is empty");
    }
    let lookups = lookups::check(record, &entries, errors);
    Checked { entries, lookups }
}

/// The entries that one field adds to the schema.
fn entries_of<'a>(field: &Field<'a>, record: &Record<'_>, errors: &mut Errors) -> Vec<Entry<'a>> {
    if field.serde.flatten.is_some() {
        check_flatten(field, errors);
        return if field.serde.is_never_stored() { Vec::new() } else { vec![Entry::Flatten(field.ty)] };
    }
    let role = role_of(field, errors);
    check_serde(field, &role, errors);
    if field.serde.is_never_stored() {
        return Vec::new();
    }
    let may_be_absent = field.serde.skip_serializing_if.is_some() || field.serde.skips().is_some();
    let entry = |name, role, span, may_be_absent| {
        Entry::Attribute(Attribute { name, role, may_be_absent, span, field: Some(field.name.clone()) })
    };
    let name = record.stored_name(field);
    let span = field.serde.rename.as_ref().map_or_else(|| field.span(), LitStr::span);
    // An alias is a name under which the value may already be stored. Reading must not refuse it as unknown, so the
    // schema declares it too. As for serde, the same name twice is one name.
    let mut names = vec![name.clone()];
    let mut entries = vec![entry(name, role, span, may_be_absent)];
    for alias in &field.serde.aliases {
        if !names.contains(&alias.value()) {
            names.push(alias.value());
            entries.push(entry(alias.value(), Role::Plain, alias.span(), true));
        }
    }
    entries
}

/// The role that the field's own words give it; after an error, the role that was probably meant.
fn role_of(field: &Field<'_>, errors: &mut Errors) -> Role {
    let name = &field.name;
    let seal = &field.seal;
    let key = match (seal.partition_key, seal.sort_key) {
        (Some(_), Some(sort_key)) => {
            errors.at(
                sort_key,
                format_args!("field `{name}` is already the partition key: one field cannot be both keys"),
            );
            Some("partition key")
        }
        (Some(_), None) => Some("partition key"),
        (None, Some(_)) => Some("sort key"),
        (None, None) => None,
    };
    match (key, seal.encrypt, seal.plain) {
        (Some(key), Some(encrypt), _) => {
            errors.at(
                encrypt,
                format_args!("field `{name}` is the {key}, which cannot be encrypted: DynamoDB finds items by it"),
            );
        }
        (Some(key), None, Some(plain)) => {
            errors.at(
                plain,
                format_args!("field `{name}` is the {key}, which is always stored in plaintext: remove `plain`"),
            );
        }
        (None, Some(_), Some(plain)) => {
            errors.at(plain, format_args!("field `{name}` cannot be both `encrypt` and `plain`: remove one"));
        }
        _ => {}
    }
    let other = key.map(|key| format!("the {key}")).or_else(|| seal.encrypt.map(|_| "encrypted".to_owned()));
    if let (Some(version), Some(other)) = (seal.version, other) {
        errors.at(
            version,
            format_args!(
                "field `{name}` is {other}: a version needs a field of its own, a plain number that DynamoDB counts"
            ),
        );
    }
    let tenant = check_tenant(field, errors);
    if seal.partition_key.is_some() {
        Role::PartitionKey { tenant }
    } else if seal.sort_key.is_some() {
        Role::SortKey
    } else if seal.encrypt.is_some() {
        Role::Encrypted
    } else if seal.version.is_some() {
        Role::Version
    } else {
        Role::Plain
    }
}

/// The tenant is in the partition key and nowhere else, so that each operation's primary key can be checked before
/// anything is sent.
fn check_tenant(field: &Field<'_>, errors: &mut Errors) -> String {
    let name = &field.name;
    match (field.seal.partition_key, &field.seal.tenant) {
        // The other of the two may be what was not understood.
        (Some(_), None) | (None, Some(_)) if field.seal.is_faulty => String::new(),
        (Some(_), Some(TenantTemplate { text, span })) => {
            if let Err(why) = tenant::check(text) {
                errors.at(*span, format_args!("field `{name}`: {why}"));
            }
            text.clone()
        }
        (Some(partition_key), None) => {
            errors.at(
                partition_key,
                format_args!(
                    "field `{name}`: the partition key must show the tenant, which the library checks before it sends \
                     anything: add `tenant`, or `tenant = \"TENANT#{{tenant}}#\"` if the id is only a part of the value"
                ),
            );
            String::new()
        }
        (None, Some(tenant)) => {
            errors.at(
                tenant.span,
                format_args!(
                    "field `{name}`: `tenant` works only with `partition_key`: it says how the partition key shows \
                     the tenant"
                ),
            );
            String::new()
        }
        (None, None) => String::new(),
    }
}

/// Refuses serde's words that could misplace or lose a key attribute or an encrypted field.
fn check_serde(field: &Field<'_>, role: &Role, errors: &mut Errors) {
    let name = &field.name;
    let serde = &field.serde;
    let (what, always, why_always) = match role {
        Role::Plain => return,
        Role::Encrypted => ("encrypted", false, ""),
        Role::Version => ("the version", true, "it is checked in the stored item"),
        Role::PartitionKey { .. } => ("the partition key", true, "every item has its key"),
        Role::SortKey => ("the sort key", true, "every item has its key"),
    };
    if let Some(skip) = serde.skips() {
        let why = if always { why_always } else { "writing and reading must agree" };
        errors.at(skip, format_args!("field `{name}` is {what} and cannot be skipped: {why}"));
    }
    // An encrypted attribute may be absent: its presence is visible anyway.
    if let Some(skip_if) = serde.skip_serializing_if
        && always
    {
        errors.at(skip_if, format_args!("field `{name}` is {what} and cannot be skipped: {why_always}"));
    }
    if let (Role::Version, Some(with)) = (role, serde.with) {
        errors.at(
            with,
            format_args!("field `{name}` is {what} and cannot have a `with`: DynamoDB counts it as a number"),
        );
    }
    for alias in &serde.aliases {
        let why = match role {
            Role::Version => "DynamoDB checks it under one name",
            Role::Encrypted => "the library would read an unsealed attribute of that name",
            _ => "a key has only the name that the table gives it",
        };
        errors.at(alias.span(), format_args!("field `{name}` is {what} and cannot have an alias: {why}"));
    }
}

/// A flattened field stands for the fields of another record, which declares them itself.
fn check_flatten(field: &Field<'_>, errors: &mut Errors) {
    let name = &field.name;
    for word in field.seal.marks() {
        errors
            .at(word, format_args!("field `{name}` is flattened: put the marks on the fields of the flattened record"));
    }
    if let Some(with) = field.serde.with {
        errors.at(
            with,
            format_args!(
                "field `{name}` is flattened: `with` could write names that its record does not declare, as \
                 `with_prefix!` does"
            ),
        );
    }
    if let Some(skip) = field.serde.skips()
        && !field.serde.is_never_stored()
    {
        errors.at(
            skip,
            format_args!(
                "field `{name}` is flattened and cannot be skipped in one direction: its record may have keys or \
                 encrypted fields"
            ),
        );
    }
}

/// Requires one partition key, at most one sort key, and no sort key without a partition key.
fn check_keys(record: &Record<'_>, errors: &mut Errors) {
    let partition_keys = || record.fields.iter().filter_map(|field| Some((field, field.seal.partition_key?)));
    let sort_keys = || record.fields.iter().filter_map(|field| Some((field, field.seal.sort_key?)));
    refuse_second("partition key", partition_keys(), errors);
    refuse_second("sort key", sort_keys(), errors);
    let versions = record.fields.iter().filter_map(|field| Some((field, field.seal.version?)));
    refuse_second("version", versions, errors);

    // A flattened record may contribute the partition key, which `RecordSchema::new` sees. A misspelt one is reported
    // already.
    let may_have_one = |field: &Field<'_>| field.serde.flatten.is_some() || field.seal.is_faulty;
    if partition_keys().next().is_some() || record.fields.iter().any(may_have_one) {
        return;
    }
    if let Some((field, span)) = sort_keys().next() {
        errors.at(span, format_args!("field `{}` is the sort key, but no field is the partition key", field.name));
    } else if let Some(table) = &record.seal.table {
        errors.at(
            table.span(),
            "a record with a table needs a partition key: mark a field `#[seal(partition_key, tenant)]`",
        );
    }
}

fn refuse_second<'f, 'a: 'f>(what: &str, mut keys: impl Iterator<Item = (&'f Field<'a>, Span)>, errors: &mut Errors) {
    let Some((first, _)) = keys.next() else { return };
    for (field, span) in keys {
        errors.at(span, format_args!("field `{}` is a second {what}: the first is `{}`", field.name, first.name));
    }
}
