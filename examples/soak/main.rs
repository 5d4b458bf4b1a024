//! Runs load and production faults against the local stack. Afterwards every acknowledged write must read back equal.
//!
//! `cargo run --example soak` runs for a minute. Two writer processes work for thousands of tenants, a few of them
//! busy, through the drop-in client and the typed repository, while keys are throttled, servers restart, connections
//! break, clocks jump, tenants are suspended, and one writer is killed again and again. It ends with a report, and
//! fails when anything is not as promised: a lost or altered write, plaintext in the table, a wrong token, another tenant's item
//! served, a suspended tenant served, memory or calls to KMS beyond bounds.

mod chaos;
mod entry;
mod fate;
mod journal;
mod keys;
mod relay;
mod report;
mod stage;
mod verdict;
mod worker;
mod writer;
mod zipf;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use chaos::Injected;
use journal::History;
use report::{Counted, Report, Run};
use stage::{Plan, Stage};
use verdict::{Sabotage, Verdict};
use zipf::Zipf;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Load and faults against the local stack, and a verdict.
#[derive(Debug, Parser)]
struct Options {
    /// How long the writers write.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many tenants there are; Zipf's law says how busy each is.
    #[arg(long, default_value_t = 2000)]
    tenants: usize,
    /// Chooses the operations and the faults; a new one each time unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
    /// Causes damage that the verdict must find.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    #[command(subcommand)]
    process: Option<Process>,
}

/// The processes that the soak starts.
#[derive(Debug, Subcommand)]
enum Process {
    #[command(hide = true)]
    Writer(writer::Orders),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { seconds, tenants, seed, json, sabotage, process } = Options::parse();
    let outcome = match process {
        Some(Process::Writer(orders)) => writer::run(orders).await.map(|()| true),
        None => {
            let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
            soak(seconds, tenants.max(2), seed, sabotage).await.and_then(|report| {
                if json {
                    println!("{}", serde_json::to_string_pretty(&report)?)
                } else {
                    print!("{report}")
                }
                Ok(report.violations.is_empty())
            })
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn soak(seconds: u64, tenants: usize, seed: u64, sabotage: Option<Sabotage>) -> Outcome<Report> {
    eprintln!("soak: seed {seed}");
    let journals = std::env::temp_dir().join(format!("soak-{}-{seed}", std::process::id()));
    std::fs::create_dir_all(&journals)?;
    let outcome = judged(seconds, tenants, seed, sabotage, &journals).await;
    match &outcome {
        Ok(report) if report.violations.is_empty() => std::fs::remove_dir_all(&journals)?,
        _ => eprintln!("soak: the writers' journals are in {}", journals.display()),
    }
    outcome
}

async fn judged(
    seconds: u64,
    tenants: usize,
    seed: u64,
    sabotage: Option<Sabotage>,
    journals: &Path,
) -> Outcome<Report> {
    let mut stage = Stage::start().await?;
    let progress = bar(tenants as u64, "onboarding")?;
    stage.onboard(tenants, || progress.inc(1)).await?;
    progress.finish_and_clear();

    // Room for all data keys of the tenants' items: an evicted key would be requested again.
    let capacity = if sabotage == Some(Sabotage::Cache) { 1 } else { 64 * tenants };
    let leak = if sabotage == Some(Sabotage::Memory) { 16 } else { 0 };
    let plan = Plan { tenants, capacity, leak };
    let mut steady = stage.writer("steady", plan, seed, journals)?;
    let respawn = |stage: &Stage| stage.writer("mortal", plan, !seed, journals);
    let mut mortal = respawn(&stage)?;
    let (progress, samples) = (bar(seconds, "writing")?, Arc::new(Mutex::new(Vec::new())));
    let watching = tokio::spawn(watch(steady.id(), progress.clone(), Arc::clone(&samples)));
    let mut injected = Injected::default();
    let mut random = fastrand::Rng::with_seed(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    injected.inject((&mut stage, &mut steady, &mut mortal), respawn, (&Zipf::below(tenants), &mut random), end).await?;
    stage.stack.faults().clear();
    watching.abort();
    steady.finish().await?;
    mortal.finish().await?;
    progress.finish_and_clear();

    let counted = Counted::from_stage(&stage);
    let mut verdict = Verdict::default();
    let mut histories = Vec::new();
    for writer in [&steady, &mortal] {
        histories.push(History::read(&writer.journal)?);
    }
    for (name, history) in ["steady", "mortal"].iter().zip(&histories) {
        verdict.judge_journal(name, history, &injected.suspensions)?;
    }
    let entries = histories.iter().flat_map(|history| history.entries.clone()).collect();
    if let Some(sabotage) = sabotage {
        sabotage.commit(&stage, &entries).await?;
    }
    let progress = bar(tenants as u64, "reading back")?;
    verdict.judge_table(&stage, &entries, || progress.inc(1)).await?;
    progress.finish_and_clear();
    stage.stack.shutdown().await;
    let samples = samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Report::new(Run { seed, seconds, tenants }, &histories, &injected, &counted, samples, verdict))
}

/// Records the memory of a process every second, where the system reports it.
async fn watch(process: u32, progress: ProgressBar, samples: Arc<Mutex<Vec<u64>>>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        progress.inc(1);
        samples.lock().unwrap_or_else(PoisonError::into_inner).extend(stage::resident(process));
    }
}

/// A progress bar, if the output is a terminal.
fn bar(length: u64, what: &'static str) -> Outcome<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:>14} {wide_bar} {pos} of {len}")?;
    Ok(ProgressBar::new(length).with_style(style).with_message(what))
}
