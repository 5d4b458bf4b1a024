//! The results: a table, JSON and a page.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::chart;
use crate::fleet::{Error, Outcome};
use crate::key_service::Counts;
use crate::traffic::Load;

/// Dollars, us-east-1. KMS: 10,000 requests, and a key for a month. DynamoDB on demand: a million reads of up to 4 KB,
/// strongly consistent, and a million writes of up to 1 KB. AssumeRole costs nothing.
const KMS_10_000: f64 = 0.03;
const KEY_MONTH: f64 = 1.0;
const READS_MILLION: f64 = 0.125;
const WRITES_MILLION: f64 = 0.625;
/// A month has 30 days.
const MONTH: f64 = 30.0 * 24.0 * 60.0 * 60.0;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) tenants: u32,
    pub(crate) processes: u32,
    pub(crate) requests: u64,
    pub(crate) sealed: u64,
    pub(crate) opened: u64,
    /// Tenants that had a request at all.
    pub(crate) active: u64,
    pub(crate) seed: u64,
    pub(crate) dollars_a_month_for_keys: f64,
    pub(crate) rows: Vec<Row>,
}

/// One scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) requests: u64,
    pub(crate) sealed: u64,
    pub(crate) opened: u64,
    pub(crate) active: u64,
    pub(crate) generate: u64,
    pub(crate) decrypt: u64,
    pub(crate) assume_role: u64,
    pub(crate) table_reads: u64,
    pub(crate) table_writes: u64,
    /// Percent of requests that waited for no call; unknown where nothing ran.
    pub(crate) served_at_once: Option<f64>,
    /// Percent of items sealed and opened that cost no KMS call.
    pub(crate) hit_rate: f64,
    /// KMS calls and the key table, without the price of the KMS keys themselves.
    pub(crate) dollars_a_month: f64,
    /// Megabytes per process.
    pub(crate) megabytes: Option<f64>,
    /// KMS calls in each hour.
    pub(crate) hourly: Vec<u64>,
}

impl Row {
    pub(crate) fn new(name: &str, load: &Load, outcome: &Outcome) -> Self {
        let Outcome { counts, requests, sealed, opened, waited, active, written_periods: _, memory } = outcome;
        let Counts { generate, decrypt, assume_role, table_reads, table_writes, hourly } = counts.clone();
        let calls = (generate + decrypt) as f64;
        let table = (table_reads as f64 * READS_MILLION + table_writes as f64 * WRITES_MILLION) / 1e6;
        Self {
            name: name.to_owned(),
            requests: *requests,
            sealed: *sealed,
            opened: *opened,
            active: *active,
            generate,
            decrypt,
            assume_role,
            table_reads,
            table_writes,
            served_at_once: Some(100.0 - 100.0 * *waited as f64 / *requests as f64),
            hit_rate: 100.0 - 100.0 * calls / (sealed + opened) as f64,
            dollars_a_month: (calls / 1e4 * KMS_10_000 + table) * MONTH / load.length.as_secs_f64(),
            megabytes: memory.map(|bytes| bytes as f64 / 1e6 / f64::from(load.processes)),
            hourly,
        }
    }

    /// The cost with a KMS call for each item sealed or opened.
    fn uncached(load: &Load, row: &Self) -> Self {
        let counts = Counts { generate: row.sealed, decrypt: row.opened, ..Counts::default() };
        let outcome = Outcome {
            counts,
            requests: row.requests,
            sealed: row.sealed,
            opened: row.opened,
            waited: row.requests,
            active: row.active,
            written_periods: 0,
            memory: None,
        };
        Self { served_at_once: None, ..Self::new("no cache (computed)", load, &outcome) }
    }

    fn cells(&self) -> [String; 9] {
        let of_session = |text: String| if self.assume_role == 0 { "–".to_owned() } else { text };
        let busiest = self.hourly.iter().max();
        [
            self.name.clone(),
            thousands(self.generate),
            thousands(self.decrypt),
            of_session(thousands(self.assume_role)),
            format!("{:.1} %", self.hit_rate),
            self.served_at_once.map_or("–".to_owned(), |share| format!("{share:.1} %")),
            busiest.map_or("–".to_owned(), |calls| thousands(*calls)),
            format!("${:.2}", self.dollars_a_month),
            self.megabytes.map_or("–".to_owned(), |megabytes| format!("{megabytes:.1} MB")),
        ]
    }
}

const HEADS: [&str; 9] = [
    "",
    "GenerateDataKey",
    "Decrypt",
    "AssumeRole",
    "items without a KMS call",
    "requests that waited for nothing",
    "KMS calls in the busiest hour",
    "a month",
    "memory a process",
];

impl Report {
    pub(crate) fn new(load: &Load, rows: Vec<Row>) -> Self {
        let uncached = rows.first().map(|row| Row::uncached(load, row));
        let (requests, sealed, opened, active) =
            rows.first().map_or((0, 0, 0, 0), |row| (row.requests, row.sealed, row.opened, row.active));
        Self {
            active,
            tenants: load.tenants,
            processes: load.processes,
            requests,
            sealed,
            opened,
            seed: load.seed,
            dollars_a_month_for_keys: f64::from(load.tenants) * KEY_MONTH,
            rows: uncached.into_iter().chain(rows).collect(),
        }
    }

    /// The table, in Markdown.
    pub(crate) fn table(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut table = line(&HEADS.map(str::to_owned));
        table += &line(&std::array::from_fn::<_, 9, _>(|at| if at == 0 { "---" } else { "--:" }.to_owned()));
        self.rows.iter().for_each(|row| table += &line(&row.cells()));
        table
    }

    /// Writes the page, the plot and the figures.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("simulation.svg"), chart::draw(self))?;
        fs::write(folder.join("simulation.json"), serde_json::to_string_pretty(self)? + "\n")?;
        let table_bill = self
            .row("defaults, key table")
            .map(|row| format!("{} reads and {} writes", thousands(row.table_reads), thousands(row.table_writes)));
        let page = include_str!("page.md")
            .replace("{tenants}", &thousands(self.tenants.into()))
            .replace("{processes}", &self.processes.to_string())
            .replace("{requests}", &thousands(self.requests))
            .replace("{sealed}", &thousands(self.sealed))
            .replace("{opened}", &thousands(self.opened))
            .replace("{active}", &thousands(self.active))
            .replace("{seed}", &self.seed.to_string())
            .replace("{keys}", &format!("${}", thousands(self.tenants.into())))
            .replace("{table_bill}", &table_bill.unwrap_or_default())
            .replace("{table}", &self.table());
        Ok(fs::write(folder.join("simulation.md"), page)?)
    }

    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// A number with thousands separators.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
