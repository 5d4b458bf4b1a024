//! Forms: what of a value is compared.

use proptest::prelude::*;
use tenantseal::schema::Form;

const FORMS: [Form; 5] = [Form::EXACT, Form::EMAIL, Form::DIGITS, Form::ALPHANUMERIC, Form::TEXT];

#[test]
fn a_form_keeps_what_makes_two_values_one() {
    for (form, text, formed) in [
        (Form::EXACT, " Ada ", " Ada "),
        (Form::EMAIL, " Ada@Example.org", "ada@example.org"),
        (Form::EMAIL, "\t\n\u{b}\u{c}\r ada@x.org \r\u{c}\u{b}\n\t", "ada@x.org"),
        // Nothing else is trimmed or folded.
        (Form::EMAIL, "\u{a0}Ä.B+C@x.org\u{1c}", "\u{a0}Ä.b+c@x.org\u{1c}"),
        (Form::DIGITS, "+49 (0)30/12-34", "490301234"),
        (Form::DIGITS, "١2３", "2"),
        (Form::ALPHANUMERIC, "DE89 3704 0044", "de8937040044"),
        (Form::ALPHANUMERIC, "é-A\u{ff21}", "a"),
        (Form::TEXT, "Straße", "strasse"),
        (Form::TEXT, "ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        (Form::TEXT, "\u{fb01}n \u{a0} \u{2167}", "fin viii"),
        (Form::TEXT, "İstanbul", "i\u{307}stanbul"),
        (Form::TEXT, "\u{ff2c}\u{ff4f}\u{ff56}\u{ff45}", "love"),
        (Form::TEXT, "Mu\u{308}ller", "müller"),
        (Form::TEXT, "\u{85}Ada\u{2028}\u{3000} Lovelace\t", "ada lovelace"),
        // No White_Space, though Python's `str.isspace` has it, and no letter of U+2800 or U+200B is one.
        (Form::TEXT, "a\u{1c}b\u{200b}c\u{2800}d", "a\u{1c}b\u{200b}c\u{2800}d"),
    ] {
        assert_eq!(form.apply(text).as_deref(), Some(formed), "{form:?} {text:?}");
    }
}

#[test]
fn there_is_nothing_to_look_up_in_what_is_empty_in_its_form() {
    for (form, text) in [
        (Form::EXACT, ""),
        (Form::EMAIL, " \t\r\n"),
        (Form::DIGITS, "none"),
        (Form::ALPHANUMERIC, "-äöü-"),
        (Form::TEXT, "\u{3000}\u{85}"),
        (Form::new("own", |_| None), "a"),
        (Form::new("own", |_| Some(String::new())), "a"),
    ] {
        assert_eq!(form.apply(text), None, "{form:?} {text:?}");
    }
}

#[test]
fn a_form_is_known_by_its_name() {
    let own = |name| Form::new(name, |text| Some(text.to_owned()));
    assert_eq!(FORMS.map(|form| form.name().into_owned()), ["exact", "email", "digits", "alphanumeric", "text"]);
    assert_eq!(own("email").name(), "=email");
    assert_ne!(own("email"), Form::EMAIL);
    assert_ne!(own("email"), own("mail"));
    assert_eq!(own("email"), own("email"));
}

/// Text of whatever characters, of those that are written composed, decomposed, wide or in several cases, and of white
/// space.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        any::<char>(),
        proptest::sample::select(
            "aAäÄßẞ ſKÅÅﬁﬃǅΐσςΣİıIi\u{307}\u{308}\u{345}ᾳⅧｶﾞ한글\u{1100}\u{1161}\u{3000}\t\u{85}+-.@0٣"
                .chars()
                .collect::<Vec<_>>()
        ),
    ];
    proptest::collection::vec(letter, 0..8).prop_map(|letters| letters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_form_taken_twice_changes_nothing(text in text()) {
        for form in FORMS {
            if let Some(once) = form.apply(&text) {
                prop_assert_eq!(form.apply(&once), Some(once.clone()), "{:?}", form);
            }
        }
    }

    #[test]
    fn case_and_width_are_one_in_text(text in "[ -~]{1,8}") {
        let wide = |letter: char| match letter {
            ' ' => '\u{3000}',
            '!'..='~' => char::from_u32(u32::from(letter) + 0xfee0).unwrap_or(letter),
            _ => letter,
        };
        let formed = Form::TEXT.apply(&text).map(|formed| formed.into_owned());
        let same = [text.to_uppercase(), text.to_lowercase(), text.chars().map(wide).collect(), format!(" {text}\t")];
        for other in same {
            prop_assert_eq!(Form::TEXT.apply(&other).map(|formed| formed.into_owned()), formed.clone(), "{}", other);
        }
    }
}
