//! DynamoDB's numbers, encoded by value and not as they are written: `1.0`, `1` and `10e-1` are the same bytes.
//!
//! A number has up to 38 significant digits and a magnitude between 1E-130 and 9.99…E+125 (DynamoDB developer guide,
//! "Naming rules and data types", Number). Grammar: `[+-] digits [. digits] [(e|E) [+-] digits]`, with at least one
//! digit before the exponent.

use std::fmt;

use super::FormatError;

/// One number: zero, or `± d₁.d₂d₃… × 10^exponent` with neither leading nor trailing zeros among its digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    sign: Sign,
    exponent: i16,
    digits: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Zero = 0,
    Negative = 1,
    Positive = 2,
}

/// Shows nothing: the number may be plaintext.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(..)")
    }
}

/// Why a text is not a number that DynamoDB stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNumber {
    /// It does not follow the grammar.
    #[error("it is not a decimal number")]
    Syntax,
    /// It has more than 38 significant digits.
    #[error("it has more than 38 significant digits")]
    Precision,
    /// Its magnitude is outside 1E-130 … 9.99E+125.
    #[error("its magnitude is outside 1E-130 to 9.99E+125")]
    Magnitude,
}

impl Number {
    const MAX_DIGITS: usize = 38;
    const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;

    /// Parses a number as a caller wrote it.
    pub fn parse(text: &str) -> Result<Self, InvalidNumber> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (coefficient, written_exponent) = match unsigned.split_once(['e', 'E']) {
            Some((coefficient, exponent)) => (coefficient, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = coefficient.split_once('.').unwrap_or((coefficient, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 || !digits().all(|b| b.is_ascii_digit()) {
            return Err(InvalidNumber::Syntax);
        }
        let length = |part: &str| i64::try_from(part.len()).map_err(|_| InvalidNumber::Syntax);
        let (whole_len, fraction_len) = (length(whole)?, length(fraction)?);

        let Some(leading) = digits().position(|b| b != b'0') else {
            // DynamoDB checks the range of zero as if its last written digit were a 1 (observed; no page of the guide
            // says so).
            let exponent = written_exponent.saturating_sub(fraction_len);
            return if Self::EXPONENTS.contains(&exponent) { Ok(Self::zero()) } else { Err(InvalidNumber::Magnitude) };
        };
        let mut significant: Vec<u8> = digits().skip(leading).collect();
        significant.truncate(significant.iter().rposition(|&b| b != b'0').map_or(0, |last| last + 1));
        if significant.len() > Self::MAX_DIGITS {
            return Err(InvalidNumber::Precision);
        }
        let leading = i64::try_from(leading).map_err(|_| InvalidNumber::Syntax)?;
        let exponent = written_exponent.saturating_add(whole_len - 1 - leading);
        if !Self::EXPONENTS.contains(&exponent) {
            return Err(InvalidNumber::Magnitude);
        }
        Ok(Self {
            sign: if negative { Sign::Negative } else { Sign::Positive },
            exponent: i16::try_from(exponent).map_err(|_| InvalidNumber::Magnitude)?,
            digits: significant,
        })
    }

    fn zero() -> Self {
        Self { sign: Sign::Zero, exponent: 0, digits: Vec::new() }
    }

    /// Whether it is negative, its exponent and its ASCII digits; `None` for zero.
    pub fn parts(&self) -> Option<(bool, i16, &[u8])> {
        let Self { sign, exponent, digits } = self;
        (*sign != Sign::Zero).then_some((*sign == Sign::Negative, *exponent, digits))
    }

    /// The number with these digits and the exponent of the first, or the integer `magnitude` when there is no
    /// exponent.
    pub fn from_parts(negative: bool, exponent: Option<i16>, magnitude: u128) -> Option<Self> {
        if magnitude == 0 {
            return (!negative && exponent.is_none()).then(Self::zero);
        }
        let written = magnitude.to_string();
        let digits = written.trim_end_matches('0').as_bytes().to_vec();
        let exponent = exponent.or_else(|| i16::try_from(written.len() - 1).ok())?;
        let sign = if negative { Sign::Negative } else { Sign::Positive };
        let fits = digits.len() <= Self::MAX_DIGITS && Self::EXPONENTS.contains(&exponent.into());
        fits.then_some(Self { sign, exponent, digits })
    }

    /// Appends `00` for zero, else `01` or `02`, the exponent as i16be and the ASCII digits.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.sign as u8);
        if self.sign != Sign::Zero {
            out.extend_from_slice(&self.exponent.to_be_bytes());
            out.extend_from_slice(&self.digits);
        }
    }

    /// Reads an encoded number, accepting nothing that [`Self::encode`] would not have written.
    pub fn decode(stored: &[u8]) -> Result<Self, FormatError> {
        let sign = match stored.first() {
            None => return Err(FormatError::Truncated),
            Some(0) if stored.len() == 1 => return Ok(Self::zero()),
            Some(1) => Sign::Negative,
            Some(2) => Sign::Positive,
            Some(_) => return Err(FormatError::NotCanonical),
        };
        let [_, high, low, digits @ ..] = stored else {
            return Err(FormatError::Truncated);
        };
        let exponent = i16::from_be_bytes([*high, *low]);
        let (Some(first), Some(last)) = (digits.first(), digits.last()) else {
            return Err(FormatError::Truncated);
        };
        let canonical = *first != b'0'
            && *last != b'0'
            && digits.len() <= Self::MAX_DIGITS
            && digits.iter().all(u8::is_ascii_digit)
            && Self::EXPONENTS.contains(&i64::from(exponent));
        if canonical { Ok(Self { sign, exponent, digits: digits.to_vec() }) } else { Err(FormatError::NotCanonical) }
    }

    /// The number as DynamoDB returns it: plain decimal notation without superfluous zeros.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(self.digits.len() + 8);
        match self.sign {
            Sign::Zero => return "0".to_owned(),
            Sign::Negative => text.push('-'),
            Sign::Positive => {}
        }
        let digits = || self.digits.iter().map(|&digit| char::from(digit));
        if self.exponent < 0 {
            text.push_str("0.");
            text.extend((1..-self.exponent).map(|_| '0'));
            text.extend(digits());
        } else {
            let whole = usize::from(self.exponent.unsigned_abs()) + 1;
            text.extend(digits().chain(std::iter::repeat('0')).take(whole));
            if self.digits.len() > whole {
                text.push('.');
                text.extend(digits().skip(whole));
            }
        }
        text
    }
}

/// An exponent is a sign and digits and fits 64 bits, as DynamoDB reads it.
fn parse_exponent(text: &str) -> Result<i64, InvalidNumber> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidNumber::Syntax);
    }
    text.parse().map_err(|_| InvalidNumber::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(text: &str) -> Result<String, InvalidNumber> {
        Number::parse(text).map(|number| number.render())
    }

    #[test]
    fn numbers_come_out_as_dynamodb_returns_them() {
        for (written, stored) in [
            ("+5", "5"),
            ("-0", "0"),
            ("+1e2", "100"),
            ("1.5E+3", "1500"),
            (".5", "0.5"),
            ("5.", "5"),
            ("00042", "42"),
            ("1.23E10", "12300000000"),
            ("-1e-2", "-0.01"),
            ("120.0450", "120.045"),
            ("0e125", "0"),
        ] {
            assert_eq!(rendered(written).as_deref(), Ok(stored), "{written}");
        }
    }

    #[test]
    fn what_dynamodb_refuses_is_refused() {
        for text in [
            "",
            ".",
            "+",
            "-",
            "e2",
            "1e",
            "1e+",
            "++5",
            "+-5",
            "1.2.3",
            "1.2e3.4",
            "0x5",
            "NaN",
            "1_000",
            " 5",
            "5 ",
            "1e9223372036854775808",
        ] {
            assert_eq!(rendered(text), Err(InvalidNumber::Syntax), "{text}");
        }
        for text in ["1e126", "0e126", "1e-131", "0.0e-130", "10e9223372036854775807", "0.01e-9223372036854775808"] {
            assert_eq!(rendered(text), Err(InvalidNumber::Magnitude), "{text}");
        }
        assert_eq!(rendered(&"9".repeat(39)), Err(InvalidNumber::Precision));
        assert!(rendered(&format!("{}000", "9".repeat(38))).is_ok());
    }

    #[test]
    fn no_number_is_read_that_would_not_have_been_written() {
        for stored in [
            &b""[..],
            b"\0\0",
            b"\x03\0\0" as &[u8],
            b"\x02\0\0",
            b"\x02\0",
            b"\x02\0\x000",
            b"\x02\0\x0010",
            b"\x02\0\x00a",
            b"\x02\x00\x7e1",
        ] {
            assert!(Number::decode(stored).is_err(), "{stored:?}");
        }
    }

    proptest! {
        #[test]
        fn encoding_is_by_value(digits in "[1-9][0-9]{0,20}", shift in 0usize..20, pad in 0usize..5, negative: bool) {
            let sign = if negative { "-" } else { "" };
            let plain = format!("{sign}{digits}{}", "0".repeat(shift));
            let scientific = format!("{sign}{}{digits}.{}e{shift}", "0".repeat(pad), "0".repeat(pad));
            let (plain, scientific) = (Number::parse(&plain).unwrap(), Number::parse(&scientific).unwrap());
            prop_assert_eq!(&plain, &scientific);
            let mut stored = Vec::new();
            plain.encode(&mut stored);
            prop_assert_eq!(Number::decode(&stored).unwrap(), plain);
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_not_at_all(stored: Vec<u8>) {
            if let Ok(number) = Number::decode(&stored) {
                let mut again = Vec::new();
                number.encode(&mut again);
                prop_assert_eq!(again, stored);
                prop_assert_eq!(Number::parse(&number.render()).unwrap(), number);
            }
        }
    }
}
