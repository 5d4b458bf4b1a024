//! Escapes untrusted text: a terminal must not obey it, nor show it as a line of ours.
//!
//! Anyone may have written the registry, stored items, key policies and AWS's messages. Every print of them goes
//! through [`Visible`]. [`harmless`] and [`harmless_json`] filter all output once more.

use std::fmt::{self, Display, Write};

/// One line with everything escaped that a terminal obeys: control characters, line breaks, and characters that change
/// the direction of text or hide it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visible<T>(pub(crate) T);

impl<T: Display> Display for Visible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if is_obeyed(c) { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}

/// Escapes a text of ours, except for line breaks and colors.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_obeyed) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if rest.starts_with(['\n', '\t']) { 1 } else { color(rest) };
        if length > 0 {
            shown.push_str(&rest[..length]);
            rest = &rest[length..];
        } else if let Some(obeyed) = rest.chars().next() {
            shown.extend(obeyed.escape_default());
            rest = &rest[obeyed.len_utf8()..];
        }
    }
    shown + rest
}

/// The length of the SGR sequence at the beginning of a text, such as `ESC [ 1 ; 31 m`.
fn color(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    match parameters.find(|c: char| !c.is_ascii_digit() && c != ';') {
        Some(end) if parameters[end..].starts_with('m') => "\u{1b}[".len() + end + "m".len(),
        _ => 0,
    }
}

/// The same JSON: characters that a terminal obeys occur only in its strings, and are escaped there.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_obeyed(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a terminal does more with a character than show it (Unicode's category Cc, and those of Cf that move or hide
/// text).
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_that_others_write_is_obeyed(text in any::<String>()) {
            prop_assert!(!Visible(&text).to_string().contains(is_obeyed));
            let ours = harmless(&format!("\u{1b}[1m{}\u{1b}[0m\n", Visible(&text)));
            let ours = ours.strip_prefix("\u{1b}[1m").and_then(|ours| ours.strip_suffix("\u{1b}[0m\n")).unwrap();
            prop_assert_eq!(ours, Visible(&text).to_string());
        }

        #[test]
        fn json_stays_the_same_json(text in any::<String>()) {
            let json = serde_json::to_string(&[&text]).unwrap();
            let shown = harmless_json(&json);
            prop_assert!(!shown.contains(is_obeyed));
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [text]);
        }

        #[test]
        fn what_came_by_is_not_obeyed_either(text in "[\u{1b}\\[\\]\u{9b}0-9;mJ\u{202e}\n]{0,12}") {
            let shown = harmless(&text);
            let left = shown.split('\u{1b}').skip(1).all(|after| color(&format!("\u{1b}{after}")) > 0);
            prop_assert!(left && !shown.contains(['\u{9b}', '\u{202e}']), "{:?}", shown);
        }
    }

    #[test]
    fn what_is_obeyed_is_spelt_and_other_text_is_left() {
        for (text, shown) in [
            ("\u{1b}]0;x\u{7}", r"\u{1b}]0;x\u{7}"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{202e}gnp.exe", r"\u{202e}gnp.exe"),
            ("é ü 電話 🙂 ↗", "é ü 電話 🙂 ↗"),
        ] {
            assert_eq!(Visible(text).to_string(), shown);
        }
        assert_eq!(harmless("\u{1b}[1;31mred\u{1b}[0m\n\u{1b}[2J\r"), "\u{1b}[1;31mred\u{1b}[0m\n\\u{1b}[2J\\r");
    }
}
