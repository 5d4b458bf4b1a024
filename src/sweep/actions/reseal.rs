//! Seals everything encrypted again, under the current data key.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::HEADER;
use tenantseal_core::inspect::{StoredForm, StoredHeader};
use tenantseal_core::keys::OpeningMode;

use super::super::action::{Action, Plan, Planned, skipped};
use super::super::reason::SkipReason;
use super::super::rewrite::Rewrite;
use super::super::stop::Stop;
use super::sealed_again::{encrypted, encrypted_reads, sealed_again};
use super::verify::is_sealed;
use crate::item::{Item, has_plaintext, stored_form};
use crate::schema::TableSchema;
use crate::tenant_seal::Tenant;

/// What the audit and the spans call it.
const OPERATION: &str = "reseal";

pub(in super::super) struct Reseal<'a> {
    pub(in super::super) schema: &'a TableSchema,
    /// When the sweep was planned, to the second: a data key that was made in a later one is a current one.
    pub(in super::super) since: u64,
}

#[async_trait]
impl Action for Reseal<'_> {
    fn reads(&self) -> Option<BTreeSet<&str>> {
        Some(encrypted_reads(self.schema))
    }

    fn lists_strangers(&self, item: &Item) -> bool {
        is_sealed(self.schema, item)
    }

    async fn plan<'s>(&'s self, tenant: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop> {
        let schema = self.schema;
        let opened = tenant.open_items(OPERATION, schema, items.to_vec(), OpeningMode::BestEffort).await;
        let opened = opened.map_err(|cause| Stop::at_items(cause, false))?;
        let is_due = |(item, opened): (&Item, &Result<Item, _>)| opened.is_ok() && !self.is_done(item);
        let key = match items.iter().zip(&opened).any(is_due) {
            true => Some(tenant.sealing_key(OPERATION, schema, schema.record_place()).await),
            false => None,
        };
        let plans = items.iter().zip(opened).map(|(item, opened)| {
            let nothing = || Ok(Ok(Planned::of(Rewrite::new(schema, item))));
            match (opened, encrypted(schema, item), &key) {
                (Err(error), ..) => skipped(error),
                // A leave lets it be. Sealing it is for `migrate`, once.
                _ if has_plaintext(schema, item) => Ok(Err((SkipReason::Plain, None))),
                (Ok(_), None, _) if !is_sealed(schema, item) => nothing(),
                (Ok(_), None, _) => Ok(Err((SkipReason::UnknownType, None))),
                (Ok(_), Some(names), _) if names.is_empty() || self.is_done(item) => nothing(),
                (Ok(_), _, None) => nothing(),
                (Ok(_), _, Some(Err(error))) => skipped(error.clone()),
                (Ok(opened), Some(names), Some(Ok(key))) => {
                    match has_header_of(item, key.record().key_id) && are_all_in_form_11(item, &names) {
                        true => nothing(),
                        false => sealed_again(schema, tenant.id(), key, item, &opened, &names),
                    }
                }
            }
        });
        plans.collect()
    }
}

impl Reseal<'_> {
    /// Whether an item that opens was sealed under a current data key already.
    fn is_done(&self, item: &Item) -> bool {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(self.since);
        let is_current = matches!(header(item), Some(StoredHeader::Record(record)) if record.created() > since);
        is_current && encrypted(self.schema, item).is_some_and(|names| are_all_in_form_11(item, &names))
    }
}

fn header(item: &Item) -> Option<StoredHeader> {
    let header = item.get(HEADER).and_then(|header: &AttributeValue| header.as_b().ok())?;
    StoredHeader::parse(header.as_ref()).ok()
}

fn has_header_of(item: &Item, key: tenantseal_core::DataKeyId) -> bool {
    header(item).is_some_and(|header| header.key_id() == key)
}

fn are_all_in_form_11(item: &Item, names: &BTreeSet<&str>) -> bool {
    names.iter().all(|name| stored_form(item, name) == Some(StoredForm::HeaderKey))
}
