//! What was measured, as it is kept in `docs/peers/peers.json`, and the page that shows it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::item::SHAPES;

/// Everything. `aws_lc` and `build` are measured on their own, and kept between runs.
#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    pub machine: String,
    pub peer: String,
    pub speed: Vec<Speed>,
    pub puts: Vec<Puts>,
    pub query: Vec<Query>,
    #[serde(default)]
    pub found: Vec<Found>,
    /// tenantseal on AWS-LC, and the same primitives as in `speed`.
    #[serde(default)]
    pub aws_lc: Vec<Speed>,
    pub build: Vec<Build>,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contender {
    Floor,
    Ours,
    PeerUnsigned,
    PeerSigned,
}

impl Contender {
    /// As tables and chart call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Floor => "primitives alone",
            Self::Ours => "tenantseal",
            Self::PeerUnsigned => "DB-ESDK, no signatures",
            Self::PeerSigned => "DB-ESDK, default",
        }
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Seal,
    Open,
}

impl Direction {
    pub fn title(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Open => "open",
        }
    }
}

/// One contender on one item; medians over the rounds.
#[derive(Serialize, Deserialize)]
pub struct Speed {
    pub item: String,
    pub title: String,
    pub direction: Direction,
    pub contender: Contender,
    /// CPU time of one operation on one thread, in microseconds.
    pub cpu_us: f64,
    /// The same by the clock on the wall.
    pub wall_us: f64,
    /// Operations a second on one thread.
    pub per_second: f64,
    /// Operations a second of two threads together.
    pub per_second_two_threads: f64,
    /// CPU time as a multiple of tenantseal's in the same round.
    pub cpu_of_ours: f64,
    /// Allocations of one operation.
    pub allocations: u64,
    /// How much bigger the stored item is, in bytes; the floor stores nothing.
    pub bytes_added: Option<usize>,
}

/// Sixteen concurrent PutItem.
#[derive(Serialize, Deserialize)]
pub struct Puts {
    pub setup: String,
    /// Median, in milliseconds; none when it did not end in time.
    pub spawned_ms: Option<f64>,
    pub joined_ms: Option<f64>,
    /// Calls to KMS and STS.
    pub calls: u64,
    /// How much bigger one stored item is, in bytes.
    pub bytes_added: usize,
}

/// A query of a page of 100 items.
#[derive(Serialize, Deserialize)]
pub struct Query {
    pub setup: String,
    /// Medians, in milliseconds.
    pub wall_ms: f64,
    /// CPU of the whole process, with the local DynamoDB.
    pub cpu_ms: f64,
}

/// A put with a lookup, and an item that is found by it. Medians over the rounds.
#[derive(Serialize, Deserialize)]
pub struct Found {
    pub setup: String,
    /// CPU time in microseconds.
    pub put_us: f64,
    /// As a multiple of tenantseal's in the same round.
    pub put_of_ours: f64,
    /// The same of one of 100 items that a query finds.
    pub found_us: f64,
    pub found_of_ours: f64,
}

/// A minimal program, built from cold.
#[derive(Serialize, Deserialize)]
pub struct Build {
    pub program: String,
    pub wall_s: f64,
    pub cpu_s: f64,
    pub crates: usize,
    pub binary_bytes: u64,
}

const NOT_MEASURED: &str = "Not measured yet.";

/// The page around the tables. `{{name}}` is a table, or a word of the report.
const PAGE: &str = include_str!("page.md");

impl Report {
    /// What the last run has left in `folder`, or nothing.
    pub fn read(folder: &Path) -> Outcome<Self> {
        let json = folder.join("peers.json");
        Ok(if json.exists() { serde_json::from_str(&fs::read_to_string(json)?)? } else { Self::default() })
    }

    /// Takes over all but what is measured on its own.
    pub fn measured(&mut self, measured: Self) -> &Self {
        let kept = std::mem::take(self);
        *self = Self { aws_lc: kept.aws_lc, build: kept.build, ..measured };
        self
    }

    /// Takes over one program's build.
    pub fn built(&mut self, build: Build) {
        match self.build.iter_mut().find(|kept| kept.program == build.program) {
            Some(kept) => *kept = build,
            None => self.build.push(build),
        }
    }

