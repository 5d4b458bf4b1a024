//! Makes the tokens of lookups right.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tenantseal_core::keys::OpeningMode;

use super::super::action::{Action, Plan, Planned, skipped};
use super::super::reason::SkipReason;
use super::super::report::Counts;
use super::super::stop::Stop;
use super::super::tokens::{Declared, Source, attributes, concerns_none, is_suspicious, to_open};
use crate::error::Error;
use crate::item::{Item, Tokens, stored_identity};
use crate::schema::TableSchema;
use crate::tenant_seal::Tenant;

/// What the audit and the spans call it.
const OPERATION: &str = "reindex";

pub(in super::super) struct ReindexAction<'a>(pub(in super::super) &'a TableSchema);

#[async_trait]
impl Action for ReindexAction<'_> {
    fn reads(&self) -> Option<BTreeSet<&str>> {
        Some(attributes(self.0))
    }

    fn lists_strangers(&self, item: &Item) -> bool {
        !concerns_none(self.0, item)
    }

    /// Opens what the lookups of a tenant's items need, and makes their tokens.
    async fn plan<'s>(&'s self, tenant: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop> {
        let schema = self.0;
        let to_open: Vec<_> = items.iter().map(|item| to_open(schema, item)).collect();
        let opened = tenant.open_items(OPERATION, schema, to_open, OpeningMode::BestEffort).await;
        let opened = opened.map_err(|cause| Stop::at_items(cause, false))?;
        let declared: Vec<_> =
            opened.iter().map(|opened| opened.as_ref().map(|opened| Declared::of(schema, opened)).ok()).collect();
        let needs = |(opened, declared): (&Result<Item, Error>, &Option<Declared<'_>>)| match (opened, declared) {
            (Ok(opened), Some(declared)) => declared.needed_keys(opened),
            _ => BTreeSet::new(),
        };
        let needed: Vec<_> = opened.iter().zip(&declared).map(needs).collect();
        let numbers: Vec<_> = needed.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let users = needed.iter().filter(|needed| !needed.is_empty()).count();
        let keys = tenant.lookup_keys(OPERATION, schema, &numbers, users).await;
        let mut plans = Vec::with_capacity(items.len());
        for (at, ((opened, declared), needed)) in opened.into_iter().zip(declared).zip(needed).enumerate() {
            let plan = match (opened, declared, &keys) {
                (Err(error), ..) => Err(error),
                (_, Some(Declared::Unknown), _) => {
                    plans.push(Err((SkipReason::UnknownType, None)));
                    continue;
                }
                (_, _, Err(error)) if !needed.is_empty() => Err(error.clone()),
                (Ok(opened), Some(Declared::Known(declared)), keys) => {
                    let tokens = Tokens::new(keys.as_ref().ok().and_then(Option::as_ref), tenant.id());
                    let identity = stored_identity(schema, tenant.id(), &opened).map_err(Error::from);
                    identity.and_then(|identity| {
                        let (stored, opened) = (&items[at], &opened);
                        let source = Source { schema, identity: &identity, stored, opened };
                        let (rewrite, unique) = source.rewrite(&declared, tokens)?;
                        let is_suspicious = is_suspicious(schema, tenant.id(), stored);
                        Ok(Planned { rewrite, unique, is_suspicious, counts: Counts::default() })
                    })
                }
                (Ok(_), None, _) => continue,
            };
            plans.push(plan.map_or_else(skipped, |planned| Ok(Ok(planned)))?);
        }
        Ok(plans)
    }
}
