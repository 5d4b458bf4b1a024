//! A sweep that is planned, and run on this machine.

use aws_config::SdkConfig;
use clap::{Args, ValueEnum};
use serde_json::json;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::sweep::{Sweep, WorkerProgress};
use tenantseal::{TenantId, TenantSeal};

use super::described::{failure, judged};
use crate::args::{pair, tenant};
use crate::aws;
use crate::commands::migrate::adopted;
use crate::errors::{Exit, Failure, Result};
use crate::locked::{Locked, LockedTable};
use crate::output::Output;
use crate::service;
use crate::settings::Settings;

/// What is swept, and how fast.
#[derive(Debug, Args)]
pub(crate) struct Here {
    #[command(flatten)]
    table: LockedTable,
    /// A tenant whose items are swept (repeat it) [default: all; `migrate` needs one, or --all]
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<TenantId>,
    /// The active tenants of the registry
    #[arg(long, conflicts_with = "tenants")]
    all: bool,
    /// Read capacity units a second, of all workers together [default: a quarter of what the table has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    read_units: Option<u32>,
    /// Write capacity units a second, of all workers together [default: a quarter of what the table has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    write_units: Option<u32>,
    /// Into how many segments the table is divided [default: one per 256 MB, at least 4 per worker]
    #[arg(long, value_name = "N")]
    segments: Option<usize>,
    /// The most items of a page; a worker that is killed loses one page of each segment in hand
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    page_items: Option<i32>,
    /// An adopted attribute, for `migrate` (repeat it) [default: all encrypted ones without lookups]
    #[arg(long = "attribute", value_name = "NAME")]
    attributes: Vec<String>,
    /// For `migrate`: seal plaintext that an earlier pass has not seen, whoever wrote it
    #[arg(long)]
    accept: bool,
    /// All writers of a table with replicas write in this Region
    #[arg(long, value_name = "REGION")]
    writers_in: Option<String>,
    /// Sweep a table without point-in-time recovery: nothing can undo it
    #[arg(long)]
    danger_without_recovery: bool,
    /// A static pair of the services' encryption context (repeat it)
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
}

/// A plan for many machines.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// What the sweep does
    #[arg(value_enum)]
    action: Action,
    /// How many workers share the budget
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: u32,
    #[command(flatten)]
    here: Here,
}

/// What a sweep does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    Count,
    Verify,
    Reindex,
    Reseal,
    Migrate,
}

/// What a process needs to sweep.
pub(super) struct Ready {
    pub(super) seal: TenantSeal,
    pub(super) ledger: Option<DynamoDbKeyTable>,
}

impl Ready {
    /// The library as a service configures it.
    pub(super) async fn new(
        settings: &Settings,
        locked: &Locked,
        attributes: Option<Vec<String>>,
        context: Vec<(String, String)>,
        makes_tokens: bool,
    ) -> Result<Self> {
        let service = aws::service(settings).await;
        aws::region(&service)?;
        let ledger = match &settings.ledger {
            Some(_) => Some(settings.ledger_table(&aws::operator(settings).await)?),
            None => None,
        };
        let seal = sealing(settings, &service, locked, attributes, context, makes_tokens)?;
        Ok(Self { seal, ledger })
    }

    /// The ledger, which must be given.
    pub(super) async fn ledger(settings: &Settings) -> Result<DynamoDbKeyTable> {
        let operator = aws::operator(settings).await;
        aws::region(&operator)?;
        settings.ledger_table(&operator)
    }
}

fn sealing(
    settings: &Settings,
    config: &SdkConfig,
    locked: &Locked,
    attributes: Option<Vec<String>>,
    context: Vec<(String, String)>,
    makes_tokens: bool,
) -> Result<TenantSeal> {
    if let (true, [lookup, ..]) = (makes_tokens, &locked.left_out[..]) {
        let told = format!("lookup `{lookup}` has a form that only the application has");
        return Err(Failure::usage(told).help("reindex with `TenantSeal::reindex` in the application"));
    }
    let mut builder = service::builder(settings, config, locked, context)?;
    if !makes_tokens {
        builder = builder.makes_no_lookup_keys();
    }
    if let (Some(attributes), Some(ledger)) = (attributes, &settings.ledger) {
        builder = builder.ledger(DynamoDbKeyTable::new(config, ledger)).adopt(locked.schema.name(), attributes);
    }
    service::build(builder, config)
}

impl Here {
    async fn ready(&mut self, action: Action, settings: &Settings) -> Result<(Locked, Ready)> {
        let locked = self.table.clone().read()?;
        let attributes = match action {
            Action::Migrate => Some(adopted(&locked, std::mem::take(&mut self.attributes))?),
            _ => None,
        };
        if self.all {
            self.tenants = service::active_tenants(settings).await?;
        }
        let context = std::mem::take(&mut self.context);
        let ready = Ready::new(settings, &locked, attributes, context, action == Action::Reindex).await?;
        Ok((locked, ready))
    }

    fn sweep<'a>(self, action: Action, ready: &'a Ready, table: &str, is_dry_run: bool) -> Sweep<'a> {
        let sweep = ready.seal.sweep(table);
        let mut sweep = match action {
            Action::Count => sweep.count(),
            Action::Verify => sweep.verify(),
            Action::Reindex => sweep.reindex(),
            Action::Reseal => sweep.reseal(),
            Action::Migrate if self.accept => sweep.migrate_again(),
            Action::Migrate => sweep.migrate(),
        };
        if let Some(ledger) = &ready.ledger {
            sweep = sweep.on(ledger);
        }
        if !self.tenants.is_empty() {
            sweep = sweep.tenants(self.tenants);
        }
        sweep = self.read_units.into_iter().fold(sweep, Sweep::read_units);
        sweep = self.write_units.into_iter().fold(sweep, Sweep::write_units);
        sweep = self.segments.into_iter().fold(sweep, Sweep::segments);
        sweep = self.page_items.into_iter().fold(sweep, Sweep::page_items);
        sweep = self.writers_in.into_iter().fold(sweep, Sweep::writers_in);
        if self.danger_without_recovery {
            sweep = sweep.danger_without_recovery();
        }
        if is_dry_run { sweep.dry_run() } else { sweep }
    }

    pub(super) async fn run(mut self, action: Action, settings: &Settings, output: &Output) -> Result<Exit> {
        let (locked, ready) = self.ready(action, settings).await?;
        let table = locked.schema.name();
        let progress = output.progress(format!("sweeping {}", locked.physical));
        let sweep = self.sweep(action, &ready, table, output.is_dry_run()).progress(|at| progress.step(told(at)));
        let report = sweep.run().await.map_err(|error| failure(&error))?;
        drop(progress);
        judged(&report, output)
    }
}

impl Plan {
    pub(super) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { action, workers, mut here } = self;
        let (locked, ready) = here.ready(action, settings).await?;
        let sweep = here.sweep(action, &ready, locked.schema.name(), output.is_dry_run()).workers(workers);
        let id = sweep.plan().await.map_err(|error| failure(&error))?;
        let text = format!("{id}\n");
        output.answer(text, &json!({ "sweep": id, "workers": workers }))?;
        output.say(format_args!("next: `tenantseal sweep run {id}` on each of {workers} machines"));
        Ok(Exit::Done)
    }
}

/// How far a worker is, in one line.
pub(super) fn told(at: WorkerProgress) -> String {
    let WorkerProgress { items, rewritten, listed, segments: (done, all), .. } = at;
    format!("{items} items, {rewritten} rewritten, {listed} listed, {done} of {all} segments")
}
