//! What a writer was about to write and what it was told about it, in a file that outlives its process.
//!
//! A line is one `write`, so a process that is killed leaves whole lines but for the last. Only what is in the file
//! before the kill counts as acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Outcome;

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged; this many items were sealed or opened.
    Acknowledged(usize),
    /// Its condition failed.
    ConditionFailed,
    /// It failed before anything was written.
    NotSent(String),
    /// It failed, and may have happened.
    Unknown(String),
    /// It broke a promise of the library.
    Violation(String),
}

/// An entry: its tenant and its sort key.
pub(crate) type EntryKey = (String, String);

/// The revisions that an entry may have; 0 when it may be absent.
pub(crate) type Possible = Vec<u64>;

/// A writer's journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    next: AtomicU64,
}

/// One operation of the journal.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) life: u64,
    pub(crate) kind: String,
    pub(crate) tenant: String,
    /// Milliseconds since 1970.
    pub(crate) begun: u64,
    pub(crate) took: Duration,
    /// `None` when the process was killed before it knew.
    pub(crate) fate: Option<Fate>,
}

/// The content of a journal.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) entries: HashMap<EntryKey, Possible>,
    pub(crate) operations: BTreeMap<u64, Operation>,
    pub(crate) lives: u64,
    pub(crate) last: u64,
    pending: HashMap<u64, Vec<(String, u64)>>,
}

impl Journal {
    /// Opens the journal for a restarted writer, and returns its content.
    pub(crate) fn open(path: &Path) -> Outcome<(Self, History)> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let text = std::fs::read_to_string(path)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        let mut history = History::read(path)?;
        history.lives += 1;
        let journal = Self { file, next: AtomicU64::new(history.last + 1) };
        journal.line(&format!("B {}", history.lives))?;
        Ok((journal, history))
    }

    /// A number that no earlier operation or revision used.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Records, before an operation, what it will write. Returns its number.
    pub(crate) fn begin(&self, kind: &str, tenant: &str, writes: &[(String, u64)]) -> Outcome<u64> {
        let number = self.number();
        let writes: String = writes.iter().map(|(entry, revision)| format!(" {entry}={revision}")).collect();
        self.line(&format!("I {number} {kind} {tenant} {}{writes}", now()))?;
        Ok(number)
    }

    /// Records its outcome afterwards.
    pub(crate) fn end(&self, number: u64, took: Duration, fate: &Fate) -> Outcome<()> {
        let (letter, text) = match fate {
            Fate::Acknowledged(items) => ('A', items.to_string()),
            Fate::ConditionFailed => ('C', String::new()),
            Fate::NotSent(why) => ('N', why.replace('\n', " ")),
            Fate::Unknown(why) => ('U', why.replace('\n', " ")),
            Fate::Violation(what) => ('V', what.replace('\n', " ")),
        };
        self.line(&format!("{letter} {number} {} {text}", took.as_micros()))
    }

    /// Records the revision of an entry that was unknown until now.
    pub(crate) fn settle(&self, tenant: &str, entry: &str, revision: u64) -> Outcome<()> {
        self.line(&format!("S {tenant} {entry} {revision}"))
    }

    fn line(&self, text: &str) -> Outcome<()> {
        Ok((&self.file).write_all(format!("{text}\n").as_bytes())?)
    }
}

impl History {
    /// Reads a journal, except for an unfinished last line.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let mut history = Self::default();
        for line in std::fs::read_to_string(path)?.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            history.line(line).ok_or_else(|| format!("{}: not a line of a journal: {line}", path.display()))?;
        }
        Ok(history)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (letter, rest) = line.split_once(' ')?;
        match letter {
            "B" => self.lives = rest.parse().ok()?,
            "I" => self.begin(rest)?,
            "S" => {
                let [tenant, entry, revision] = words(rest)?;
                self.entries.insert((tenant.to_owned(), entry.to_owned()), vec![revision.parse().ok()?]);
            }
            _ => {
                let mut parts = rest.splitn(3, ' ');
                let number = parts.next()?.parse().ok()?;
                let took = Duration::from_micros(parts.next()?.parse().ok()?);
                let text = parts.next()?;
                let fate = match letter {
                    "A" => Fate::Acknowledged(text.parse().ok()?),
                    "C" => Fate::ConditionFailed,
                    "N" => Fate::NotSent(text.to_owned()),
                    "U" => Fate::Unknown(text.to_owned()),
                    "V" => Fate::Violation(text.to_owned()),
                    _ => return None,
                };
                self.end(number, took, fate)?;
            }
        }
        Some(())
    }

    fn begin(&mut self, rest: &str) -> Option<()> {
        let mut parts = rest.split(' ');
        let number = parts.next()?.parse().ok()?;
        let (kind, tenant) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let begun = parts.next()?.parse().ok()?;
        self.last = self.last.max(number);
        let mut writes = Vec::new();
        for write in parts {
            let (entry, revision) = write.split_once('=')?;
            let revision = revision.parse().ok()?;
            self.last = self.last.max(revision);
            add(self.entries.entry((tenant.clone(), entry.to_owned())).or_insert_with(|| vec![0]), revision);
            writes.push((entry.to_owned(), revision));
        }
        self.pending.insert(number, writes);
        let operation = Operation { life: self.lives, kind, tenant, begun, took: Duration::ZERO, fate: None };
        self.operations.insert(number, operation);
        Some(())
    }

    fn end(&mut self, number: u64, took: Duration, fate: Fate) -> Option<()> {
        let operation = self.operations.get_mut(&number)?;
        for (entry, revision) in self.pending.remove(&number)? {
            let possible = self.entries.get_mut(&(operation.tenant.clone(), entry))?;
            conclude(possible, revision, &fate);
        }
        operation.took = took;
        operation.fate = Some(fate);
        Some(())
    }
}

/// Marks that an entry may get this revision.
pub(crate) fn add(possible: &mut Possible, revision: u64) {
    if !possible.contains(&revision) {
        possible.push(revision);
    }
}

/// Applies the outcome of the write of this revision.
pub(crate) fn conclude(possible: &mut Possible, revision: u64, fate: &Fate) {
    match fate {
        Fate::Acknowledged(_) => *possible = vec![revision],
        Fate::ConditionFailed | Fate::NotSent(_) => possible.retain(|other| *other != revision),
        Fate::Unknown(_) | Fate::Violation(_) => {}
    }
    // A deletion of what may be absent.
    if possible.is_empty() {
        possible.push(0);
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split(' ').collect::<Vec<_>>().try_into().ok()
}
