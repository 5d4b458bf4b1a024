//! How often values occur, in bounded memory: values that occur about equally often are counted together.

use std::collections::BTreeMap;

/// Bits of a weight that tell classes apart: sign, exponent and 10 bits of the mantissa. So the weights of one class
/// differ by less than 0.1 %, and whole numbers up to 2^11 have a class each.
const CLASS_SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - 10;

/// Values that occur about equally often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    pub(super) values: u64,
    /// Of all items, the part that has one of these values: each of them.
    pub(super) share: f64,
}

/// How often values occur.
#[derive(Debug)]
pub(super) struct Distribution {
    /// The commonest first.
    pub(super) classes: Vec<Class>,
    pub(super) values: f64,
    /// The share of the commonest value.
    pub(super) peak: f64,
    /// The probability that two items have equal values.
    pub(super) equal: f64,
}

impl Distribution {
    /// Value r occurs in proportion to r^-`exponent`, for r from 1 to `values`.
    pub(super) fn zipf(exponent: f64, values: u32) -> Self {
        let mut tally = Tally::default();
        (1..=values).for_each(|rank| tally.add(f64::from(rank).powf(-exponent)));
        tally.shares()
    }

    /// All values occur equally often.
    pub(super) fn uniform(values: u64) -> Self {
        let share = 1.0 / values as f64;
        Self { classes: vec![Class { values, share }], values: values as f64, peak: share, equal: share }
    }

    /// −log2 of the share of the commonest value.
    pub(super) fn min_entropy(&self) -> f64 {
        (1.0 / self.peak).log2()
    }

    /// The share of so many of the commonest values together.
    pub(super) fn share_of(&self, mut values: u64) -> f64 {
        let mut share = 0.0;
        for class in &self.classes {
            let taken = class.values.min(values);
            share += class.share * taken as f64;
            values -= taken;
        }
        share
    }

    /// How many values are expected to occur among `items`.
    pub(super) fn occurring(&self, items: f64) -> f64 {
        let occurs = |class: &Class| -(items * (-class.share).ln_1p()).exp_m1();
        self.classes.iter().map(|class| class.values as f64 * occurs(class)).sum()
    }
}

/// Counts values by their weights.
#[derive(Debug, Default)]
pub(super) struct Tally {
    classes: BTreeMap<u64, (u64, f64)>,
    total: f64,
    squares: f64,
    most: f64,
}

impl Tally {
    /// Adds a value. One without weight does not occur.
    pub(super) fn add(&mut self, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let (values, weights) = self.classes.entry(weight.to_bits() >> CLASS_SHIFT).or_default();
        *values += 1;
        *weights += weight;
        self.total += weight;
        self.squares += weight * weight;
        self.most = self.most.max(weight);
    }

    pub(super) fn total(&self) -> f64 {
        self.total
    }

    /// The weights are shares of one distribution.
    pub(super) fn shares(self) -> Distribution {
        let equal = self.squares / (self.total * self.total);
        self.with_equal(equal)
    }

    /// The weights are counts of items. How probably two of these items have equal values is estimated without bias:
    /// where all values are unique, it is 0.
    pub(super) fn counts(self) -> Distribution {
        let pairs = self.total * (self.total - 1.0);
        let equal = if pairs > 0.0 { ((self.squares - self.total) / pairs).max(0.0) } else { 0.0 };
        self.with_equal(equal)
    }

    fn with_equal(self, equal: f64) -> Distribution {
        let Self { classes, total, squares: _, most } = self;
        let class = |(values, weights)| Class { values, share: weights / values as f64 / total };
        let classes: Vec<_> = classes.into_values().rev().map(class).collect();
        let values = classes.iter().map(|class| class.values as f64).sum();
        Distribution { classes, values, peak: most / total, equal }
    }
}
