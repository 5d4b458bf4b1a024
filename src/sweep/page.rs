//! One page of a segment: reads it, gives its items to their tenants, and writes what differs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::errors::AwsErrorClass;

use super::action::{Action, Plan, Planned};
use super::budget::Budget;
use super::claims::{Act, Claimant};
use super::key::Key;
use super::position::Position;
use super::reason::SkipReason;
use super::report::{Claims, Counts, Tally};
use super::rewrite::{Rewrite, Rewritten};
use super::stop::{Stop, pause};
use crate::error::Error;
use crate::item::Item;
use crate::schema::TableSchema;
use crate::tenant_seal::{Tenant, TenantSeal};

/// How often an item is read again when others write it.
const ROUNDS: u32 = 5;
/// How often a tenant whose keys are not available is asked again.
const WAITS: u32 = 3;
/// How many tenants of a page are opened at the same time, and how many items of each are written.
const TENANTS: usize = 4;
const WRITES: usize = 8;
/// A pass over one table.
pub(super) struct Pass<'a> {
    pub(super) seal: &'a TenantSeal,
    /// It neither seals nor opens.
    pub(super) client: Client,
    pub(super) action: Box<dyn Action + 'a>,
    pub(super) schema: &'a TableSchema,
    pub(super) physical: &'a str,
    pub(super) tenants: Option<BTreeSet<TenantId>>,
    pub(super) dry_run: bool,
    pub(super) page_items: Option<i32>,
    pub(super) reads: Budget,
    pub(super) writes: Budget,
    /// The tenants for whose keys it has waited in vain.
    pub(super) waited_for: Mutex<BTreeSet<TenantId>>,
}

/// What one worker reads at a time.
#[derive(Clone)]
pub(super) enum Unit {
    /// A segment of a scan, and how many there are.
    Segment(usize, usize),
    /// The items of one tenant, which are one partition.
    Tenant(TenantId),
}

/// A unit, and where its next page begins.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) number: usize,
    pub(super) unit: Unit,
    pub(super) from: Position,
}

/// What became of a page, and where its segment goes on.
pub(super) struct Page {
    pub(super) segment: Segment,
    pub(super) tally: Tally,
}

/// The items of a page, the key behind which the next begins, and what it took.
type Answer = (Option<Vec<Item>>, Option<Item>, Option<ConsumedCapacity>);

/// What became of one item.
enum Outcome {
    /// It is right.
    Settled {
        is_rewritten: bool,
        is_suspicious: bool,
        claims: Claims,
        counts: Counts,
    },
    Deleted,
    Skipped(SkipReason, Option<Error>),
}

impl<'a> Pass<'a> {
    /// Sweeps the next page of a segment.
    pub(super) async fn page(&self, segment: Segment) -> Result<Page, Stop> {
        let (items, from) = self.read(&segment).await?;
        let mut tally = Tally::default();
        let mut by_tenant: BTreeMap<TenantId, Vec<Item>> = BTreeMap::new();
        for item in items {
            tally.items += 1;
            let partition = item.get(self.schema.partition_key()).and_then(|value| value.as_s().ok());
            match partition.and_then(|value| self.schema.tenant().tenant_of(value)) {
                None if !self.action.lists_strangers(&item) => tally.of_no_tenant += 1,
                None => tally.skip(SkipReason::NoTenant, self.key(&item), None),
                Some(tenant) if self.tenants.as_ref().is_some_and(|tenants| !tenants.contains(&tenant)) => {
                    tally.other_tenants += 1;
                }
                Some(tenant) => by_tenant.entry(tenant).or_default().push(item),
            }
        }
        let sweeps = by_tenant.into_iter();
        let sweeps = sweeps.map(|(tenant, items)| self.sweep_tenant(self.seal.tenant(&tenant), items).boxed());
        // Made before the first is awaited: a stream's closure would not let the future be sent between threads.
        let sweeps: Vec<_> = sweeps.collect();
        let mut swept = stream::iter(sweeps).buffer_unordered(TENANTS);
        while let Some(of_tenant) = swept.try_next().await? {
            tally.add(of_tenant);
        }
        Ok(Page { segment: Segment { from, ..segment }, tally })
    }

    fn key(&self, item: &Item) -> Key {
        Key::of(self.schema.key_names(), item)
    }

