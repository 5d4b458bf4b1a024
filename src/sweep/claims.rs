//! The claims of an item's unique values, which follow its tokens.

use super::budget::Budget;
use super::key::Key;
use super::reason::SkipReason;
use super::report::{Claims, Duplicate};
use super::stop::Stop;
use super::tokens::UniqueToken;
use crate::claims::{ClaimStore, Claimed, Spot, Whose};
use crate::error::{Error, ItemRef};
use crate::item::Item;
use crate::schema::LookupState;
use crate::tenant_seal::Tenant;

/// A consistent read of up to 4 KB, which a claim is far below.
const READ_UNITS: f64 = 1.0;

/// What a sweep does about claims.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Act {
    /// Deletes those of tokens that retired lookups have left, before the tokens go: whoever is killed in between finds
    /// the token again.
    Forget,
    /// Deletes those of tokens that were wrong, after they have gone: a writer may have put one back.
    Leave,
    /// Claims the right tokens.
    Claim,
}

/// What came of one claim.
enum Outcome {
    Kept,
    Made,
    Changed,
    Other(ItemRef),
}

/// A token of an item, and where its claim is.
struct Place<'a> {
    store: &'a ClaimStore,
    spot: Spot,
    key: &'a Item,
    token: &'a str,
}

impl Act {
    /// The token that it is about.
    fn token<'t>(self, token: &'t UniqueToken<'_>) -> Option<&'t str> {
        let is_retired = token.lookup.state() == LookupState::Retired;
        match self {
            Self::Claim => token.right.as_deref(),
            Self::Forget => token.former.as_deref().filter(|_| is_retired),
            Self::Leave => token.former.as_deref().filter(|_| !is_retired),
        }
    }
}

/// What came of them, or why this item is listed.
type Claiming = Result<Option<Claims>, (SkipReason, Error)>;

/// Claims the values of one item.
pub(super) struct Claimant<'a> {
    pub(super) tenant: &'a Tenant,
    /// Under which name requests reach the table.
    pub(super) physical: &'a str,
    /// The item's primary key.
    pub(super) key: &'a Item,
    pub(super) dry_run: bool,
    pub(super) reads: &'a Budget,
    pub(super) writes: &'a Budget,
}

impl Claimant<'_> {
    /// Claims the values of an item with right tokens, and leaves the claims of its former ones. `None` when it has other
    /// tokens by now.
    pub(super) async fn claim(&self, unique: &[UniqueToken<'_>]) -> Result<Claiming, Stop> {
        match self.claims(Act::Leave, unique).await? {
            Ok(_) => self.claims(Act::Claim, unique).await,
            Err(skipped) => Ok(Err(skipped)),
        }
    }

    /// Does this about all claims of an item. `None` when the item has other tokens by now; the inner error is of this
    /// item alone.
    pub(super) async fn claims(&self, act: Act, unique: &[UniqueToken<'_>]) -> Result<Claiming, Stop> {
        let mut claims = Claims::default();
        if unique.is_empty() || (self.dry_run && act != Act::Claim) {
            return Ok(Ok(Some(claims)));
        }
        let store = self.tenant.claims().map_err(Stop::refused)?;
        let tokens: Vec<_> = unique.iter().filter_map(|unique| Some((unique, act.token(unique)?))).collect();
        for (unique, token) in tokens {
            let lookup = unique.lookup.name();
            let key = self.key;
            let spot = self.tenant.spot(self.physical, unique.lookup).map_err(Stop::refused)?;
            let outcome = match self.patiently(act, &Place { store: &store, spot, key, token }).await? {
                Ok(outcome) => outcome,
                Err(skipped) => return Ok(Err(skipped)),
            };
            match outcome {
                Outcome::Kept => {}
                Outcome::Made => claims.made += 1,
                Outcome::Changed => return Ok(Ok(None)),
                Outcome::Other(item) => claims.duplicates.push(Duplicate {
                    lookup: lookup.to_owned(),
                    key: Key(key.clone()),
                    other: Key(item.key().clone()),
                }),
            }
        }
        Ok(Ok(Some(claims)))
    }

    /// Repeats it while DynamoDB throttles or does not answer.
    async fn patiently(&self, act: Act, place: &Place<'_>) -> Result<Result<Outcome, (SkipReason, Error)>, Stop> {
        let mut attempt = 0;
        loop {
            let cause = match self.act(act, place).await {
                Ok(outcome) => return Ok(Ok(outcome)),
                Err(cause @ Error::ForgedClaim { .. }) => return Ok(Err((SkipReason::ForgedClaim, cause))),
                Err(cause @ Error::Cancelled(_)) => return Ok(Err((SkipReason::Busy, cause))),
                Err(cause) => cause,
            };
            let is_retryable = matches!(&cause, Error::DynamoDb(error) if error.is_outage());
            let stop = Stop { cause, is_retryable, claims: Some(place.store.table().into()) };
            stop.wait_out(self.writes, &mut attempt).await?;
        }
    }

    async fn act(&self, act: Act, place: &Place<'_>) -> Result<Outcome, Error> {
        let Place { store, spot, key, token } = place;
        if act == Act::Claim {
            let taken = self.reads.take().await;
            let whose = store.whose(spot, key, token).await?;
            taken.settle(Some(READ_UNITS));
            match whose {
                Whose::Own => return Ok(Outcome::Kept),
                Whose::Nobody if self.dry_run => return Ok(Outcome::Made),
                Whose::Other(item) if self.dry_run => return Ok(Outcome::Other(item)),
                // Asked for again together with the item's own token.
                Whose::Nobody | Whose::Other(_) => {}
            }
        }
        let taken = self.writes.take().await;
        let (outcome, units) = match act {
            Act::Forget => (Outcome::Kept, store.forget(spot, key, token).await?),
            Act::Leave => (Outcome::Kept, store.leave(spot, key, token).await?),
            Act::Claim => match store.claim(spot, key, token).await? {
                Claimed::Own(units) => (Outcome::Made, units),
                Claimed::Changed => (Outcome::Changed, None),
                Claimed::Item(item) => (Outcome::Other(item), None),
            },
        };
        taken.settle(units);
        Ok(outcome)
    }
}
