//! The formulae: what a look-up reads, and what the tokens show, by `bits`.

use serde::Serialize;

use super::attack::{EXACT, Guessed};
use super::distribution::Distribution;

/// The bits that the table has rows for.
pub(super) const BITS: [u32; 14] = [EXACT, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4];
/// The fewest and the most bits that a lookup can be declared with, other than 128.
const DECLARED: (u32, u32) = (3, 40);
/// A value stands out in a token that has more than so many times the items of the mean token.
const PEAK: f64 = 2.0;
/// Up to so many values a type counts as one of few values, as `u8` does where lookups are declared.
const FEW: f64 = 256.0;
/// A value that no more items have does not stand out.
const HARDLY: f64 = 4.0;

/// A lookup with so many bits.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Row {
    pub(super) bits: u32,
    /// Items that a look-up reads, on average over the items whose values are asked for.
    pub(super) read: f64,
    /// The same for a value that one item has.
    pub(super) read_rare: f64,
    /// Items of the commonest value's token ÷ items of the mean token.
    pub(super) peak: f64,
    /// The probability that two items with equal tokens have equal values. `None` if no two values are equal.
    pub(super) equal: Option<f64>,
    #[serde(flatten)]
    pub(super) guessed: Guessed,
}

impl Row {
    pub(super) fn rounded(self) -> Self {
        let Self { bits, read, read_rare, peak, equal, guessed: Guessed { guessed, guessed_of_commonest } } = self;
        let guessed = Guessed { guessed: rounded(guessed), guessed_of_commonest: guessed_of_commonest.map(rounded) };
        let [read, read_rare, peak] = [read, read_rare, peak].map(rounded);
        Self { bits, read, read_rare, peak, equal: equal.map(rounded), guessed }
    }
}

/// To 6 digits after the point: more are noise.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// Items of one tenant, and how often their values occur.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) items: f64,
    pub(super) distribution: &'a Distribution,
}

impl Planned<'_> {
    /// With N items, P the probability that two of them have equal values, f the share of the commonest value, b bits:
    ///
    /// - read = 1 + (N − 1) × (P + (1 − P) / 2^b): the item itself, others with its value, others with its token
    /// - read for a rare value = 1 + (N − 1) / 2^b
    /// - peak = T × (f + (1 − f) / 2^b), where T = 2^b × (1 − e^(−V / 2^b)) tokens occur for the V values that occur
    /// - equal values, given equal tokens = P / (P + (1 − P) / 2^b)
    pub(super) fn row(self, bits: u32, guessed: Guessed) -> Row {
        let collision = token_collision(bits);
        let Distribution { equal, .. } = *self.distribution;
        let others = self.items - 1.0;
        let same_token = equal + (1.0 - equal) * collision;
        Row {
            bits,
            read: 1.0 + others * same_token,
            read_rare: 1.0 + others * collision,
            peak: self.peak(bits),
            equal: (equal > 0.0).then(|| equal / same_token),
            guessed,
        }
    }

    fn peak(self, bits: u32) -> f64 {
        let collision = token_collision(bits);
        let tokens = -(-self.distribution.occurring(self.items) * collision).exp_m1() / collision;
        let share = self.distribution.peak;
        (tokens * (share + (1.0 - share) * collision)).max(1.0)
    }

    /// The most bits with which the commonest value is at most half of its token's items, or not above the mean
    /// otherwise.
    pub(super) fn most_bits(self) -> Option<u32> {
        let (fewest, most) = DECLARED;
        let hides = |bits: &u32| self.peak(*bits) <= PEAK;
        if hides(&EXACT) { Some(EXACT) } else { (fewest..=most).rev().find(hides) }
    }

    pub(super) fn advice(self) -> Advice {
        let Distribution { values, peak, .. } = *self.distribution;
        match self.most_bits() {
            _ if values <= FEW => Advice::FewValues,
            _ if peak * self.items <= HARDLY => Advice::Unique,
            Some(EXACT) => Advice::Even,
            Some(bits) => Advice::Bits(bits),
            None => Advice::TooCommon,
        }
    }
}

/// The probability that two different values have equal tokens.
fn token_collision(bits: u32) -> f64 {
    (-f64::from(bits)).exp2()
}

/// What to declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Advice {
    /// No single lookup hides so few values.
    FewValues,
    /// Nor one that so many items have.
    TooCommon,
    /// No value occurs more than a few times.
    Unique,
    /// Values repeat, and none occurs much more often than others.
    Even,
    /// As many bits.
    Bits(u32),
}
