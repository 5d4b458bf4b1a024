//! Random interleavings of writers of few items and values, over the steps that the repository makes: puts, updates,
//! typed deletes, deletes that know no claims, and writers that die. No two items ever have one token, and none lacks its
//! claim. Where nobody deletes without knowing claims, no claim is left over.
//!
//! DynamoDB is a map whose transactions are atomic. The conditions and claims are those of [`plan`].

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::tenant::TenantId;

use super::*;
use crate::claims::{Becomes, Spot, Touch, plan};
use crate::schema::{Form, Lookup, TableSchema};

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }
}

const STORED: &str = "_seal_by_email";

fn spot() -> Spot {
    let schema = TableSchema::builder("crm").partition_key("pk", "{tenant}").sort_key("sk").encrypt("email");
    let schema = schema.lookup(Lookup::on("email", Form::EMAIL).unique()).build().unwrap();
    Spot { physical: "crm".into(), schema: Arc::new(schema), lookup: 0 }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn key(sort: &str) -> Item {
    [("pk", "acme"), ("sk", sort)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

/// The token of a value, which is a letter.
fn token(value: char) -> String {
    format!("acme.{}", value.to_string().repeat(24))
}

/// The tables: tokens of the items that there are, and the items that have the claims.
#[derive(Default)]
struct Store {
    items: BTreeMap<String, Option<String>>,
    claims: BTreeMap<String, Item>,
}

/// Which of the two conditions a mutant lacks.
#[derive(Clone, Copy, PartialEq)]
enum Lacks {
    Nothing,
    /// That the stored token is the one that was read.
    Unchanged,
    /// That the item with a stale claim has not got the token.
    Check,
}

/// One writer of one item.
struct Writer {
    store: Arc<Mutex<Store>>,
    spot: Spot,
    me: &'static str,
    /// What becomes of the item: it gets this value, or is deleted.
    value: Option<char>,
    /// Whether it gets the value only if it has none.
    if_not_exists: bool,
    lacks: Lacks,
}

/// One request: the others may go on before it, and after it.
async fn request<T>(does: impl FnOnce() -> T) -> T {
    let mut is_asked = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut is_asked, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
    does()
}

impl Steps for Writer {
    async fn read(&mut self) -> Result<Vec<Stored>, Error> {
        request(|| {
            let token = self.store.lock().unwrap().items.get(self.me).cloned().flatten();
            let token = token.map(|token| (STORED.to_owned(), AttributeValue::S(token)));
            Ok(vec![Stored::Tokens(token.into_iter().collect())])
        })
        .await
    }

    fn is_conditional(&self, _: usize) -> bool {
        false
    }

    async fn send(&mut self, stored: &[Stored], left: &BTreeSet<String>) -> Result<Sent, Error> {
        let becomes = match self.value {
            Some(_) if self.if_not_exists && stored[0].attribute(STORED).is_some() => Becomes::Kept,
            Some(value) => Becomes::Token { stored: token(value), is_claimed: true },
            None => Becomes::Nothing,
        };
        let touch =
            Touch { spot: self.spot.clone(), key: key(self.me), was: stored[0].attribute(STORED).cloned(), becomes };
        let unchanged = stored[0].unchanged(&self.spot.schema, std::slice::from_ref(&touch));
        let claims = plan(&tenant(), &[touch], left)?;
        request(|| {
            let Store { items, claims: held } = &mut *self.store.lock().unwrap();
            let now = items.get(self.me).cloned().flatten();
            let is_unchanged = self.lacks == Lacks::Unchanged
                || unchanged.iter().all(|(_, value)| *value == now.clone().map(AttributeValue::S));
            let is_free = |write: &ClaimWrite| held.get(&write.entry).is_none_or(|key| write.from.contains(key));
            let failed = |holds: bool| (!holds).then_some(Reason::ConditionFailed);
            let reasons: Vec<_> = std::iter::once(failed(is_unchanged))
                .chain(claims.iter().map(|write| failed(is_free(write))))
                .collect();
            if reasons.iter().any(Option::is_some) {
                let error = Error::Cancelled(Cancelled::new(reasons.clone()));
                return Ok(Sent::Cancelled { reasons, claims, error });
            }
            match self.value {
                Some(_) if self.if_not_exists && now.is_some() => {}
                Some(value) => _ = items.insert(self.me.to_owned(), Some(token(value))),
                None => _ = items.remove(self.me),
            }
            for write in claims {
                match write.to {
                    Some(key) => _ = held.insert(write.entry, key),
                    None => _ = held.remove(&write.entry),
                }
            }
            Ok(Sent::Done)
        })
        .await
    }

    async fn holder(&mut self, write: &ClaimWrite) -> Result<Holder, Error> {
        let held = request(|| self.store.lock().unwrap().claims.get(&write.entry).cloned()).await;
        let Some(held) = held.filter(|key| !write.from.contains(key)) else { return Ok(Holder::Free) };
        let theirs = request(|| self.store.lock().unwrap().items.get(name(&held)).cloned().flatten()).await;
        Ok(match theirs.as_ref() == Some(&write.token) {
            true => Holder::Item(ItemRef::new(&self.spot.schema, &held)),
            false => Holder::Stale(held),
        })
    }

    async fn release(&mut self, write: &ClaimWrite, holder: &Item) -> Result<(), Error> {
        request(|| {
            let Store { items, claims } = &mut *self.store.lock().unwrap();
            let has_token = items.get(name(holder)).cloned().flatten().as_ref() == Some(&write.token);
            if claims.get(&write.entry) == Some(holder) && (self.lacks == Lacks::Check || !has_token) {
                claims.remove(&write.entry);
            }
            Ok(())
        })
        .await
    }

    async fn pause(&mut self, _: u32) {}
}

fn name(key: &Item) -> &str {
    key["sk"].as_s().unwrap()
}

type Running = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// What came of one interleaving.
#[derive(Default)]
struct Outcome {
    refused: usize,
    died: usize,
    /// A duplicate, an item without its claim, a claim that is left over, or a free value that could not be taken.
    broken: bool,
}

fn run(seed: u64, lacks: Lacks) -> Outcome {
    let (mut random, spot) = (Random(seed), spot());
    let store = Arc::<Mutex<Store>>::default();
    let writer =
        |me, value| Writer { store: Arc::clone(&store), spot: spot.clone(), me, value, if_not_exists: false, lacks };
    // Without deletes that know no claims, no claim is left over.
    let expires = random.below(3) > 0;
    let mut running: Vec<Running> = Vec::new();
    for _ in 0..3 + random.below(7) {
        let me = ["X", "Y", "Z"][random.below(3)];
        let value = ['t', 'u'][random.below(2)];
        running.push(match random.below(20) {
            0..3 => Box::pin(write_one(Writer { if_not_exists: true, ..writer(me, Some(value)) })),
            3..13 => Box::pin(write_one(writer(me, Some(value)))),
            // A time to live, or a delete of the drop-in client.
            17.. if expires => {
                let store = Arc::clone(&store);
                Box::pin(async move {
                    request(|| store.lock().unwrap().items.remove(me)).await;
                    Ok(())
                })
            }
            _ => Box::pin(write_one(writer(me, None))),
        });
    }
    let mut outcome = Outcome::default();
    let mut context = Context::from_waker(Waker::noop());
    while !running.is_empty() {
        let at = random.below(running.len() as u64);
        if random.below(60) == 0 {
            drop(running.swap_remove(at));
            outcome.died += 1;
        } else if let Poll::Ready(written) = running[at].as_mut().poll(&mut context) {
            drop(running.swap_remove(at));
            outcome.refused += usize::from(written.is_err_and(|error| error.is_not_unique()));
        }
        outcome.broken |= !is_right(&store.lock().unwrap(), &spot);
    }
    let tokens = store.lock().unwrap().items.values().flatten().count();
    outcome.broken |= !expires && store.lock().unwrap().claims.len() != tokens;
    for value in ['t', 'u'] {
        let is_free = !store.lock().unwrap().items.values().flatten().any(|stored| *stored == token(value));
        let mut taking = pin!(write_one(writer("W", Some(value))));
        let taken = loop {
            if let Poll::Ready(taken) = taking.as_mut().poll(&mut context) {
                break taken;
            }
        };
        outcome.broken |= taken.is_ok() != is_free;
        store.lock().unwrap().items.remove("W");
    }
    outcome
}

async fn write_one(mut writer: Writer) -> Result<(), Error> {
    write(&mut writer).await
}

/// Whether no two items have one token, and each token has the claim of its item.
fn is_right(Store { items, claims }: &Store, spot: &Spot) -> bool {
    let mut seen = BTreeSet::new();
    let mut tokens = items.iter().filter_map(|(item, token)| Some((item, token.as_ref()?)));
    tokens.all(|(item, token)| {
        let entry = spot.entry(&tenant(), token).unwrap();
        seen.insert(token) && claims.get(&entry) == Some(&key(item))
    })
}

fn runs() -> u64 {
    std::env::var("TENANTSEAL_MODEL_RUNS").map_or(300, |runs| runs.parse().unwrap())
}

#[test]
fn every_interleaving_keeps_values_unique_and_free_ones_free() {
    let (mut refused, mut died) = (0, 0);
    for seed in 0..runs() {
        let outcome = run(seed, Lacks::Nothing);
        assert!(!outcome.broken, "seed {seed}");
        (refused, died) = (refused + outcome.refused, died + outcome.died);
    }
    println!("{} interleavings: {refused} honest refusals, {died} writers died", runs());
    assert!(refused > 0 && died > 0, "{refused} refused, {died} died");
}

/// The model sees what each of the 2 conditions is for.
#[test]
fn without_either_condition_some_interleaving_breaks() {
    for (lacks, condition) in
        [(Lacks::Unchanged, "stored token is unchanged"), (Lacks::Check, "stale claim is checked")]
    {
        let broken = (0..20_000).filter(|seed| run(*seed, lacks).broken).count();
        println!("without the condition that the {condition}: {broken} of 20000 break");
        assert!(broken > 0, "{condition}");
    }
}
