//! Forms: what of a value is compared.

use std::borrow::Cow;
use std::fmt;

/// The form in which the values of a lookup are compared. It leaves the stored value alone.
///
/// ```
/// use tenantseal::schema::Form;
///
/// assert_eq!(Form::EMAIL.apply(" Ada@Example.org").as_deref(), Some("ada@example.org"));
/// assert_eq!(Form::DIGITS.apply("+49 (0)30/12-34").as_deref(), Some("490301234"));
/// assert_eq!(Form::DIGITS.apply("none"), None);
/// ```
///
/// A form's name is part of a lookup's definition, so another form makes other tokens. A form of your own must give the
/// same for a value for ever, and should change nothing when it is taken twice:
///
/// ```
/// use tenantseal::schema::Form;
///
/// pub const MONTH: Form = Form::new("month", |date| date.get(..7).map(str::to_owned));
///
/// assert_eq!(MONTH.apply("1815-12-10").as_deref(), Some("1815-12"));
/// ```
#[derive(Clone, Copy)]
pub struct Form {
    name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Exact,
    Email,
    Digits,
    Alphanumeric,
    #[cfg(feature = "unicode")]
    Text,
    Own(fn(&str) -> Option<String>),
}

impl Form {
    /// The value itself. It takes strings, numbers and binary values, and in a compound lookup booleans. Numbers are
    /// compared by value.
    pub const EXACT: Self = Self { name: "exact", kind: Kind::Exact };

    /// An e-mail address: without ASCII white space at both ends, with `A`–`Z` as `a`–`z`. Nothing else changes: providers
    /// disagree on dots and `+`.
    pub const EMAIL: Self = Self { name: "email", kind: Kind::Email };

    /// The digits `0`–`9` alone, as of a telephone number.
    pub const DIGITS: Self = Self { name: "digits", kind: Kind::Digits };

    /// The letters `A`–`Z`, as `a`–`z`, and the digits `0`–`9` alone, as of an account number.
    pub const ALPHANUMERIC: Self = Self { name: "alphanumeric", kind: Kind::Alphanumeric };

    /// Text, as in names: Unicode's compatibility caseless match, then each run of white space as one space, and none at
    /// the ends. `Straße`, `STRASSE` and `ｓｔｒａｓｓｅ` are one.
    ///
    /// Newer releases of Unicode change nothing in this for characters that were assigned when a value was written.
    #[cfg(feature = "unicode")]
    pub const TEXT: Self = Self { name: "text", kind: Kind::Text };

    /// [`TEXT`](Self::TEXT), for the derive, which does not know the features.
    #[doc(hidden)]
    #[track_caller]
    pub const fn text() -> Self {
        #[cfg(feature = "unicode")]
        return Self::TEXT;
        #[cfg(not(feature = "unicode"))]
        panic!(
            "the form `text` needs tenantseal's feature `unicode`: add it in Cargo.toml, `features = [\"unicode\"]`"
        );
    }

    /// A form of your own, `form`, which gives `None` when there is nothing to look up. It takes strings and numbers;
    /// a number is given as DynamoDB writes it.
    ///
    /// `name` tells it from your other forms and is part of every token. Two forms of one name count as one.
    pub const fn new(name: &'static str, form: fn(&str) -> Option<String>) -> Self {
        Self { name, kind: Kind::Own(form) }
    }

    /// The form of this name, if this build has it. It has none of an application's own.
    pub(in crate::schema) fn by_name(name: &str) -> Option<Self> {
        let known = [
            Self::EXACT,
            Self::EMAIL,
            Self::DIGITS,
            Self::ALPHANUMERIC,
            #[cfg(feature = "unicode")]
            Self::TEXT,
        ];
        known.into_iter().find(|form| form.name == name)
    }

    /// What is compared; `None` when there is nothing to look up. Exactly a string that is empty in this form has
    /// nothing to look up, and one for which a form of your own gives `None`.
    pub fn apply<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let formed = match self.kind {
            Kind::Exact => Cow::Borrowed(text),
            Kind::Email => lower(text.trim_matches(is_ascii_space)),
            Kind::Digits => keep(text, |letter| letter.is_ascii_digit()),
            Kind::Alphanumeric => match keep(text, |letter| letter.is_ascii_alphanumeric()) {
                Cow::Borrowed(kept) => lower(kept),
                Cow::Owned(kept) => Cow::Owned(kept.to_ascii_lowercase()),
            },
            #[cfg(feature = "unicode")]
            Kind::Text => super::text::fold(text),
            Kind::Own(form) => Cow::Owned(form(text)?),
        };
        (!formed.is_empty()).then_some(formed)
    }

    /// The name in a lookup's definition: `=` is before the name of a form of your own.
    pub fn name(&self) -> Cow<'static, str> {
        if self.is_own() { Cow::Owned(format!("={}", self.name)) } else { Cow::Borrowed(self.name) }
    }

    /// Whether it is a form of the application's own.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self.kind, Kind::Own(_))
    }

    /// Whether it is a form of one's own without a name.
    pub(super) const fn is_nameless(&self) -> bool {
        self.name.is_empty()
    }
}

/// Forms of one name are one: their tokens are alike. Two addresses of a function would say nothing.
impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        (self.is_own(), self.name) == (other.is_own(), other.name)
    }
}

impl Eq for Form {}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({})", self.name())
    }
}

/// The ASCII white space, U+0009 to U+000D and U+0020. `char::is_ascii_whitespace` lacks U+000B.
fn is_ascii_space(letter: char) -> bool {
    matches!(letter, '\t'..='\r' | ' ')
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn keep(text: &str, is_kept: fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(is_kept) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|c| is_kept(*c)).collect())
    }
}
