//! `open`: a filter over the lines of exports and streams.

mod audit;
mod batch;
mod input;
mod manifest;
mod refused;
mod writing;

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use tenantseal::TenantId;

use self::audit::AuditFile;
use self::batch::{Filter, Tally};
use self::input::Source;
use self::manifest::DataFile;
use self::refused::Refusals;
use self::writing::Writing;
use crate::args::{pair, tenant};
use crate::aws;
use crate::errors::{Exit, Result};
use crate::locked::LockedTable;
use crate::output::{Output, count};
use crate::service;
use crate::settings::Settings;

/// Open the lines of an export or a stream: JSON from stdin, the same JSON to stdout, opened.
///
/// Each line is one of: a line of a full or of an incremental export in DynamoDB JSON, a record of a stream (also as a
/// Kinesis stream has it), the event of a Lambda function, or an item. The input may be in gzip. The lines keep their
/// order; those that do not open are left out and listed.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").args(["tenants", "all_tenants"]).required(true)))]
#[command(group(ArgGroup::new("trail").args(["audit", "no_audit"]).required(true)))]
pub(crate) struct Open {
    #[command(flatten)]
    table: LockedTable,
    /// A tenant whose lines are opened (repeat it); those of others are left out
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<TenantId>,
    /// Open the lines of all tenants
    #[arg(long)]
    all_tenants: bool,
    /// The file to which each use of a data key is appended, before anything is opened with it
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Keep no account of the data keys that are used
    #[arg(long)]
    no_audit: bool,
    /// The file for lines that do not open: number, tenant, key and why, but no values [default: stderr]
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// Stop at the first line that does not open
    #[arg(long)]
    strict: bool,
    /// Leave out what items were before their changes, neither opened nor written
    #[arg(long)]
    without_old_images: bool,
    /// The manifest-files.json of an export, beside its folder `data`: open one of its files instead of stdin
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Which file of the manifest, from 0 [default: what the scheduler of an array job says]
    #[arg(long, value_name = "N", requires = "manifest")]
    index: Option<u64>,
    /// A static pair of the services' encryption context (repeat it)
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
}

impl Open {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let locked = self.table.read()?;
        let file = self.manifest.as_deref().map(|manifest| DataFile::find(manifest, self.index)).transpose()?;
        let audit = self.audit.as_deref().map(AuditFile::append_to).transpose()?;
        let refusals = Refusals::to(self.refused.as_deref())?;
        let config = aws::service(settings).await;
        aws::region(&config)?;
        let mut builder = service::builder(settings, &config, &locked, self.context)?.makes_no_lookup_keys();
        if let Some(audit) = audit {
            builder = builder.audit(audit);
        }
        let seal = service::build(builder, &config)?;
        let filter = Filter {
            seal,
            table: locked.schema.name().to_owned(),
            tenants: (!self.all_tenants).then(|| self.tenants.into_iter().collect()),
            strict: self.strict,
            without_old_images: self.without_old_images,
        };
        let source = file.as_ref().map_or(Ok(Source::stdin()), DataFile::open)?;
        let tally = filtered(&filter, source, refusals).await?;
        if let (Some(file), false) = (&file, tally.is_cut_short) {
            file.check_count(tally.lines)?;
        }
        output.say(tally.describe());
        Ok(if tally.refused == 0 { Exit::Done } else { Exit::Findings })
    }
}

/// Reads, opens and writes at the same time, each a few batches ahead of the next at most.
async fn filtered(filter: &Filter, source: Source, mut refusals: Refusals) -> Result<Tally> {
    let (writing, mut tally) = (Writing::start(), Tally::default());
    let opened = open_all(filter, source, &writing, &mut tally, &mut refusals).await;
    // After a failure too: what stands before it is opened.
    writing.finish().await?;
    opened.map(|()| tally)
}

async fn open_all(
    filter: &Filter,
    source: Source,
    writing: &Writing,
    tally: &mut Tally,
    refusals: &mut Refusals,
) -> Result<()> {
    let mut batches = source.read();
    while let Some(batch) = batches.recv().await {
        let opened = filter.open(&batch?, tally, refusals).await?;
        // Nobody reads on, or nothing more is to be written.
        if !writing.write(opened).await || tally.is_cut_short {
            break;
        }
    }
    Ok(())
}

impl Tally {
    fn describe(&self) -> String {
        let Self { lines, opened, refused, left_out, .. } = self;
        let [lines, opened, refused, left_out] = [lines, opened, refused, left_out].map(|figure| count(*figure as f64));
        format!(
            "lines: {lines} read, {opened} opened; records: {refused} refused, {left_out} of other tenants left out"
        )
    }
}
