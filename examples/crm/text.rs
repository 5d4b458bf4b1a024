//! Text that lines up in a terminal, whatever script it is in.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

/// `text` and spaces up to `width` columns.
pub(crate) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Spaces and `text`, together `width` columns.
pub(crate) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// `text` on one line, cut to `width` columns.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let line = text.replace(char::is_control, " ");
    if line.width() <= width {
        return line;
    }
    // A prefix may be wider than the next longer one, where characters join into an emoji: so measure each.
    let ends = line.char_indices().map(|(at, _)| at);
    let end = ends.take_while(|&end| line[..end].width() < width).last().unwrap_or_default();
    format!("{}…", &line[..end])
}

/// `text` in lines of at most `width` columns, broken at spaces.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `1,234,567`.
pub(crate) fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12 ms`, or `1.23 s` from a second on.
pub(crate) fn duration(taken: Duration) -> String {
    if taken < Duration::from_secs(1) {
        format!("{} ms", taken.as_millis())
    } else {
        format!("{:.2} s", taken.as_secs_f64())
    }
}
