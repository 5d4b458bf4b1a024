//! The eight `rename_all` rules, as serde applies them to fields.

/// How serde turns a field's name into the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenameRule {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl RenameRule {
    /// The rules, by serde's names for them.
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("lowercase", Self::Lower),
        ("UPPERCASE", Self::Upper),
        ("PascalCase", Self::Pascal),
        ("camelCase", Self::Camel),
        ("snake_case", Self::Snake),
        ("SCREAMING_SNAKE_CASE", Self::ScreamingSnake),
        ("kebab-case", Self::Kebab),
        ("SCREAMING-KEBAB-CASE", Self::ScreamingKebab),
    ];

    /// The rule that serde calls `name`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(known, rule)| (known == name).then_some(rule))
    }

    /// The stored name of a field.
    ///
    /// serde assumes that a field is written in snake case. So `lowercase` and `snake_case` change nothing, not even in
    /// `already_Camel`, and only underscores begin a word.
    pub(crate) fn apply(self, field: &str) -> String {
        match self {
            Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => field.split('_').map(|word| with_first(word, char::to_ascii_uppercase)).collect(),
            Self::Camel => with_first(&Self::Pascal.apply(field), char::to_ascii_lowercase),
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

/// The word with its first letter changed.
fn with_first(word: &str, change: fn(&char) -> char) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| change(&first)).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn names(field: &str, expected: [&str; 8]) {
        assert_eq!(RenameRule::ALL.map(|(_, rule)| rule.apply(field)), expected);
    }

    #[test]
    fn rules_apply_as_serde_applies_them() {
        names("a", ["a", "A", "A", "a", "a", "A", "a", "A"]);
        names("ab_c", ["ab_c", "AB_C", "AbC", "abC", "ab_c", "AB_C", "ab-c", "AB-C"]);
        names("field_1", ["field_1", "FIELD_1", "Field1", "field1", "field_1", "FIELD_1", "field-1", "FIELD-1"]);
        names("_ab", ["_ab", "_AB", "Ab", "ab", "_ab", "_AB", "-ab", "-AB"]);
        names("ab_", ["ab_", "AB_", "Ab", "ab", "ab_", "AB_", "ab-", "AB-"]);
        names("is_Ab", ["is_Ab", "IS_AB", "IsAb", "isAb", "is_Ab", "IS_AB", "is-Ab", "IS-AB"]);
    }

    #[test]
    fn names_that_serde_itself_trips_over_do_not_panic() {
        names("__", ["__", "__", "", "", "__", "__", "--", "--"]);
        names("été_à", ["été_à", "éTé_à", "étéà", "étéà", "été_à", "éTé_à", "été-à", "éTé-à"]);
    }

    #[test]
    fn a_rule_has_exactly_one_spelling() {
        assert_eq!(RenameRule::parse("camelCase"), Some(RenameRule::Camel));
        assert_eq!(RenameRule::parse("CamelCase"), None);
        assert_eq!(RenameRule::parse(""), None);
    }
}
