//! The attack that a plan reckons with. A reader of the table knows how often each value occurs, and names values by
//! the sizes of tokens.
//!
//! It is simulated, from fixed seeds: the same plan has the same answer.

use serde::Serialize;

use super::distribution::Distribution;

/// The bits of an exact lookup, which keeps the whole token.
pub(super) const EXACT: u32 = 128;
/// Tables that are simulated. The answer is the mean.
pub(super) const RUNS: u64 = 20;
/// The most values that are simulated one by one. The others, the rarest, only fill tokens up; none is guessed.
pub(super) const VALUES: usize = 1 << 16;
/// The commonest values, whose items are also counted apart.
const COMMONEST: usize = 20;
/// Of fewer items that have one of the commonest values, the part that is guessed is chance.
const ENOUGH: f64 = 100.0;
/// The values that a guess by probability chooses from.
const CHOICES: usize = 100;
/// From here on a normal distribution stands for Poisson's.
const NORMAL: f64 = 30.0;

/// The part of the items whose values are guessed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Guessed {
    /// Of all items.
    pub(super) guessed: f64,
    /// Of the items that have one of the 20 commonest values. `None` if these are too few to say.
    pub(super) guessed_of_commonest: Option<f64>,
}

/// What is guessed with each number of bits, of `items` items.
pub(super) fn guess(distribution: &Distribution, items: f64, bits: &[u32]) -> Vec<Guessed> {
    let mut sums = vec![Hits::default(); bits.len()];
    for seed in 0..RUNS {
        let mut table = Table::draw(distribution, items, fastrand::Rng::with_seed(seed));
        for (sum, bits) in sums.iter_mut().zip(bits) {
            let hits = table.guess(*bits);
            sum.all += hits.all;
            sum.of_commonest += hits.of_commonest;
        }
    }
    let is_enough = items * distribution.share_of(COMMONEST as u64) >= ENOUGH;
    let mean = |sum: Hits| Guessed {
        guessed: sum.all / RUNS as f64,
        guessed_of_commonest: is_enough.then(|| sum.of_commonest / RUNS as f64),
    };
    sums.into_iter().map(mean).collect()
}

/// The part of a table's items whose values are guessed: of all, and of those with one of the commonest values.
#[derive(Debug, Clone, Copy, Default)]
struct Hits {
    all: f64,
    of_commonest: f64,
}

/// A simulated table, as its items' values and tokens.
struct Table<'a> {
    distribution: &'a Distribution,
    items: f64,
    /// The commonest first.
    values: Vec<Value>,
    /// The share of all values that are not simulated one by one.
    rest: f64,
    random: fastrand::Rng,
}

struct Value {
    share: f64,
    items: f64,
    /// The whole token, of which `bits` are kept.
    token: u32,
}

impl<'a> Table<'a> {
    fn draw(distribution: &'a Distribution, items: f64, mut random: fastrand::Rng) -> Self {
        let mut values = Vec::new();
        let mut rest = 0.0;
        for class in &distribution.classes {
            let room = VALUES - values.len();
            let simulated = class.values.min(room as u64);
            for _ in 0..simulated {
                let items = draw(&mut random, items * class.share);
                values.push(Value { share: class.share, items, token: random.u32(..) });
            }
            rest += (class.values - simulated) as f64 * class.share;
        }
        Self { distribution, items, values, rest, random }
    }

    /// The best of three guesses: by rank, by probability, and always the commonest value.
    fn guess(&mut self, bits: u32) -> Hits {
        let tokens = if bits == EXACT { self.exact() } else { self.tokens(bits) };
        let all = self.values.iter().map(|value| value.items).sum::<f64>() + self.items * self.rest;
        let commonest = self.values.iter().take(COMMONEST).map(|value| value.items).sum::<f64>();
        // Of a table without items nothing is known but how often values occur.
        let part = |of: f64, whole: f64| if whole > 0.0 { of / whole } else { self.distribution.peak };
        let hits = |guesses: &[usize]| {
            let items = |value: &usize| self.values[*value].items;
            let hits: f64 = guesses.iter().map(items).sum();
            let of_commonest: f64 = guesses.iter().filter(|value| **value < COMMONEST).map(items).sum();
            Hits { all: part(hits, all), of_commonest: part(of_commonest, commonest) }
        };
        let ways = [self.by_rank(&tokens), self.by_probability(&tokens, bits), vec![0]];
        let guesses = ways.iter().map(|guesses| hits(guesses));
        guesses.reduce(|best, other| if other.all > best.all { other } else { best }).unwrap_or_default()
    }

