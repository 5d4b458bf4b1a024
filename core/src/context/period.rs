//! The period during which one data key of a fleet seals, as the encryption context names it.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A rotation period: `start+length` in the pair `period` of the encryption context, for example `1763683200+86400`.
///
/// Both are seconds in decimal digits without leading zeros. `start` counts from 1970 and is a multiple of `length`, so
/// that every process names the same moment alike (docs/FORMAT.md, "Period").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    start: u32,
    length: u32,
}

impl Period {
    /// The name of the pair.
    pub(crate) const NAME: &'static str = "period";
    /// The longest period, in seconds: 2 days.
    const MAX_LENGTH: u32 = 2 * 24 * 60 * 60;

    /// The period of this length, in whole seconds, that contains `now`.
    pub(crate) fn at(now: SystemTime, length: Duration) -> Option<Self> {
        let length = u32::try_from(length.as_secs()).ok().filter(|_| length.subsec_nanos() == 0)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = u32::try_from(now).ok()?;
        Self::new(now - now.checked_rem(length)?, length)
    }

    fn new(start: u32, length: u32) -> Option<Self> {
        let aligned = (1..=Self::MAX_LENGTH).contains(&length) && start.is_multiple_of(length);
        aligned.then_some(Self { start, length })
    }

    /// Reads what [`fmt::Display`] writes, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, length) = text.split_once('+')?;
        let period = Self::new(start.parse().ok()?, length.parse().ok()?)?;
        // There is one spelling: no leading zeros, no signs.
        (period.to_string() == text).then_some(period)
    }

    /// How long before `now` the period began.
    pub(crate) fn elapsed(self, now: SystemTime) -> Duration {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(self.start.into());
        now.duration_since(start).unwrap_or_default()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.start, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    proptest! {
        #[test]
        fn every_moment_is_in_its_period_and_in_no_other(now in 0..=u64::from(u32::MAX), length in 1u32..=172_800) {
            let period = Period::at(at(now), Duration::from_secs(length.into())).unwrap();
            let passed = period.elapsed(at(now));
            prop_assert!(passed < Duration::from_secs(length.into()));
            prop_assert_eq!(Period::at(at(now) - passed, Duration::from_secs(length.into())), Some(period));
            prop_assert_eq!(Period::parse(&period.to_string()), Some(period));
        }

        #[test]
        fn a_period_has_one_spelling(text in "[0-9+ ]{0,14}|0?[1-9][0-9]{0,4}\\+0?1") {
            if let Some(period) = Period::parse(&text) {
                prop_assert_eq!(period.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_not_a_period_is_refused() {
        assert_eq!(Period::parse("172800+86400").unwrap().elapsed(at(172_800 + 86_399)), Duration::from_secs(86_399));
        for text in [
            "",
            "+",
            "0",
            "0+0",
            "1+2",
            "86400",
            "86400+",
            "+86400",
            "086400+86400",
            "86400+086400",
            "86400++86400",
            "+86400+86400",
            "86401+86400",
            "0+172801",
            "86400+86400 ",
            "-86400+86400",
            "4294972800+3600",
            "86400.0+86400",
        ] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
        assert_eq!(Period::at(at(5), Duration::from_millis(1500)), None);
        assert_eq!(Period::at(at(5), Duration::ZERO), None);
    }
}
