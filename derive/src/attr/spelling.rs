//! Suggests what a misspelt word was probably meant to be.

/// A sentence that suggests the likely word, or lists all of them when none is near.
pub(super) fn hint(written: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|word| (distance(written, word), word)).min();
    match nearest {
        // Two slips are a typo; in a short word they make another word.
        Some((slips, word)) if slips <= 2 && slips * 2 < word.len() => format!("did you mean `{word}`?"),
        _ => format!("expected one of `{}`", known.join("`, `")),
    }
}

/// The number of letters to insert, delete, replace or swap with their neighbor (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let exchanged = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut slips = exchanged.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                slips = slips.min(rows[i - 2][j - 2] + 1);
            }
            row.push(slips);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 3] = ["encrypt", "plain", "sort_key"];

    #[test]
    fn a_slip_finds_its_word() {
        assert_eq!(hint("encrpyt", &WORDS), "did you mean `encrypt`?");
        assert_eq!(hint("encrypted", &WORDS), "did you mean `encrypt`?");
        assert_eq!(hint("plian", &WORDS), "did you mean `plain`?");
        assert_eq!(hint("sortkey", &WORDS), "did you mean `sort_key`?");
    }

    #[test]
    fn another_word_is_not_guessed_at() {
        assert_eq!(hint("hidden", &WORDS), "expected one of `encrypt`, `plain`, `sort_key`");
        assert_eq!(hint("", &WORDS), "expected one of `encrypt`, `plain`, `sort_key`");
    }
}
