//! Seals attributes of a stored item again, under one data key, as PutItem would.

use std::collections::BTreeSet;

use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::{Nonces, VerifiedDataKey};
use tenantseal_core::format::HEADER;
use tenantseal_core::tenant::TenantId;

use super::super::action::{Plan, Planned, skipped};
use super::super::reason::SkipReason;
use super::super::rewrite::Rewrite;
use super::super::stop::Stop;
use crate::error::Error;
use crate::item::{Item, seal_with, stored_identity};
use crate::schema::{Secrecy, TableSchema, Variant};

/// The most attributes of one rewrite: more do not fit DynamoDB's expressions.
const MAX_ATTRIBUTES: usize = 100;

/// What an action reads of a table whose encrypted attributes it opens or changes.
pub(super) fn encrypted_reads(schema: &TableSchema) -> BTreeSet<&str> {
    let encrypted = schema.attributes().filter(|(_, protection)| protection.may_encrypt());
    let own = schema.key_names().chain(schema.discriminator()).chain([HEADER]);
    own.chain(encrypted.map(|(name, _)| name)).collect()
}

/// The attributes of a stored item that its record type encrypts; `None` when nothing says of which type it is.
pub(super) fn encrypted<'i>(schema: &TableSchema, item: &'i Item) -> Option<BTreeSet<&'i str>> {
    let variant = Variant::to_seal(schema, item)?;
    let is_encrypted =
        |name: &&str| variant.protection(name).is_some_and(|protection| protection.secrecy == Secrecy::Encrypted);
    Some(item.keys().map(String::as_str).filter(is_encrypted).collect())
}

/// The rewrite that seals these attributes under `key`, whose values `opened` has. All attributes that rely on the
/// header must be among them.
pub(super) fn sealed_again<'a>(
    schema: &TableSchema,
    tenant: &TenantId,
    key: &VerifiedDataKey,
    stored: &Item,
    opened: &Item,
    names: &BTreeSet<&str>,
) -> Result<Plan<'a>, Stop> {
    if names.len() > MAX_ATTRIBUTES {
        return Ok(Err((SkipReason::TooManyAttributes, None)));
    }
    let is_needed = |name: &str| names.contains(name) || is_key_or_discriminator(schema, name);
    let part = opened.iter().filter(|(name, _)| is_needed(name));
    let part: Item = part.map(|(name, value)| (name.clone(), value.clone())).collect();
    let sealed = stored_identity(schema, tenant, stored).map_err(Error::from).and_then(|identity| {
        Ok(seal_with(schema, key, &identity, Nonces::Random(&OsRandom), part, Default::default(), &BTreeSet::new())?)
    });
    let mut sealed = match sealed {
        Ok(sealed) => sealed,
        Err(error) => return skipped(error),
    };
    let mut rewrite = Rewrite::new(schema, stored);
    for name in names.iter().copied().chain([HEADER]) {
        // Nothing is removed because it did not come with the opened values.
        let Some(value) = sealed.remove(name) else { return Ok(Err((SkipReason::Unopened, None))) };
        rewrite.change(name, Some(value));
        rewrite.rely_on(stored, name);
    }
    rely_on_type(&mut rewrite, schema, stored);
    Ok(Ok(Planned::of(rewrite)))
}

/// Relies on what says of which record type the item is.
pub(super) fn rely_on_type(rewrite: &mut Rewrite, schema: &TableSchema, stored: &Item) {
    if let Some(discriminator) = schema.discriminator().filter(|name| !schema.key_names().any(|key| key == *name)) {
        rewrite.rely_on(stored, discriminator);
    }
}

pub(super) fn is_key_or_discriminator(schema: &TableSchema, name: &str) -> bool {
    schema.key_names().chain(schema.discriminator()).any(|own| own == name)
}
