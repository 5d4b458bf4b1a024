//! The attack of a reader of the table who knows how often each surname occurs, on real tokens. Its rates stay in
//! bands: those of docs/LOOKUPS.md, wide enough for 3 tenants' random lookup keys.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::schema::{Form, Lookup, TableSchema};
use tenantseal::{Tenant, TenantSeal};

use crate::common::{id, s};

const SURNAMES: usize = 20_000;
const ITEMS: usize = 50_000;
/// How often each tenant's items are drawn.
const DRAWS: u64 = 3;
/// The commonest surnames.
const TOP: usize = 20;
/// How many of the commonest surnames a guess by probability chooses from.
const CHOICES: usize = 100;
const BITS: [u8; 3] = [128, 10, 7];
/// Lookups of `surname`: exact, with 10 and 7 bits, and the exact one and that with 10 bits again under other names.
const NAMES: [&str; 5] = ["surname_128", "surname_10", "surname_7", "again_128", "again_10"];

fn seal() -> TenantSeal {
    let table = |name: &str| {
        let schema = TableSchema::builder(name).partition_key("tenant_id", "{tenant}").encrypt("surname");
        let cut = |name: &'static str, bits| Lookup::on("surname", Form::EXACT).named(name).bits(bits);
        let exact = |name: &'static str| Lookup::on("surname", Form::EXACT).named(name);
        let schema = schema.lookup(exact(NAMES[0])).lookup(cut(NAMES[1], 10)).lookup(cut(NAMES[2], 7));
        schema.lookup(exact(NAMES[3])).lookup(cut(NAMES[4], 10)).build().unwrap()
    };
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new()).key_table(InMemoryKeyTable::new());
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
    let config = config.region(Region::new("us-east-1")).build();
    builder.table(table("people")).table(table("staff")).build(&config).unwrap()
}

/// The stored tokens of so many surnames, each as its letters behind tenant and mark, by lookup.
async fn tokens(tenant: &Tenant, table: &str, surnames: usize) -> BTreeMap<&'static str, Vec<String>> {
    let mut tokens = BTreeMap::new();
    for at in 0..surnames {
        let item = [("tenant_id", s(tenant.id().as_str())), ("surname", s(&format!("surname {at}")))];
        let item = item.map(|(name, value)| (name.to_owned(), value)).into();
        let stored = tenant.seal(table, item).await.unwrap();
        for name in NAMES {
            let token = stored[&format!("_seal_by_{name}")].as_s().unwrap();
            let (_, marked) = token.split_once('.').unwrap();
            tokens.entry(name).or_insert_with(Vec::new).push(marked[2..].to_owned());
        }
    }
    tokens
}

/// What the attack finds, as a mean of all draws.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    /// The part of the items whose surname is guessed.
    guessed: f64,
    /// The same of the items with one of the commonest.
    of_top: f64,
    /// Of 2 items with equal tokens, how often surnames are equal.
    equal: f64,
    /// Items that a question reads, each item's surname asked for.
    read: f64,
    /// The same for surnames of which at most 2 items are expected.
    read_rare: f64,
}

/// One attack. `tokens` are by surname, and so are `shares`, the commonest first.
fn attack(tokens: &[String], shares: &[f64], bits: u8, items: &[f64]) -> Found {
    let mut sizes: HashMap<&str, f64> = HashMap::new();
    for (token, items) in tokens.iter().zip(items).filter(|(_, items)| **items > 0.0) {
        *sizes.entry(token).or_default() += items;
    }
    let mut ranked: Vec<_> = sizes.iter().map(|(token, size)| (*token, *size)).collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(other.0)));
    // Frequency analysis: the largest token has the commonest surname, and so on.
    let by_rank: HashMap<_, _> = ranked.iter().enumerate().map(|(rank, (token, _))| (*token, rank)).collect();
    // Bayes: the surname that most probably is a large part of the token's items.
    let mut choices = HashMap::new();
    let by_probability = ranked.iter().map(|(token, size)| {
        let choice = choices.entry(size.to_bits()).or_insert_with(|| probable(*size, shares, bits));
        (*token, *choice)
    });
    let by_probability: HashMap<_, _> = by_probability.collect();
    let hits = |guess: &HashMap<&str, usize>, within: usize| -> f64 {
        let right = |at: &usize| guess.get(tokens[*at].as_str()) == Some(at);
        (0..within).filter(right).map(|at| items[at]).sum()
    };
    let best = [by_rank, by_probability];
    let best = best.iter().max_by(|one, other| hits(one, SURNAMES).total_cmp(&hits(other, SURNAMES))).unwrap();
    let all: f64 = items.iter().sum();
    let pairs = |sizes: &mut dyn Iterator<Item = f64>| sizes.map(|size| size * (size - 1.0)).sum::<f64>();
    let size = |at: usize| sizes.get(tokens[at].as_str()).copied().unwrap_or_default();
    let rare: Vec<_> = (0..SURNAMES).filter(|at| items[*at] > 0.0 && shares[*at] * all < 2.0).collect();
    Found {
        guessed: hits(best, SURNAMES) / all,
        of_top: hits(best, TOP) / items[..TOP].iter().sum::<f64>(),
        equal: pairs(&mut items.iter().copied()) / pairs(&mut sizes.values().copied()),
        read: (0..SURNAMES).map(|at| items[at] * size(at)).sum::<f64>() / all,
        read_rare: rare.iter().map(|at| size(*at)).sum::<f64>() / rare.len() as f64,
    }
}

