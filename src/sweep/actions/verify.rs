//! Opens everything, under the rules of a table without plaintext.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tenantseal_core::format::HEADER;
use tenantseal_core::keys::OpeningMode;

use super::super::action::{Action, Plan, Planned, skipped};
use super::super::reason::SkipReason;
use super::super::rewrite::Rewrite;
use super::super::stop::Stop;
use crate::item::{Item, has_plaintext};
use crate::schema::TableSchema;
use crate::tenant_seal::Tenant;

/// What the audit and the spans call it.
const OPERATION: &str = "verify";

pub(in super::super) struct Verify<'a>(pub(in super::super) &'a TableSchema);

#[async_trait]
impl Action for Verify<'_> {
    fn reads(&self) -> Option<BTreeSet<&str>> {
        None
    }

    fn lists_strangers(&self, item: &Item) -> bool {
        is_sealed(self.0, item)
    }

    async fn plan<'s>(&'s self, tenant: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop> {
        let opened = tenant.open_items(OPERATION, self.0, items.to_vec(), OpeningMode::BestEffort).await;
        let opened = opened.map_err(|cause| Stop::at_items(cause, false))?;
        let plans = opened.into_iter().zip(items).map(|(opened, item)| match opened {
            // A leave may allow it. What is verified is that none is needed.
            Ok(_) if has_plaintext(self.0, item) => Ok(Err((SkipReason::Plain, None))),
            Ok(_) => Ok(Ok(Planned::of(Rewrite::new(self.0, item)))),
            Err(error) => skipped(error),
        });
        plans.collect()
    }
}

/// Whether an item has something that is sealed, or should be.
pub(super) fn is_sealed(schema: &TableSchema, item: &Item) -> bool {
    item.keys().any(|name| name == HEADER || schema.may_encrypt(name))
}
