//! What varies from run to run, made the same: ids by their order, moments, ports and access keys.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use regex::{Captures, Regex};

/// The text with everything that varies replaced by something of the same length where columns depend on it.
pub(crate) fn redact(text: &str) -> String {
    let mut seen = HashMap::new();
    let mut number = |id: &str| {
        let next = seen.len() + 1;
        *seen.entry(id.to_owned()).or_insert(next)
    };
    let uuid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let text = uuid.replace_all(text, |id: &Captures<'_>| format!("1234abcd-12ab-34cd-56ef-{:012}", number(&id[0])));
    let moment = Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
    let text = moment.replace_all(&text, |moment: &Captures<'_>| {
        let moment = DateTime::from_str(&moment[0], Format::DateTime).unwrap();
        let ahead = DateTime::from(SystemTime::now() + Duration::from_secs(86_400)) < moment;
        // What lies ahead, such as a deletion, still does so.
        if ahead { "2026-10-01T12:00:00Z" } else { "2026-09-01T12:00:00Z" }
    });
    let mut text = text.into_owned();
    for (pattern, with) in [
        (r"\b[0-9a-f]{40}\b", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        (r"\b[0-9a-f]{32}\b", "00112233445566778899aabbccddeeff"),
        (r"\b[0-9a-f]{8}…", "00112233…"),
        (r"AKIA[A-Z0-9]{16}", "AKIAIOSFODNN7EXAMPLE"),
        (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:4566"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

#[test]
fn equal_ids_stay_equal_and_different_ones_different() {
    let (a, b) = ("c9e6aeba-eb65-4caa-92fb-1b335829c2e0", "be929cb5-fc4b-4d73-819c-2a1fc700f33e");
    let redacted = redact(&format!("{a} {b} {a}"));
    let words: Vec<_> = redacted.split(' ').collect();
    assert_eq!(words[0], words[2]);
    assert_ne!(words[0], words[1]);
}