    /// Reads a page: its items, and where the segment goes on.
    async fn read(&self, segment: &Segment) -> Result<(Vec<Item>, Position), Stop> {
        let mut attempt = 0;
        let (items, next) = loop {
            let taken = self.reads.take().await;
            match self.send(segment).await {
                Ok((items, next, consumed)) => {
                    taken.settle(units(consumed.as_ref()));
                    break (items, next);
                }
                Err(stop) => stop.wait_out(&self.reads, &mut attempt).await?,
            }
        };
        let next = next.filter(|key| !key.is_empty());
        Ok((items.unwrap_or_default(), next.map_or(Position::Done, |key| Position::After(Key(key)))))
    }

    async fn send(&self, segment: &Segment) -> Result<Answer, Stop> {
        let start = match &segment.from {
            Position::After(Key(key)) => Some(key.clone()),
            Position::Start | Position::Done => None,
        };
        let (projection, mut names) = self.projection();
        let total = ReturnConsumedCapacity::Total;
        match &segment.unit {
            Unit::Segment(at, of) => {
                let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
                let scan = self.client.scan().table_name(self.physical).consistent_read(true);
                let scan = scan.segment(number(*at)).total_segments(number(*of)).set_exclusive_start_key(start);
                let scan = scan.set_projection_expression(projection).return_consumed_capacity(total);
                let scan = scan.set_expression_attribute_names(names).set_limit(self.page_items);
                let page = scan.send().await.map_err(Stop::new)?;
                Ok((page.items, page.last_evaluated_key, page.consumed_capacity))
            }
            Unit::Tenant(tenant) => {
                let partition = AttributeValue::S(self.schema.tenant().render(tenant));
                let key = self.schema.partition_key().to_owned();
                names.get_or_insert_default().insert("#partition".to_owned(), key);
                let query = self.client.query().table_name(self.physical).consistent_read(true);
                let query = query.key_condition_expression("#partition = :partition");
                let query = query.expression_attribute_values(":partition", partition).set_exclusive_start_key(start);
                let query = query.set_projection_expression(projection).return_consumed_capacity(total);
                let query = query.set_expression_attribute_names(names).set_limit(self.page_items);
                let page = query.send().await.map_err(Stop::new)?;
                Ok((page.items, page.last_evaluated_key, page.consumed_capacity))
            }
        }
    }

    /// What is read of items: the expression, and its names.
    fn projection(&self) -> (Option<String>, Option<HashMap<String, String>>) {
        let Some(names) = self.action.reads() else { return (None, None) };
        let names = names.into_iter().enumerate();
        let names: HashMap<_, _> = names.map(|(at, name)| (format!("#n{at}"), name.to_owned())).collect();
        (Some(names.keys().map(String::as_str).collect::<Vec<_>>().join(", ")), Some(names))
    }

    /// Reads one item again.
    async fn read_again(&self, key: &Item) -> Result<Option<Item>, Stop> {
        let (projection, names) = self.projection();
        let request = self.client.get_item().table_name(self.physical).set_key(Some(key.clone())).consistent_read(true);
        let request = request.set_projection_expression(projection).set_expression_attribute_names(names);
        let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let mut attempt = 0;
        loop {
            let taken = self.reads.take().await;
            match request.clone().send().await {
                Ok(output) => {
                    taken.settle(units(output.consumed_capacity.as_ref()));
                    return Ok(output.item.filter(|item| !item.is_empty()));
                }
                Err(error) => Stop::new(error).wait_out(&self.reads, &mut attempt).await?,
            }
        }
    }

