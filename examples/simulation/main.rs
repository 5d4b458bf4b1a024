//! Simulates a week of 10,000 tenants and 50 processes on a paused clock: calls to KMS and STS, their cost, and the
//! size of the cache.
//!
//! `cargo run --release --example simulation` prints the table; `-- --json` prints JSON, `-- --write` renews
//! docs/simulation.

mod chart;
mod fleet;
mod key_service;
mod memory;
mod report;
mod traffic;

use std::process::{Command, Stdio};
use std::time::Duration;

use fleet::{Error, Settings, run};
use report::{Report, Row};
use traffic::Load;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LOAD: Load = Load { tenants: 10_000, processes: 50, length: DAY.saturating_mul(7), visits: 30_000, seed: 1 };

/// The scenarios: the name in the table, and the difference from the defaults.
fn scenarios() -> Vec<(&'static str, Settings)> {
    let defaults = Settings { rotation: DAY, revalidation: 15 * MINUTE, key_table: false, routed: None };
    let every = |minutes: u32| Settings { revalidation: minutes * MINUTE, ..defaults.clone() };
    let sharing = |settings: Settings| Settings { key_table: true, ..settings };
    let routed = |settings: Settings| Settings { routed: Some(2), ..settings };
    vec![
        ("defaults", defaults.clone()),
        ("defaults, key table", sharing(defaults.clone())),
        ("revalidation 5 min", every(5)),
        ("revalidation 1 h", every(60)),
        ("revalidation 1 h, key table", sharing(every(60))),
        ("2 processes a tenant", routed(defaults.clone())),
        ("2 processes a tenant, key table", routed(sharing(defaults.clone()))),
    ]
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print!("{}", all()?.table()),
        ["--json"] => println!("{}", serde_json::to_string_pretty(&all()?)?),
        ["--write"] => all()?.write("docs/simulation".as_ref())?,
        ["--only", name] => println!("{}", serde_json::to_string(&one(name)?)?),
        _ => return Err("usage: simulation [--json | --write | --only SCENARIO]".into()),
    }
    Ok(())
}

/// Each scenario in a process of its own, so that its memory is its own.
fn all() -> Result<Report, Error> {
    let program = std::env::current_exe()?;
    let start = |(name, _)| Ok((name, Command::new(&program).args(["--only", name]).stdout(Stdio::piped()).spawn()?));
    let running = scenarios().into_iter().map(start).collect::<Result<Vec<_>, Error>>()?;
    let mut rows = Vec::new();
    for (name, child) in running {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{name}: {}", output.status).into());
        }
        rows.push(serde_json::from_slice(&output.stdout)?);
    }
    Ok(Report::new(&LOAD, rows))
}

fn one(name: &str) -> Result<Row, Error> {
    let (_, settings) =
        scenarios().into_iter().find(|(other, _)| *other == name).ok_or_else(|| format!("no scenario `{name}`"))?;
    let requests = LOAD.requests();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let outcome = runtime.block_on(run(&LOAD, &requests, &settings))?;
    Ok(Row::new(name, &LOAD, &outcome))
}
