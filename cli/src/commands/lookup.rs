//! `lookup`: what concerns lookups, which find items by an encrypted attribute.

mod attack;
mod chart;
mod counts;
mod distribution;
mod model;
mod plan;

use clap::{Args, Subcommand};

use crate::errors::{Exit, Result};
use crate::output::Output;

/// Plan lookups, which find items by an encrypted attribute.
#[derive(Debug, Args)]
pub(crate) struct Lookup {
    #[command(subcommand)]
    request: Request,
}

#[derive(Debug, Subcommand)]
enum Request {
    /// Estimate what a lookup shows to readers of the table, and how many items it reads, by its `bits`
    Plan(plan::Plan),
}

impl Lookup {
    pub(crate) async fn run(self, output: &Output) -> Result<Exit> {
        match self.request {
            Request::Plan(plan) => plan.run(output).await,
        }
    }
}
