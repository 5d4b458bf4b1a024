//! What is sensitive stands in no request, no log line, no error and no `Debug`, whatever the caller adds.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "leaks/canaries.rs"]
mod canaries;
#[path = "leaks/errors.rs"]
mod errors;
#[path = "leaks/hooks.rs"]
mod hooks;
#[path = "leaks/keys.rs"]
mod keys;
#[path = "leaks/lookups.rs"]
mod lookups;
#[path = "leaks/refusals.rs"]
mod refusals;
#[path = "leaks/repository.rs"]
mod repository;
#[path = "leaks/scene.rs"]
mod scene;
#[path = "leaks/traffic.rs"]
mod traffic;
#[path = "leaks/unique.rs"]
mod unique;

use std::io;
use std::sync::{LazyLock, Mutex};

/// Everything that any crate of this process logs, at the level of `RUST_LOG=trace`.
static LOG: LazyLock<&'static Mutex<Vec<u8>>> = LazyLock::new(|| {
    let log: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    let subscriber = subscriber.with_ansi(false).with_writer(move || Writer(log)).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

struct Writer(&'static Mutex<Vec<u8>>);

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to log; the log so far, which other tests write as well.
fn log() -> Vec<u8> {
    LOG.lock().unwrap().clone()
}

/// The lines of the log that hold `secret` in any form.
fn logged(secret: &str) -> Vec<String> {
    let (log, forms) = (log(), common::tap::forms(secret));
    let text = String::from_utf8_lossy(&log);
    // The whole at once first: it is long.
    let in_any_form = |text: &str| forms.iter().any(|form| text.contains(form.as_str()));
    if !in_any_form(&text) {
        return Vec::new();
    }
    text.lines().filter(|line| in_any_form(line)).map(str::to_owned).collect()
}

/// Fails when `secret` was logged, with the beginning and the surroundings of the first line that holds it.
fn assert_not_logged(secret: &str) {
    if let Some(line) = logged(secret).first() {
        let form = common::tap::find(line.as_bytes(), secret).unwrap();
        let at = line.find(&form).unwrap();
        let start: String = line.chars().take(200).collect();
        let around: String = line.chars().skip(line[..at].chars().count().saturating_sub(200)).take(260).collect();
        panic!("a secret was logged: {start} … {around}");
    }
}

#[test]
fn a_text_is_found_in_each_of_its_forms() {
    let secret = "canary-of-some-length";
    use common::tap::find;
    for before in 0..3 {
        for after in 0..3 {
            let text = format!("{}{secret}{}", "x".repeat(before), "y".repeat(after));
            assert!(find(aws_smithy_types::base64::encode(&text).as_bytes(), secret).is_some(), "{before} {after}");
            assert!(find(format!("{:?}", text.as_bytes()).as_bytes(), secret).is_some());
            assert!(find(text.as_bytes(), secret).is_some());
        }
    }
    assert_eq!(find(b"something else that is long enough to be searched", secret), None);
}
