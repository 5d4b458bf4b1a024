//! Lookups: what each one is made of, and that its words go together. `RecordSchema::with_lookups` checks them against
//! those of flattened records.

use std::collections::BTreeSet;

use syn::{LitInt, LitStr, ext::IdentExt};

use super::{Entry, Role};
use crate::{
    ast::{Field, Record},
    attr::{self, Form, FormKind},
    errors::Errors,
};

/// DynamoDB's limit for the name of an index's key, without `_seal_by_`.
const MAX_NAME: usize = 246;

/// The most parts of a compound lookup.
const MAX_PARTS: usize = 8;

/// A lookup, as the schema has it.
pub(crate) struct Lookup<'a> {
    pub(crate) name: String,
    /// The stored name of each attribute, and the form in which its values are compared.
    pub(crate) parts: Vec<(String, FormKind)>,
    pub(crate) written: &'a attr::Lookup,
}

/// Checks the lookups of one struct.
pub(super) fn check<'r>(record: &'r Record<'_>, entries: &[Entry<'_>], errors: &mut Errors) -> Vec<Lookup<'r>> {
    let mut lookups = Vec::new();
    for field in &record.fields {
        for written in &field.seal.lookups {
            lookups.extend(of_field(field, written, record, errors));
        }
    }
    for written in &record.seal.lookups {
        lookups.extend(compound(written, record, entries, errors));
    }
    for lookup in &lookups {
        check_words(lookup.written, errors);
    }
    check_distinct(&lookups, errors);
    lookups
}

/// The lookup of one field.
fn of_field<'r>(
    field: &Field<'_>,
    written: &'r attr::Lookup,
    record: &Record<'_>,
    errors: &mut Errors,
) -> Option<Lookup<'r>> {
    let name = &field.name;
    if field.serde.flatten.is_some() {
        return None; // Reported with its other marks.
    }
    if field.seal.encrypt.is_none() && !field.seal.is_faulty {
        errors.at(
            written.span,
            format_args!(
                "field `{name}` has a lookup but is not encrypted: add `encrypt`, or query the plain attribute as it is"
            ),
        );
        return None;
    }
    if let Some(part) = written.parts.first() {
        errors.on(
            &part.field,
            format_args!(
                "field `{name}`: a lookup of several fields belongs on the struct: \
                 `#[seal(lookup(name = \"...\", part({name}), part(...)))]`"
            ),
        );
        return None;
    }
    let attribute = record.stored_name(field);
    let default = match &written.prefix {
        Some(prefix) => format!("{attribute}_{}", prefix.base10_digits()),
        None => attribute.clone(),
    };
    let name = written.name.as_ref().map_or(default, LitStr::value);
    Some(Lookup { name, parts: vec![(attribute, form_of(written.form.as_ref()))], written })
}

/// The lookup of several fields.
fn compound<'r>(
    written: &'r attr::Lookup,
    record: &Record<'_>,
    entries: &[Entry<'_>],
    errors: &mut Errors,
) -> Option<Lookup<'r>> {
    if let Some(form) = &written.form {
        errors.at(form.span, "a lookup on the struct has a form for each part: `part(last_name, text)`");
    }
    for (word, span) in [("prefix", written.prefix.as_ref().map(LitInt::span)), ("each", written.each)] {
        if let Some(span) = span {
            errors.at(span, format_args!("`{word}` is for lookups of one field: put it on that field"));
        }
    }
    if !(2..=MAX_PARTS).contains(&written.parts.len()) {
        errors.at(
            written.span,
            format_args!(
                "a lookup on the struct has 2 to {MAX_PARTS} parts, as in `part(last_name, text), part(born)`; that of \
                 one field belongs on the field"
            ),
        );
    }
    let mut parts: Vec<(String, FormKind)> = Vec::new();
    for part in &written.parts {
        let attribute = part_of(&part.field, record, entries, errors)?;
        if parts.iter().any(|(known, _)| *known == attribute) {
            errors.on(&part.field, format_args!("`{attribute}` is a part of this lookup twice: remove one"));
        }
        parts.push((attribute, form_of(part.form.as_ref())));
    }
    let Some(name) = &written.name else {
        errors.at(written.span, "a lookup of several fields needs a name: add `name = \"...\"`");
        return None;
    };
    Some(Lookup { name: name.value(), parts, written })
}

