//! Zipf's law with exponent 1: a few tenants are busy, most are quiet.

/// Draws numbers below a bound, small ones more often.
#[derive(Debug, Clone)]
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    /// Numbers below `count`, which is at least 1.
    pub(crate) fn below(count: usize) -> Self {
        let mut sum = 0.0;
        let weights = std::iter::successors(Some(1.0), |rank| Some(rank + 1.0)).take(count.max(1));
        Self(
            weights
                .map(|rank: f64| {
                    sum += rank.recip();
                    sum
                })
                .collect(),
        )
    }

    /// The next number.
    pub(crate) fn draw(&self, random: &mut fastrand::Rng) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        let point = random.f64() * total;
        self.0.partition_point(|sum| *sum < point).min(self.0.len() - 1)
    }
}
