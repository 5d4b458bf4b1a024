//! tenantseal beside AWS's Database Encryption SDK for DynamoDB and beside the bare primitives, in one process and one
//! run.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` measures everything and writes `docs/peers/`, each
//! part when it is measured; `-- --speed`, `-- --found`, `-- --aws-lc` and `-- --build` measure one part and keep the
//! others, `-- --build core` one program; `-- --quick` measures for a few seconds and writes nothing.

mod backend;
mod builds;
mod chart;
mod contenders;
mod found;
mod item;
mod network;
mod report;
mod speed;

use std::path::Path;
use std::time::Duration;
use std::{env, fs, thread};

use report::Report;
use speed::Effort;

const EFFORT: Effort = Effort { rounds: 31, turn: Duration::from_millis(20) };

/// Rounds of what goes through clients.
const ROUNDS: usize = 15;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/peers");
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut report = Report::read(&docs)?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            report.measured(measure(EFFORT, ROUNDS)?).write(&docs)?;
            report.aws_lc = backend::measure()?;
            report.write(&docs)?;
            measure_builds(&mut report, &docs, &[])?;
        }
        ["--speed"] => report.measured(measure(EFFORT, ROUNDS)?).write(&docs)?,
        ["--found"] => {
            report.found = network::Cloud::start()?.found(ROUNDS)?;
            report.write(&docs)?;
        }
        ["--aws-lc"] => {
            report.aws_lc = backend::measure()?;
            report.write(&docs)?;
        }
        ["--build", ref only @ ..] => measure_builds(&mut report, &docs, only)?,
        ["--quick"] => {
            report.measured(measure(Effort { rounds: 5, turn: Duration::from_millis(5) }, 3)?);
        }
        [backend::ALONE] => return backend::print(EFFORT),
        _ => return Err("one of --speed, --found, --aws-lc, --build and --quick, or nothing for everything".into()),
    }
    print!("{}", report.page());
    Ok(())
}

impl Report {
    /// Writes page, chart and figures into `folder`.
    fn write(&self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("peers.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(folder.join("peers.svg"), chart::draw(self))?;
        fs::write(folder.join("peers.md"), self.page())?;
        Ok(())
    }
}

/// Builds all programs, or only those in these folders. Each is written when it is done: together they take long.
fn measure_builds(report: &mut Report, docs: &Path, only: &[&str]) -> Outcome<()> {
    for program in builds::PROGRAMS.into_iter().filter(|(folder, _)| only.is_empty() || only.contains(folder)) {
        report.built(builds::measure(program)?);
        report.write(docs)?;
    }
    Ok(())
}

/// Everything but the backend on AWS-LC and the builds.
fn measure(effort: Effort, rounds: usize) -> Outcome<Report> {
    let lock = include_str!("../Cargo.lock");
    let version = lock.split_once("name = \"aws-db-esdk\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
    let (version, _) = version.ok_or("the lock file names the peer's version")?;
    let threads = thread::available_parallelism()?;
    eprintln!("sealing and opening");
    let speed = speed::measure(effort, true);
    let cloud = network::Cloud::start()?;
    eprintln!("querying");
    let query = cloud.query(2 * rounds)?;
    eprintln!("putting");
    let puts = cloud.puts(rounds)?;
    eprintln!("finding");
    let found = cloud.found(rounds)?;
    Ok(Report {
        machine: format!("{}, {threads} processors", env::consts::ARCH),
        peer: version.to_owned(),
        speed,
        puts,
        query,
        found,
        ..Report::default()
    })
}

/// The middle value; there is at least one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