    /// Each value has a token of its own.
    fn exact(&self) -> Tokens {
        let of_value: Vec<_> = (0..self.values.len()).collect();
        let items = self.values.iter().map(|value| value.items).collect();
        let order = self.values.iter().map(|value| value.token).collect();
        Tokens { of_value, items, order }
    }

    fn tokens(&mut self, bits: u32) -> Tokens {
        let width = 1_u32 << bits;
        let of_value: Vec<_> = self.values.iter().map(|value| (value.token >> (u32::BITS - bits)) as usize).collect();
        let mean = self.items * self.rest / f64::from(width);
        let mut items: Vec<_> = (0..width).map(|_| draw(&mut self.random, mean)).collect();
        for (value, token) in self.values.iter().zip(&of_value) {
            items[*token] += value.items;
        }
        let order = (0..width).collect();
        Tokens { of_value, items, order }
    }

    /// Frequency analysis: the largest token has the commonest value, and so on. Gives the values that it gets right.
    fn by_rank(&self, tokens: &Tokens) -> Vec<usize> {
        let mut ranked: Vec<_> = (0..tokens.items.len()).filter(|token| tokens.items[*token] > 0.0).collect();
        ranked.sort_by(|a, b| {
            tokens.items[*b].total_cmp(&tokens.items[*a]).then(tokens.order[*a].cmp(&tokens.order[*b]))
        });
        let ranks = tokens.of_value.iter().zip(ranked).enumerate();
        ranks.filter(|(_, (own, ranked))| *own == ranked).map(|(value, _)| value).collect()
    }

    /// Bayes: a token has the value that most probably is a large part of its items. Gives the values that it gets
    /// right.
    fn by_probability(&self, tokens: &Tokens, bits: u32) -> Vec<usize> {
        let width = f64::from(bits).exp2();
        let Distribution { values, equal, .. } = *self.distribution;
        let mean = self.items / width.min(values);
        let variance = if width < values { self.items * self.items * equal / width + mean } else { mean + 1.0 };
        let density = |items: f64, share: f64| {
            let variance = variance + share;
            -(items - mean - share).powi(2) / (2.0 * variance) - 0.5 * variance.ln()
        };
        let choices = &self.values[..self.values.len().min(CHOICES)];
        let choice = |items: f64| {
            let mut best = (0.0, 0);
            for (value, Value { share, .. }) in choices.iter().enumerate() {
                let share = share * self.items;
                let ratio = (density(items, share) - density(items, 0.0)).min(50.0).exp() / width;
                let probability = ratio.min(1.0) * (share / items).min(1.0);
                if probability > best.0 {
                    best = (probability, value);
                }
            }
            best.1
        };
        let is_right = |value: &usize| {
            let items = tokens.items[tokens.of_value[*value]];
            items > 0.0 && choice(items) == *value
        };
        (0..choices.len()).filter(is_right).collect()
    }
}

/// The tokens that are stored.
struct Tokens {
    /// By value.
    of_value: Vec<usize>,
    /// By token.
    items: Vec<f64>,
    /// By token: decides between tokens of one size, and has nothing to do with values.
    order: Vec<u32>,
}

/// A random count: Poisson's distribution, or a normal one where the mean is large.
fn draw(random: &mut fastrand::Rng, mean: f64) -> f64 {
    if mean >= NORMAL {
        // Box and Muller.
        let (radius, angle) = (1.0 - random.f64(), random.f64());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        return (mean + mean.sqrt() * normal).round().max(0.0);
    }
    // Knuth.
    let end = (-mean).exp();
    let mut product = random.f64();
    let mut count = 0.0;
    while product > end {
        product *= random.f64();
        count += 1.0;
    }
    count
}