/// The surname of a token of this size.
fn probable(size: f64, shares: &[f64], bits: u8) -> usize {
    let (items, width) = (ITEMS as f64, f64::from(bits).exp2());
    let square: f64 = shares.iter().map(|share| share * share).sum();
    let mean = items / width.min(SURNAMES as f64);
    let variance = if width < SURNAMES as f64 { items * items * square / width + mean } else { mean + 1.0 };
    let density = |share: f64| {
        let variance = variance + share;
        -(size - mean - share).powi(2) / (2.0 * variance) - 0.5 * variance.ln()
    };
    let none = density(0.0);
    let posterior = |share: &f64| {
        let share = share * items;
        ((density(share) - none).min(50.0).exp() / width).min(1.0) * (share / size).min(1.0)
    };
    let choices = shares[..CHOICES].iter().map(posterior).enumerate();
    choices.fold((0, 0.0), |best, choice| if choice.1 > best.1 { choice } else { best }).0
}

/// How many items have each surname.
fn draw(shares: &[f64], seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let sums: Vec<f64> = shares.iter().scan(0.0, |sum, share| Some(std::mem::replace(sum, *sum + share))).collect();
    let mut items = vec![0.0; shares.len()];
    for _ in 0..ITEMS {
        let point = random.f64();
        items[sums.partition_point(|sum| *sum <= point) - 1] += 1.0;
    }
    items
}

/// The commonest surname has 0.69 %, as in a large country.
fn shares() -> Vec<f64> {
    let weights: Vec<_> = (1..=SURNAMES).map(|rank| 1.0 / (rank as f64 + 20.0)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[tokio::test]
async fn the_frequency_attack_guesses_as_many_surnames_as_promised() {
    let (seal, shares) = (seal(), shares());
    let mut sums = [Found::default(); 3];
    for tenant in ["acme", "globex", "initech"] {
        let tokens = tokens(&seal.tenant(&id(tenant)), "people", SURNAMES).await;
        for seed in 0..DRAWS {
            let items = draw(&shares, seed);
            for ((sum, bits), name) in sums.iter_mut().zip(BITS).zip(NAMES) {
                let found = attack(&tokens[name], &shares, bits, &items);
                let runs = 3.0 * DRAWS as f64;
                sum.guessed += found.guessed / runs;
                sum.of_top += found.of_top / runs;
                sum.equal += found.equal / runs;
                sum.read += found.read / runs;
                sum.read_rare += found.read_rare / runs;
            }
        }
    }
    let [exact, ten, seven] = sums;
    let within = |found: f64, low: f64, high: f64| assert!((low..=high).contains(&found), "{found}: {sums:?}");
    within(exact.guessed, 0.02, 0.06);
    within(ten.guessed, 0.0075, 0.032);
    within(seven.guessed, 0.003, 0.026);
    assert!(exact.guessed > 1.2 * seven.guessed, "{sums:?}");
    within(exact.of_top, 0.13, 0.42);
    within(ten.of_top, 0.05, 0.24);
    within(seven.of_top, 0.02, 0.2);
    within(exact.equal, 0.999_999, 1.000_001);
    within(ten.equal, 0.48, 0.55);
    within(seven.equal, 0.105, 0.13);
    within(exact.read, 46.0, 58.0);
    within(ten.read, 91.0, 112.0);
    within(seven.read, 405.0, 490.0);
    within(exact.read_rare, 1.3, 2.6);
    within(ten.read_rare, 44.0, 56.0);
    within(seven.read_rare, 366.0, 415.0);
}

#[tokio::test]
async fn tokens_of_two_tenants_tables_names_and_definitions_share_nothing() {
    const VALUES: usize = 6_400;
    let seal = seal();
    let [acme, globex] = ["acme", "globex"].map(|tenant| seal.tenant(&id(tenant)));
    let people = tokens(&acme, "people", VALUES).await;
    let (staff, others) = (tokens(&acme, "staff", VALUES).await, tokens(&globex, "people", VALUES).await);
    let pairs = [
        ("tenants", &people[NAMES[0]], &others[NAMES[0]]),
        ("tenants, 10 bits", &people[NAMES[1]], &others[NAMES[1]]),
        ("tables", &people[NAMES[0]], &staff[NAMES[0]]),
        ("tables, 10 bits", &people[NAMES[1]], &staff[NAMES[1]]),
        ("names", &people[NAMES[0]], &people[NAMES[3]]),
        ("names, 10 bits", &people[NAMES[1]], &people[NAMES[4]]),
        ("definitions", &people[NAMES[0]], &people[NAMES[1]]),
        ("definitions, both cut", &people[NAMES[1]], &people[NAMES[2]]),
    ];
    for (what, one, other) in pairs {
        // The first letter is 6 bits, so of unrelated tokens 100 begin alike; 10 is the standard deviation.
        let alike = one.iter().zip(other).filter(|(one, other)| one[..1] == other[..1]).count();
        assert!((40..=160).contains(&alike), "{what}: {alike} of {VALUES} begin alike");
    }
}
