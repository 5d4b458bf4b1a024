//! tenantseal beside AWS's Database Encryption SDK for DynamoDB and beside the bare primitives, in one process and one run.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` measures and writes `docs/peers/`; `-- --quick` measures for a few
//! seconds and writes nothing; `-- --build` measures what minimal programs cost to build, and keeps the other figures.

mod builds;
mod chart;
mod contenders;
mod item;
mod network;
mod report;
mod speed;

use std::path::Path;
use std::time::Duration;
use std::{env, thread};

use report::Report;
use speed::Effort;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/peers");
    let arguments: Vec<String> = env::args().skip(1).collect();
    let report = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let effort = Effort { rounds: 31, turn: Duration::from_millis(20) };
            let report = Report { build: Report::read(&docs)?.build, ..measure(effort, 15)? };
            report.write(&docs)?;
            report
        }
        ["--quick"] => measure(Effort { rounds: 5, turn: Duration::from_millis(5) }, 3)?,
        ["--build"] => {
            let report = Report { build: builds::measure()?, ..Report::read(&docs)? };
            report.write(&docs)?;
            report
        }
        _ => return Err("one of --quick and --build, or nothing".into()),
    };
    print!("{}", report.page());
    Ok(())
}

/// Everything but the builds.
fn measure(effort: Effort, rounds: usize) -> Outcome<Report> {
    let lock = include_str!("../Cargo.lock");
    let version = lock.split_once("name = \"aws-db-esdk\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
    let (version, _) = version.ok_or("the lock file names the peer's version")?;
    let threads = thread::available_parallelism()?;
    eprintln!("sealing and opening");
    let speed = speed::measure(effort);
    let cloud = network::Cloud::start()?;
    eprintln!("querying");
    let query = cloud.query(2 * rounds)?;
    eprintln!("putting");
    let puts = cloud.puts(rounds)?;
    Ok(Report {
        machine: format!("{}, {threads} processors", env::consts::ARCH),
        peer: version.to_owned(),
        speed,
        puts,
        query,
        build: Vec::new(),
    })
}

/// The middle value; there is at least one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
