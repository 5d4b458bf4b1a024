//! Wraps data keys anew: key records are replaced, and no ciphertext changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, stream};
use tenantseal_core::envelope::{NeededKey, OpenFault};
use tenantseal_core::format::{HEADER, OwnedStoredKey, Sealed, StoredKey};
use tenantseal_core::keys::{OpeningKeyError, Rewrapper};

use super::super::action::{Action, Plan, Planned, skipped};
use super::super::rewrite::Rewrite;
use super::super::stop::Stop;
use super::sealed_again::encrypted_reads;
use super::verify::is_sealed;
use crate::error::Error;
use crate::item::{Item, stored_identity};
use crate::schema::{Secrecy, TableSchema, Variant};
use crate::tenant_seal::Tenant;

/// How many data keys are wrapped anew at a time.
const CONCURRENT: usize = 8;

pub(in super::super) struct Rewrap<'a> {
    pub(in super::super) schema: &'a TableSchema,
    pub(in super::super) rewrapper: Arc<Rewrapper>,
    /// Wraps nothing, and says what would be rewritten.
    pub(in super::super) dry_run: bool,
}

/// The key records of an item, by the attribute in which they stand.
type Named = BTreeMap<String, OwnedStoredKey>;
/// What replaces a key record: `None` when nothing does.
type Replacement = Result<Option<Box<[u8]>>, OpeningKeyError>;

#[async_trait]
impl Action for Rewrap<'_> {
    fn reads(&self) -> Option<BTreeSet<&str>> {
        Some(encrypted_reads(self.schema))
    }

    fn lists_strangers(&self, item: &Item) -> bool {
        is_sealed(self.schema, item)
    }

    async fn plan<'s>(&'s self, tenant: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop> {
        let named: Vec<_> = items.iter().map(|item| self.named(tenant, item)).collect();
        // Each once, however many items of the page have it.
        let distinct: BTreeMap<_, _> = named
            .iter()
            .flatten()
            .flatten()
            .map(|(name, stored)| (stored.clone(), NeededKey { attribute: name.clone(), stored: stored.clone() }))
            .collect();
        let replaced: BTreeMap<_, _> = stream::iter(distinct)
            .map(|(stored, needed)| async move { (stored, self.replace(tenant, needed).await) })
            .buffer_unordered(CONCURRENT)
            .collect()
            .await;
        let plans = items.iter().zip(named).map(|(item, named)| match self.rewrite(item, named, &replaced) {
            Ok(rewrite) => Ok(Ok(Planned::of(rewrite))),
            Err(error) => skipped(error),
        });
        plans.collect()
    }
}

impl Rewrap<'_> {
    /// The key records that an item has, or names.
    fn named(&self, tenant: &Tenant, item: &Item) -> Result<Named, Error> {
        stored_identity(self.schema, tenant.id(), item)?;
        let fault = |name: &str, fault| OpeningKeyError::Open { attribute: name.to_owned(), fault };
        let (mut named, variant) = (Named::new(), Variant::from_item(self.schema, item));
        if let Some(header) = item.get(HEADER) {
            let header = header.as_b().map_err(|_| fault(HEADER, OpenFault::NotSealed))?;
            let key = StoredKey::from_header(header.as_ref()).map_err(|error| fault(HEADER, error.into()))?;
            named.insert(HEADER.to_owned(), key.to_owned());
        }
        for (name, protection) in self.schema.attributes().filter(|(_, protection)| protection.may_encrypt()) {
            let secrecy = variant.protection(name).map_or(protection.secrecy, |protection| protection.secrecy);
            let Some(Ok(stored)) = item.get(name).map(AttributeValue::as_b) else { continue };
            if secrecy != Secrecy::Encrypted {
                continue;
            }
            // What is no sealed value names no key: `verify` lists it.
            if let Ok(Sealed { key: Some(key), .. }) = Sealed::parse(stored.as_ref()) {
                named.insert(name.to_owned(), key.to_owned());
            }
        }
        Ok(named)
    }

    /// What replaces a key record.
    async fn replace(&self, tenant: &Tenant, needed: NeededKey) -> Replacement {
        let former = needed.stored.clone();
        if self.dry_run {
            let is_former = tenant.keys().is_of_former_kek(&self.rewrapper, needed).await?;
            return Ok(match former {
                StoredKey::Record(record) if is_former => Some(record),
                _ => None,
            });
        }
        let new = tenant.keys().rewrap(&self.rewrapper, needed).await?;
        Ok(new.map(|record| record.encode().into()))
    }

    fn rewrite(
        &self,
        item: &Item,
        named: Result<Named, Error>,
        replaced: &BTreeMap<OwnedStoredKey, Replacement>,
    ) -> Result<Rewrite, Error> {
        let mut rewrite = Rewrite::new(self.schema, item);
        for (name, stored) in named? {
            let record = match replaced.get(&stored) {
                Some(Ok(Some(record))) => record,
                Some(Err(error)) => return Err(error.clone().into()),
                Some(Ok(None)) | None => continue,
            };
            let value = match item.get(&name).map(AttributeValue::as_b) {
                Some(Ok(value)) if name != HEADER => with_record(value.as_ref(), record),
                _ => Some(record.to_vec()),
            };
            let value = value.map(|value| AttributeValue::B(Blob::new(value)));
            if value.is_some() {
                rewrite.rely_on(item, &name);
                rewrite.rely_on(item, HEADER);
                rewrite.change(&name, value);
            }
        }
        Ok(rewrite)
    }
}

/// A sealed attribute of form 12 with another key record: nonce, ciphertext and tag stay.
fn with_record(stored: &[u8], record: &[u8]) -> Option<Vec<u8>> {
    let sealed = Sealed::parse(stored).ok()?;
    let mut value = Vec::with_capacity(stored.len() + record.len());
    tenantseal_core::format::put_prefix(Some(StoredKey::Record(record)), &sealed.nonce, &mut value);
    value.extend_from_slice(stored.get(sealed.start..)?);
    Some(value)
}
