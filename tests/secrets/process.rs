//! A process that uses keys and then evicts them, and is scanned from outside.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::needles::Needle;

/// Set in the process that is scanned.
const ROLE: &str = "TENANTSEAL_SCANNED_PROCESS";

/// Whether this is the process that is scanned, and not the one that scans: each test that scans plays both parts.
pub(crate) fn is_scanned() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// A test of this binary, run again in a process of its own, which stops at certain points until it is told to go on.
pub(crate) struct Scanned {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// How often a needle was found in the memory of the process.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    pub(crate) in_use: usize,
    pub(crate) evicted: usize,
}

impl Scanned {
    pub(crate) fn start(test: &str, environment: Vec<(&'static str, String)>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(ROLE, "1").envs(environment);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Waits until the process has come to this point.
    fn reaches(&mut self, point: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the process ended before it came to {point}");
            if line.trim_end().ends_with(&format!("at {point}")) {
                return;
            }
        }
    }

    /// How often each needle is in memory while its key is in use, and after its eviction. `needles` are asked for when
    /// the key is in use.
    pub(crate) fn scan(mut self, needles: impl FnOnce() -> Vec<Needle>) -> Vec<Found> {
        self.reaches("use");
        let needles = needles();
        let in_use = self.count(&needles);
        self.goes_on();
        self.reaches("eviction");
        let evicted = self.count(&needles);
        self.goes_on();
        let counts = needles.into_iter().zip(in_use).zip(evicted);
        counts
            .map(|((Needle { name, .. }, in_use), evicted)| {
                println!("{name}: {in_use} in use, {evicted} after the eviction");
                Found { name, in_use, evicted }
            })
            .collect()
    }

    fn goes_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// How often each needle is in the memory that the process can write.
    fn count(&self, needles: &[Needle]) -> Vec<usize> {
        let id = self.child.id();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let mut memory = File::open(format!("/proc/{id}/mem")).expect("a parent may read its child's memory");
        let mut counts = vec![0; needles.len()];
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            memory.seek(SeekFrom::Start(start)).unwrap();
            if memory.read_exact(&mut bytes).is_err() {
                continue;
            }
            for (count, needle) in counts.iter_mut().zip(needles) {
                *count += occurrences(&bytes, &needle.bytes);
            }
        }
        counts
    }
}

impl Drop for Scanned {
    fn drop(&mut self) {
        // It has ended by itself unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn occurrences(bytes: &[u8], needle: &[u8]) -> usize {
    let first = needle[0];
    let mut found = 0;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        rest = &rest[at..];
        found += usize::from(rest.starts_with(needle));
        rest = &rest[1..];
    }
    found
}

/// In the process that is scanned: stops here until the other goes on.
pub(crate) fn stop_at(point: &str) {
    println!("at {point}");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