/// The stored name of a part. What is no field of the struct may be an attribute of a flattened record.
fn part_of(part: &syn::Ident, record: &Record<'_>, entries: &[Entry<'_>], errors: &mut Errors) -> Option<String> {
    let name = part.unraw().to_string();
    let Some(field) = record.fields.iter().find(|field| field.name == name) else {
        if entries.iter().any(|entry| matches!(entry, Entry::Flatten(_))) {
            return Some(name);
        }
        errors.on(part, format_args!("the struct has no field `{name}`: name one of its encrypted fields"));
        return None;
    };
    let attribute = record.stored_name(field);
    let is_encrypted = entries.iter().any(|entry| match entry {
        Entry::Attribute(entry) => entry.name == attribute && entry.role == Role::Encrypted,
        Entry::Flatten(_) => false,
    });
    if !is_encrypted && !field.seal.is_faulty {
        errors.on(
            part,
            format_args!(
                "field `{name}` is a part of a lookup but not encrypted: mark it `encrypt`, or make the plain attribute \
                 the index's sort key"
            ),
        );
        return None;
    }
    Some(attribute)
}

fn form_of(form: Option<&Form>) -> FormKind {
    form.map_or(FormKind::Known("exact"), |form| form.kind.clone())
}

/// The words of one lookup.
fn check_words(lookup: &attr::Lookup, errors: &mut Errors) {
    let attr::Lookup { bits, prefix, each, unique, index, tenant_index, name, key, building, retired, .. } = lookup;
    in_range(bits, "bits", 3, 40, "; without it, all 128 bits are kept", errors);
    in_range(prefix, "prefix", 1, 16, "", errors);
    in_range(key, "key", 1, 65_535, "", errors);
    let many = prefix.as_ref().map(|prefix| ("prefix", prefix.span())).or_else(|| each.map(|each| ("each", each)));
    if let (Some(_), Some(each)) = (prefix, each) {
        errors.at(*each, "`prefix` and `each` do not go together: declare two lookups");
    }
    if let (Some((word, span)), None) = (many, bits) {
        errors.at(
            span,
            format_args!("`{word}` needs `bits`, as in `bits = 8` (3 to 40): many items share a beginning or a member"),
        );
    }
    let inexact = bits.as_ref().map(|_| "bits").or(many.map(|(word, _)| word));
    if let (Some(unique), Some(word)) = (unique, inexact) {
        errors.at(*unique, format_args!("`unique` is for exact lookups: remove `{word}`"));
    }
    if let (Some(_), Some(index)) = (each, index.as_ref().or(tenant_index.as_ref())) {
        errors.on(index, "`each` has no index, because no set is the key of one: remove the index");
    }
    if let (Some(_), Some(index)) = (index, tenant_index) {
        errors.on(index, "a lookup has `index` or `tenant_index`: remove one");
    }
    for index in [index, tenant_index].into_iter().flatten().filter(|index| !is_index_name(&index.value())) {
        errors.on(index, "the name of an index has 3 to 255 of the characters a-z, A-Z, 0-9, `_`, `-` and `.`");
    }
    if let (Some(_), Some(retired)) = (building, retired) {
        errors.at(*retired, "a lookup is `building` or `retired`: remove one");
    }
    if let Some(name) = name
        && name.value().is_empty()
    {
        errors.on(name, "the name of a lookup is empty");
    }
}

fn in_range(number: &Option<LitInt>, word: &str, least: u64, most: u64, hint: &str, errors: &mut Errors) {
    let Some(number) = number else { return };
    let is_in = number.suffix().is_empty() && number.base10_parse().is_ok_and(|n: u64| (least..=most).contains(&n));
    if !is_in {
        errors.on(number, format_args!("`{word}` must be {least} to {most}{hint}"));
    }
}

/// Whether DynamoDB can have an index of this name.
fn is_index_name(name: &str) -> bool {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    (3..=255).contains(&name.len()) && name.chars().all(is_allowed)
}

/// Names are short enough, and each name and each index belongs to one lookup.
fn check_distinct(lookups: &[Lookup<'_>], errors: &mut Errors) {
    let mut names = BTreeSet::new();
    let mut indexes = BTreeSet::new();
    for Lookup { name, written, .. } in lookups {
        let span = written.name.as_ref().map_or(written.span, LitStr::span);
        if name.len() > MAX_NAME {
            errors.at(
                span,
                format_args!(
                    "the name of a lookup has at most {MAX_NAME} bytes, because `_seal_by_` and the name are an \
                     index's key, and this one has {}: give it another with `name = \"...\"`",
                    name.len()
                ),
            );
        }
        if !names.insert(name.clone()) {
            errors.at(
                span,
                format_args!("a second lookup is called `{name}`: give one of them another with `name = \"...\"`"),
            );
        }
        // A retired lookup is not asked, so its index may be gone.
        let index: Option<&LitStr> = written.index.as_ref().or(written.tenant_index.as_ref());
        if let Some(index) = index.filter(|_| written.retired.is_none())
            && !indexes.insert(index.value())
        {
            errors.on(
                index,
                format_args!("a second lookup has the index `{}`: each needs an index of its own", index.value()),
            );
        }
    }
}
