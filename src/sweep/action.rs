//! What a sweep does with items: the seam between the engine and its actions.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::reason::SkipReason;
use super::report::Counts;
use super::rewrite::Rewrite;
use super::stop::Stop;
use super::tokens::UniqueToken;
use crate::error::Error;
use crate::item::Item;
use crate::tenant_seal::Tenant;

/// What to do with an item, or why it is left as it is.
pub(super) type Plan<'a> = Result<Planned<'a>, (SkipReason, Option<Error>)>;

/// What to do with an item.
pub(super) struct Planned<'a> {
    /// What makes it right. It is empty when the item is right as it is.
    pub(super) rewrite: Rewrite,
    /// The tokens of unique lookups, whose claims follow.
    pub(super) unique: Vec<UniqueToken<'a>>,
    /// Whether it has something that no writer of this library makes.
    pub(super) is_suspicious: bool,
    /// What is counted of it.
    pub(super) counts: Counts,
}

impl Planned<'_> {
    /// An item that becomes right by this rewrite.
    pub(super) fn of(rewrite: Rewrite) -> Self {
        Self { rewrite, unique: Vec::new(), is_suspicious: false, counts: Counts::default() }
    }

    /// Whether nothing is to be done.
    pub(super) fn is_nothing(&self) -> bool {
        self.rewrite.is_empty() && self.unique.is_empty()
    }
}

/// What a sweep does with items. The engine reads pages, gives items to their tenants, writes by the rule, and asks
/// again for an item that others have changed meanwhile.
///
/// An action recognises by an item's bytes what it has done already: the same item may come again at any time.
#[async_trait]
pub(super) trait Action: Send + Sync {
    /// The attributes that it reads; `None` stands for all. Those of the primary key are always read.
    fn reads(&self) -> Option<BTreeSet<&str>>;

    /// Whether an item that shows no tenant is listed. Otherwise it is counted.
    fn lists_strangers(&self, item: &Item) -> bool;

    /// What to do with these items of one tenant, in their order.
    ///
    /// An error is of the whole sweep, and stops it.
    async fn plan<'s>(&'s self, tenant: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop>;
}

/// The plan of an item that has this error.
pub(super) fn skipped<'a>(cause: Error) -> Result<Plan<'a>, Stop> {
    match SkipReason::from_error(&cause) {
        Some(reason) => Ok(Err((reason, Some(cause)))),
        None => Err(Stop { is_retryable: cause.is_retryable(), cause, claims: None }),
    }
}
