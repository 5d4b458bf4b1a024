//! The forms of lookups, beside Python's Unicode.

use std::collections::BTreeMap;

use tenantseal::schema::Form;

use crate::interop::python::python;

/// Letters that are written composed, decomposed, wide or in several cases, and white space.
const LETTERS: &str = "aAzZ09äÄßẞſKÅÅﬁﬃǅǆΐσςΣİıIi\u{307}\u{308}\u{323}\u{345}ᾳᾼⅧ①ｶﾞ가한\u{1100}\u{1161}\u{11a8}֑ﷺ\
                       \u{a0}\u{85}\u{1c}\u{200b}\u{2003}\u{3000}\t\n +-.@٣३";

#[tokio::test]
async fn forms_are_those_that_python_makes() {
    let Some(python) = python("forms_are_those_that_python_makes") else { return };
    let letters: Vec<char> = LETTERS.chars().collect();
    let mut random = fastrand::Rng::with_seed(13);
    let planes = ('\0'..='\u{3ffff}').chain('\u{e0000}'..='\u{e0fff}');
    let mut words: Vec<String> = planes.map(String::from).collect();
    words.extend(
        (0..200_000).map(|_| (0..random.usize(1..7)).map(|_| letters[random.usize(..letters.len())]).collect()),
    );
    let answers = python.forms(&words).await;
    assert_eq!(answers.len(), words.len());
    let known = answers.iter().flatten().count();
    assert!(known > 340_000, "Python knows most of what is assigned: {known}");
    let forms = [Form::EXACT, Form::EMAIL, Form::DIGITS, Form::ALPHANUMERIC, Form::TEXT];
    for (word, answer) in words.iter().zip(&answers).filter_map(|(word, answer)| Some((word, answer.as_ref()?))) {
        let ours: BTreeMap<_, _> = forms
            .iter()
            .map(|form| (form.name().into_owned(), form.apply(word).unwrap_or_default().into_owned()))
            .collect();
        assert_eq!(ours, *answer, "{word:?}");
    }
}