    /// Sweeps the items of one tenant.
    async fn sweep_tenant(&self, tenant: Tenant, items: Vec<Item>) -> Result<Tally, Stop> {
        let mut plans = self.action.plan(&tenant, &items).await?;
        for wait in 0..WAITS {
            let is_unavailable = |plan: &Plan<'_>| matches!(plan, Err((SkipReason::Unavailable, _)));
            if !plans.iter().any(is_unavailable) || self.has_waited_for(tenant.id()) {
                break;
            }
            tokio::time::sleep(pause(wait)).await;
            plans = self.action.plan(&tenant, &items).await?;
            if wait + 1 == WAITS && plans.iter().any(is_unavailable) {
                self.waited_for.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.id().clone());
            }
        }
        let mut tally = Tally::default();
        let settle = items.into_iter().zip(plans).map(|(item, plan)| {
            let key = self.key(&item);
            let settled = self.settle(&tenant, item, plan);
            settled.map(move |settled| settled.map(|outcome| (key, outcome))).boxed()
        });
        let settle: Vec<_> = settle.collect();
        let mut settled = stream::iter(settle).buffer_unordered(WRITES);
        while let Some((key, outcome)) = settled.try_next().await? {
            match outcome {
                Outcome::Deleted => tally.deleted += 1,
                Outcome::Settled { is_rewritten, is_suspicious, claims, counts } => {
                    tally.right += u64::from(!is_rewritten);
                    tally.rewritten += u64::from(is_rewritten);
                    tally.claim(claims);
                    tally.counts.append(counts);
                    if is_rewritten && is_suspicious {
                        tally.suspect(key);
                    }
                }
                Outcome::Skipped(reason, error) => tally.skip(reason, key, error.as_ref()),
            }
        }
        Ok(tally)
    }

    fn has_waited_for(&self, tenant: &TenantId) -> bool {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    /// The claims of an item with this primary key.
    fn claimant<'c>(&'c self, tenant: &'c Tenant, key: &'c Item) -> Claimant<'c> {
        let Self { physical, dry_run, reads, writes, .. } = self;
        Claimant { tenant, physical, key, dry_run: *dry_run, reads, writes }
    }

    /// Carries a plan out. When others write the item meanwhile, it is planned anew with what they have left.
    async fn settle(&self, tenant: &Tenant, mut item: Item, mut plan: Plan<'_>) -> Result<Outcome, Stop> {
        let (Key(key), mut is_rewritten, mut is_suspicious) = (self.key(&item), false, false);
        let claimant = self.claimant(tenant, &key);
        for round in 0..ROUNDS {
            let Planned { rewrite, unique, counts, is_suspicious: suspicious } = match plan {
                Ok(planned) => planned,
                Err((reason, error)) => return Ok(Outcome::Skipped(reason, error)),
            };
            is_suspicious |= suspicious;
            if let Err((reason, error)) = claimant.claims(Act::Forget, &unique).await? {
                return Ok(Outcome::Skipped(reason, Some(error)));
            }
            let now = match self.write(&rewrite).await? {
                Ok(Rewritten::Changed(now)) => now,
                Ok(Rewritten::Conflict) => {
                    tokio::time::sleep(pause(round) / 5).await;
                    Some(item)
                }
                Ok(Rewritten::Yes(_)) => {
                    is_rewritten |= !rewrite.is_empty();
                    match claimant.claim(&unique).await? {
                        Ok(Some(claims)) => {
                            return Ok(Outcome::Settled { is_rewritten, is_suspicious, claims, counts });
                        }
                        Ok(None) => self.read_again(&key).await?,
                        Err((reason, error)) => return Ok(Outcome::Skipped(reason, Some(error))),
                    }
                }
                Err(refused) => return Ok(Outcome::Skipped(SkipReason::Refused, Some(refused))),
            };
            let Some(now) = now else { return Ok(Outcome::Deleted) };
            item = now;
            let planned = self.action.plan(tenant, std::slice::from_ref(&item)).await?.pop();
            plan = planned.unwrap_or(Err((SkipReason::Busy, None)));
        }
        Ok(match plan {
            Ok(planned) if planned.is_nothing() => {
                let (claims, counts) = (Claims::default(), planned.counts);
                Outcome::Settled { is_rewritten, is_suspicious, claims, counts }
            }
            Ok(_) => Outcome::Skipped(SkipReason::Busy, None),
            Err((reason, error)) => Outcome::Skipped(reason, error),
        })
    }

    /// Sends a rewrite that changes something, unless nothing is to be written; the inner error is DynamoDB's refusal of this item alone.
    async fn write(&self, rewrite: &Rewrite) -> Result<Result<Rewritten, Error>, Stop> {
        if rewrite.is_empty() || self.dry_run {
            return Ok(Ok(Rewritten::Yes(None)));
        }
        let mut attempt = 0;
        loop {
            let taken = self.writes.take().await;
            match rewrite.send(&self.client, self.physical, self.schema.partition_key()).await {
                Ok(rewritten) => {
                    if let Rewritten::Yes(units) = rewritten {
                        taken.settle(units);
                    }
                    return Ok(Ok(rewritten));
                }
                Err(error) if is_of_the_item(&error) => return Ok(Err(Stop::new(error).cause)),
                Err(error) => Stop::new(error).wait_out(&self.writes, &mut attempt).await?,
            }
        }
    }
}

/// Whether DynamoDB refuses this write for what the item is, and may take others.
fn is_of_the_item(error: &SdkError<UpdateItemError>) -> bool {
    matches!(error.as_service_error(), Some(UpdateItemError::ItemCollectionSizeLimitExceededException(_)))
        || AwsErrorClass::from_error(error) == Some(AwsErrorClass::InvalidRequest)
}

fn units(consumed: Option<&ConsumedCapacity>) -> Option<f64> {
    consumed.and_then(|consumed| consumed.capacity_units)
}
