//! Seals the plaintext of adopted attributes.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use tenantseal_core::format::HEADER;
use tenantseal_core::inspect::StoredForm;
use tenantseal_core::keys::OpeningMode;
use tenantseal_core::tenant::TenantId;

use super::super::action::{Action, Plan, Planned, skipped};
use super::super::reason::SkipReason;
use super::super::rewrite::Rewrite;
use super::super::stop::Stop;
use super::sealed_again::{encrypted, encrypted_reads, is_key_or_discriminator, sealed_again};
use super::verify::is_sealed;
use crate::adoption::{Adoption, AdoptionError, AdoptionStage, NotPassed};
use crate::item::{Item, stored_form};
use crate::schema::TableSchema;
use crate::tenant_seal::Tenant;

/// What the audit and the spans call it.
const OPERATION: &str = "migrate";

/// Seals the plaintext of tenants whose items are being sealed. Each leave must be the one that the sweep began under.
pub(in super::super) struct Migrate<'a> {
    pub(in super::super) schema: &'a TableSchema,
    pub(in super::super) adoption: Adoption<'a>,
    /// The leaves of the tenants when the sweep was planned.
    pub(in super::super) serials: &'a BTreeMap<TenantId, u32>,
    /// Whether plaintext is sealed that an earlier pass has not seen.
    pub(in super::super) accepts: bool,
}

/// What may be sealed of a tenant's items.
#[derive(Debug, Default)]
struct Terms {
    names: BTreeSet<String>,
    /// Why nothing is.
    refuses: Option<SkipReason>,
}

#[async_trait]
impl Action for Migrate<'_> {
    fn reads(&self) -> Option<BTreeSet<&str>> {
        Some(encrypted_reads(self.schema))
    }

    fn lists_strangers(&self, item: &Item) -> bool {
        is_sealed(self.schema, item)
    }

    async fn plan<'s>(&'s self, tenant: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop> {
        let schema = self.schema;
        let terms = self.terms(tenant.id()).await?;
        let due: Vec<_> = items.iter().map(|item| Due::of(schema, item, &terms)).collect();
        let rests = due.iter().zip(items).map(|(due, item)| due.rest(schema, item)).collect();
        let opened = tenant.open_items(OPERATION, schema, rests, OpeningMode::BestEffort).await;
        let opened = opened.map_err(|cause| Stop::at_items(cause, false))?;
        let key = match due.iter().any(|due| matches!(due, Due::Plain { .. })) {
            true => Some(tenant.sealing_key(OPERATION, schema, schema.record_place()).await),
            false => None,
        };
        let plans =
            items.iter().zip(due).zip(opened).map(|((item, due), opened)| match (due, opened, &key) {
                (Due::Nothing, ..) => Ok(Ok(Planned::of(Rewrite::new(schema, item)))),
                (Due::Listed(reason), ..) => Ok(Err((reason, None))),
                (Due::Plain { .. }, Err(error), _) => skipped(error),
                (Due::Plain { .. }, _, None) => Ok(Err((SkipReason::Plain, None))),
                (Due::Plain { .. }, _, Some(Err(error))) => skipped(error.clone()),
                (Due::Plain { plain, header }, Ok(mut opened), Some(Ok(key))) => {
                    opened.extend(plain.iter().filter_map(|name| {
                        item.get_key_value(*name).map(|(name, value)| (name.clone(), value.clone()))
                    }));
                    let names = plain.union(&header).copied().collect();
                    sealed_again(schema, tenant.id(), key, item, &opened, &names)
                }
            });
        plans.collect()
    }
}

/// What is due to one item.
enum Due<'i> {
    Nothing,
    Listed(SkipReason),
    /// Its plaintext, and what relies on the header, which is replaced with it.
    Plain {
        plain: BTreeSet<&'i str>,
        header: BTreeSet<&'i str>,
    },
}

impl<'i> Due<'i> {
    fn of(schema: &TableSchema, item: &'i Item, terms: &Terms) -> Self {
        let of_form = |names: &BTreeSet<&'i str>, form| -> BTreeSet<&'i str> {
            names.iter().copied().filter(|name| stored_form(item, name) == Some(form)).collect()
        };
        let Some(names) = encrypted(schema, item) else {
            let is_listed = is_sealed(schema, item);
            return if is_listed { Self::Listed(SkipReason::UnknownType) } else { Self::Nothing };
        };
        let plain = of_form(&names, StoredForm::Plain);
        match terms.refuses {
            _ if plain.is_empty() => Self::Nothing,
            Some(reason) => Self::Listed(reason),
            None if !plain.iter().all(|name| terms.names.contains(*name)) => Self::Listed(SkipReason::Plain),
            None => Self::Plain { plain, header: of_form(&names, StoredForm::HeaderKey) },
        }
    }

    /// What is opened of the item.
    fn rest(&self, schema: &TableSchema, item: &Item) -> Item {
        let is_opened = |name: &str| match self {
            Self::Plain { header, .. } => name == HEADER || header.contains(name),
            _ => false,
        };
        let rest = item.iter().filter(|(name, _)| is_opened(name) || is_key_or_discriminator(schema, name));
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl Migrate<'_> {
    /// What may be sealed of a tenant's items, by its leave.
    ///
    /// It is read after the items, each time: then whatever they have was there while the leave still allowed it.
    async fn terms(&self, tenant: &TenantId) -> Result<Terms, Stop> {
        let status = match self.adoption.status(tenant).await {
            Ok(status) => status,
            Err(AdoptionError::Tenant(error)) => match SkipReason::from_error(&error) {
                Some(reason) => return Ok(Terms { refuses: Some(reason), ..Terms::default() }),
                None => return Err(Stop::at_items(error, false)),
            },
            Err(AdoptionError::Ledger(error)) => {
                let is_retryable = error.is_retryable();
                return Err(Stop::at_items(error.into(), is_retryable));
            }
            Err(_) => return Ok(Terms { refuses: Some(SkipReason::NotAdopting), ..Terms::default() }),
        };
        let is_sealing = status.stage() == AdoptionStage::Sealing && status.is_in_force();
        let refuses = match status.may_close() {
            _ if !is_sealing || self.serials.get(tenant) != Some(&status.serial()) => Some(SkipReason::NotAdopting),
            // What an earlier pass has not seen was written since, by nobody who should have.
            Ok(()) | Err(NotPassed::Failed(_)) if !self.accepts => Some(SkipReason::Plain),
            _ => None,
        };
        let names = status.attributes().iter().filter(|name| self.schema.adopts(name)).cloned().collect();
        Ok(Terms { names, refuses })
    }
}
