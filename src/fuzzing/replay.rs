//! The targets without libFuzzer: the committed corpus, then random mutations of it from a fixed seed.
//!
//! `TENANTSEAL_FUZZ_SECONDS` makes a run of that length per target, from a seed of the clock's, and prints how many inputs it took.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::TARGETS;

/// How many mutations of each target a test run makes. One of a blob or of changes takes as long as 10 of the others.
const MUTATIONS: u64 = 100_000;
const MUTATIONS_OF_LONG: u64 = 20_000;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        // Lengths and types are small numbers: half of all bytes are.
        let byte = self.next().to_be_bytes()[0];
        if byte & 1 == 0 { byte >> 1 } else { byte >> 5 }
    }

    /// A mutation of `input`, which may take pieces of `other`.
    fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let to = (at + self.below(9)).min(bytes.len());
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.byte(),
                2 => bytes.insert(at, self.byte()),
                3 => drop(bytes.drain(at..to)),
                4 => bytes.truncate(at),
                5 => {
                    let piece = bytes[at..to].to_vec();
                    let there = self.below(bytes.len() + 1);
                    bytes.splice(there..there, piece);
                }
                _ => {
                    let from = self.below(other.len() + 1);
                    let piece = &other[from..(from + self.below(24)).min(other.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        bytes
    }
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_property_holds_for_the_corpus_and_its_mutations() {
    let seconds = std::env::var("TENANTSEAL_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    for (target, property) in TARGETS {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for (path, input) in &inputs {
            let outcome = std::panic::catch_unwind(|| property(input));
            assert!(outcome.is_ok(), "{} breaks the property `{target}`", path.display());
        }
        let seed = seconds.map_or(1, |_: u64| u64::from(SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()));
        let mut random = Random(seed);
        let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let is_long = ["blob", "changes"].contains(&target);
        let (mut made, enough) = (0, if is_long { MUTATIONS_OF_LONG } else { MUTATIONS });
        while until.map_or(made < enough, |until| Instant::now() < until) {
            let (one, other) = (random.below(inputs.len()), random.below(inputs.len()));
            let input = random.mutate(&inputs[one].1, &inputs[other].1);
            let outcome = std::panic::catch_unwind(|| property(&input));
            assert!(outcome.is_ok(), "the input {input:02x?} breaks the property `{target}`");
            made += 1;
        }
        println!("{target}: {made} mutations of {} inputs, seed {seed}", inputs.len());
    }
}

#[test]
fn every_property_has_a_fuzz_target() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Other crates hold their own properties to the same.
    found.retain(|path| fs::read_to_string(path).unwrap().contains("tenantseal::fuzzing::"));
    found.sort();
    let mut expected: Vec<_> = TARGETS.iter().map(|(target, _)| format!("{target}.rs")).collect();
    expected.sort();
    assert_eq!(found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>(), expected);
}
