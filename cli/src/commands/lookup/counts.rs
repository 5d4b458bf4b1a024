//! Reads how often values occur, a line at a time. Values are neither kept nor printed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::distribution::Tally;
use crate::errors::{Failure, Result};

/// The longest line that is read.
const LONGEST: u64 = 64 * 1024;
/// The largest count: up to here all whole numbers are exact in floating point.
const LARGEST: u64 = 1 << 53;
/// How many lines an error names.
const NAMED: usize = 5;

/// Reads a line for each value from `path`, or from stdin for `-`: `value,count`, or the count alone.
pub(super) fn read(path: &Path) -> Result<Tally> {
    let failed = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
    if path.as_os_str() == "-" {
        return tally(io::stdin().lock(), "stdin", failed);
    }
    let file = File::open(path).map_err(failed)?;
    tally(BufReader::new(file), &path.display().to_string(), failed)
}

fn tally(mut lines: impl BufRead, name: &str, failed: impl Fn(io::Error) -> Failure) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut bad = Bad::default();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if io::Read::take(&mut lines, LONGEST).read_until(b'\n', &mut line).map_err(&failed)? == 0 {
            break;
        }
        let is_whole = line.ends_with(b"\n") || (line.len() as u64) < LONGEST;
        if !is_whole {
            lines.skip_until(b'\n').map_err(&failed)?;
        }
        match count(&line).filter(|_| is_whole) {
            Some(Count::Of(count)) => tally.add(count as f64),
            Some(Count::Nothing) => {}
            Some(Count::Heading) if number == 1 => {}
            Some(Count::Heading) | None => bad.add(number),
        }
    }
    if let Some(lines) = bad.lines() {
        return Err(Failure::usage(format!("{name}: {lines}"))
            .help("a line is `value,count` or a count, and a count is a whole number up to 2^53"));
    }
    if tally.total() == 0.0 {
        return Err(Failure::usage(format!("{name}: no value has a count above 0")));
    }
    Ok(tally)
}

/// What stands after a line's last comma.
#[derive(Debug, Clone, Copy)]
enum Count {
    Of(u64),
    /// An empty line.
    Nothing,
    /// Text without a digit: the heading of a column, if it is the first line.
    Heading,
}

fn count(line: &[u8]) -> Option<Count> {
    let line = line.trim_ascii();
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    if line.is_empty() {
        return Some(Count::Nothing);
    }
    let field = line.rsplit(|byte| *byte == b',').next()?.trim_ascii();
    let field = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field);
    let count = std::str::from_utf8(field).ok()?;
    if !count.is_empty() && !count.contains(|c: char| c.is_ascii_digit()) {
        return Some(Count::Heading);
    }
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse().ok().filter(|count| digits && *count <= LARGEST).map(Count::Of)
}

/// Lines without a count: the first are named.
#[derive(Debug, Default)]
struct Bad {
    named: Vec<String>,
    more: u64,
}

impl Bad {
    fn add(&mut self, number: u64) {
        if self.named.len() < NAMED {
            self.named.push(number.to_string());
        } else {
            self.more += 1;
        }
    }

    fn lines(&self) -> Option<String> {
        let named = self.named.join(", ");
        match (self.named.len(), self.more) {
            (0, _) => None,
            (1, _) => Some(format!("line {named} has no count")),
            (_, 0) => Some(format!("lines {named} have no count")),
            (_, more) => Some(format!("lines {named} and {more} more have no count")),
        }
    }
}