    /// The page in Markdown.
    pub fn page(&self) -> String {
        let parts = [
            ("machine", self.machine.clone()),
            ("peer", self.peer.clone()),
            ("aims", self.aims()),
            ("speed", self.speed_table()),
            ("aws_lc", self.aws_lc_table()),
            ("threads", self.threads_table()),
            ("weight", self.weight_table()),
            ("puts", self.puts_table()),
            ("query", self.query_table()),
            ("found", self.found_table()),
            ("build", self.build_table()),
        ];
        parts
            .into_iter()
            .fold(PAGE.to_owned(), |page, (name, part)| page.replace(&format!("{{{{{name}}}}}"), part.trim_end()))
    }

    fn aims(&self) -> String {
        let of = |item: &'static str, contender| {
            let wanted = move |speed: &&Speed| speed.contender == contender && speed.item == item;
            self.speed.iter().filter(wanted).map(|speed| speed.cpu_of_ours)
        };
        let mut table = Table::new(["aim", "measured, the worse of seal and open", ""]);
        let met = |met| if met { "met" } else { "**not met**" }.to_owned();
        for (item, aim) in [("a", 150.0), ("b", 100.0)] {
            for peer in [Contender::PeerUnsigned, Contender::PeerSigned] {
                let worst = of(item, peer).fold(f64::INFINITY, f64::min);
                let aim_text = format!("({item}): {} times as fast as {}", aim, peer.title());
                table.row([aim_text, factor(worst), met(worst >= aim)]);
            }
        }
        for found in self.found.iter().filter(|found| found.setup != Contender::Ours.title()) {
            let worst = found.put_of_ours.min(found.found_of_ours);
            let aim = format!("(a) with a lookup, put or found: 50 times as fast as {}", found.setup);
            table.row([aim, factor(worst), met(worst >= 50.0)]);
        }
        for item in SHAPES.map(|shape| shape.name) {
            let worst = of(item, Contender::Floor).map(f64::recip).fold(0.0, f64::max);
            table.row([format!("({item}): at most 2 times the primitives' time"), factor(worst), met(worst <= 2.0)]);
        }
        table.finish()
    }

    fn speed_table(&self) -> String {
        let mut table = Table::new([
            "item",
            "",
            "primitives alone",
            "tenantseal",
            "of the primitives",
            "DB-ESDK, no signatures",
            "of tenantseal",
            "DB-ESDK, default",
            "of tenantseal",
        ]);
        for group in groups(&self.speed) {
            let [floor, ours, unsigned, signed] = group else { continue };
            table.row([
                format!("({}) {}", ours.item, ours.title),
                ours.direction.title().to_owned(),
                duration(floor.cpu_us),
                format!("**{}**", duration(ours.cpu_us)),
                factor(floor.cpu_of_ours.recip()),
                duration(unsigned.cpu_us),
                format!("**{}**", factor(unsigned.cpu_of_ours)),
                duration(signed.cpu_us),
                format!("**{}**", factor(signed.cpu_of_ours)),
            ]);
        }
        table.finish()
    }

    fn aws_lc_table(&self) -> String {
        if self.aws_lc.is_empty() {
            return NOT_MEASURED.to_owned();
        }
        let mut table = Table::new(["item", "", "primitives alone", "tenantseal on AWS-LC", "of the primitives"]);
        for group in groups(&self.aws_lc) {
            let [floor, ours] = group else { continue };
            table.row([
                format!("({}) {}", ours.item, ours.title),
                ours.direction.title().to_owned(),
                duration(floor.cpu_us),
                format!("**{}**", duration(ours.cpu_us)),
                factor(floor.cpu_of_ours.recip()),
            ]);
        }
        table.finish()
    }

    fn threads_table(&self) -> String {
        let mut table = Table::new(["item", "", "", "a second, 1 thread", "a second, 2 threads", "gain"]);
        for speed in groups(&self.speed).flatten() {
            table.row([
                format!("({})", speed.item),
                speed.direction.title().to_owned(),
                speed.contender.title().to_owned(),
                thousands(speed.per_second),
                thousands(speed.per_second_two_threads),
                factor(speed.per_second_two_threads / speed.per_second),
            ]);
        }
        table.finish()
    }

    fn weight_table(&self) -> String {
        let mut table = Table::new(["item", "", "allocations to seal", "allocations to open", "bytes added"]);
        for item in SHAPES.map(|shape| shape.name) {
            for contender in [Contender::Ours, Contender::PeerUnsigned, Contender::PeerSigned] {
                let of = |direction| {
                    let mut found = self.speed.iter().filter(move |speed| {
                        speed.item == item && speed.contender == contender && speed.direction == direction
                    });
                    found.next().expect("every contender is measured on every item")
                };
                let (seal, open) = (of(Direction::Seal), of(Direction::Open));
                table.row([
                    format!("({item})"),
                    contender.title().to_owned(),
                    thousands(seal.allocations as f64),
                    thousands(open.allocations as f64),
                    thousands(seal.bytes_added.unwrap_or_default() as f64),
                ]);
            }
        }
        table.finish()
    }

    fn puts_table(&self) -> String {
        let mut table = Table::new([
            "",
            "a task for each put",
            "all puts in one task",
            "calls to KMS and STS",
            "bytes added to an item",
        ]);
        let took =
            |millis: Option<f64>| millis.map_or("did not end in 10 s".to_owned(), |took| format!("{took:.1} ms"));
        for puts in &self.puts {
            table.row([
                puts.setup.clone(),
                took(puts.spawned_ms),
                took(puts.joined_ms),
                puts.calls.to_string(),
                puts.bytes_added.to_string(),
            ]);
        }
        table.finish()
    }

    fn query_table(&self) -> String {
        let mut table = Table::new(["", "time", "CPU, with the local DynamoDB"]);
        for query in &self.query {
            table.row([query.setup.clone(), format!("{:.2} ms", query.wall_ms), format!("{:.2} ms", query.cpu_ms)]);
        }
        table.finish()
    }

    fn found_table(&self) -> String {
        if self.found.is_empty() {
            return NOT_MEASURED.to_owned();
        }
        let mut table = Table::new(["", "put", "of tenantseal", "found, each of 100 items", "of tenantseal"]);
        for found in &self.found {
            table.row([
                found.setup.clone(),
                duration(found.put_us),
                format!("**{}**", factor(found.put_of_ours)),
                duration(found.found_us),
                format!("**{}**", factor(found.found_of_ours)),
            ]);
        }
        table.finish()
    }

    fn build_table(&self) -> String {
        if self.build.is_empty() {
            return NOT_MEASURED.to_owned();
        }
        let mut table = Table::new(["program", "time", "CPU", "crates", "binary, stripped"]);
        for build in &self.build {
            table.row([
                build.program.clone(),
                format!("{:.0} s", build.wall_s),
                format!("{:.0} s", build.cpu_s),
                build.crates.to_string(),
                format!("{:.1} MB", build.binary_bytes as f64 / 1e6),
            ]);
        }
        table.finish()
    }
}

/// Those of one item and direction, in the order of the contenders.
fn groups(speeds: &[Speed]) -> impl Iterator<Item = &[Speed]> {
    speeds.chunk_by(|one, next| one.item == next.item && one.direction == next.direction)
}

/// Microseconds with three digits and a unit.
pub fn duration(micros: f64) -> String {
    let (number, unit) = if micros < 1000.0 { (micros, "µs") } else { (micros / 1000.0, "ms") };
    let decimals = match number {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

/// How many times.
pub fn factor(times: f64) -> String {
    if times < 10.0 { format!("{times:.2} ×") } else { format!("{times:.0} ×") }
}

/// A whole number with separators.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A table in Markdown.
struct Table<const COLUMNS: usize>(String);

impl<const COLUMNS: usize> Table<COLUMNS> {
    fn new(heads: [&str; COLUMNS]) -> Self {
        let mut table = Self(String::new());
        table.row(heads.map(str::to_owned));
        table.row([(); COLUMNS].map(|()| "---".to_owned()));
        table
    }

    fn row(&mut self, cells: [String; COLUMNS]) {
        self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    fn finish(self) -> String {
        self.0
    }
}
