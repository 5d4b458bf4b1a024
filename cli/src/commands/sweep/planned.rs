//! Sweeps that were planned: works on one, shows it, stops it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tenantseal::sweep::{Done, SweepAction, SweepPlan, SweepReport};

use super::described::{describe, failure, judged, write_files};
use super::here::{Ready, told};
use crate::args::pair;
use crate::array_index;
use crate::commands::migrate::adopted;
use crate::errors::{Exit, Failure, Result};
use crate::locked::LockedTable;
use crate::output::Output;
use crate::settings::Settings;

/// A sweep in the ledger.
#[derive(Debug, Args)]
pub(crate) struct Planned {
    /// The sweep's id, which `sweep plan` has printed
    sweep: String,
}

/// A worker.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    planned: Planned,
    /// The application's lock file
    #[arg(long, value_name = "FILE", default_value = "tenantseal.lock.json")]
    lock: PathBuf,
    /// Which of the workers this is, from 0 [default: of TENANTSEAL_SWEEP_INDEX, JOB_COMPLETION_INDEX,
    /// AWS_BATCH_JOB_ARRAY_INDEX, SLURM_ARRAY_TASK_ID, or SGE_TASK_ID from 1]
    #[arg(long, value_name = "N")]
    index: Option<u32>,
    /// How many segments it has in hand at a time
    #[arg(long, value_name = "N", default_value_t = 4)]
    parallel: usize,
    /// An adopted attribute, for `migrate` (repeat it) [default: all encrypted ones without lookups]
    #[arg(long = "attribute", value_name = "NAME")]
    attributes: Vec<String>,
    /// A static pair of the services' encryption context (repeat it)
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
}

/// What became of a sweep.
#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    planned: Planned,
    /// Also write FILE.md and FILE.json, with the primary keys of the listed items
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Run {
    pub(super) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { planned: Planned { sweep }, lock, index, parallel, attributes, context } = self;
        let index = match index {
            Some(index) => Some(index),
            None => array_index::from_environment()?
                .map(u32::try_from)
                .transpose()
                .map_err(|_| Failure::usage("the index of this array job is too large"))?,
        };
        let ledger = Ready::ledger(settings).await?;
        let plan = SweepPlan::read(&ledger, &sweep).await.map_err(|error| failure(&error))?;
        let locked = LockedTable::new(plan.table(), plan.physical(), lock).read()?;
        let attributes = match plan.action() {
            SweepAction::Migrate { .. } => Some(adopted(&locked, attributes)?),
            _ => None,
        };
        let makes_tokens = *plan.action() == SweepAction::Reindex;
        let ready = Ready::new(settings, &locked, attributes, context, makes_tokens).await?;
        let progress = output.progress(format!("working on {sweep}"));
        let worker = ready.seal.worker(&ledger, &sweep).parallel(parallel).until(terminated());
        let worker = index.into_iter().fold(worker, tenantseal::sweep::Worker::index);
        let done = worker.progress(|at| progress.step(told(at))).run().await.map_err(|error| failure(&error))?;
        drop(progress);
        let (told, exit) = match done {
            Done::Clean => ("nothing is left to do", Exit::Done),
            Done::Findings => ("nothing is left to do; items are listed: see `sweep report`", Exit::Findings),
            _ => ("stopped; run it again to go on", Exit::Unreachable),
        };
        output.answer(format_args!("{told}\n"), &json!({ "sweep": sweep, "done": exit.kind() }))?;
        Ok(exit)
    }
}

/// Ready when the process is asked to end, as schedulers do.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => std::future::pending().await,
    }
}

impl Planned {
    async fn report(&self, settings: &Settings) -> Result<SweepReport> {
        let ledger = Ready::ledger(settings).await?;
        SweepReport::of(&ledger, &self.sweep).await.map_err(|error| failure(&error))
    }

    pub(super) async fn status(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let report = self.report(settings).await?;
        output.answer(describe(&report), &report)?;
        Ok(Exit::Done)
    }

    pub(super) async fn stop(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let ledger = Ready::ledger(settings).await?;
        SweepPlan::stop(&ledger, &self.sweep).await.map_err(|error| failure(&error))?;
        output.answer(format_args!("{} is stopped\n", self.sweep), &json!({ "sweep": self.sweep, "stopped": true }))?;
        Ok(Exit::Done)
    }

    pub(super) async fn resume(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let ledger = Ready::ledger(settings).await?;
        SweepPlan::resume(&ledger, &self.sweep).await.map_err(|error| failure(&error))?;
        let text = format!("{} may go on: start its workers again\n", self.sweep);
        output.answer(text, &json!({ "sweep": self.sweep, "stopped": false }))?;
        Ok(Exit::Done)
    }
}

impl Report {
    pub(super) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let report = self.planned.report(settings).await?;
        if let Some(out) = &self.out {
            write_files(&report, out)?;
        }
        judged(&report, output)
    }
}
