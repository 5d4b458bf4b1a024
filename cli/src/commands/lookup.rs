//! `lookup`: what concerns lookups, which find items by an encrypted attribute.

mod attack;
mod chart;
mod counts;
mod distribution;
mod model;
mod plan;
mod show;
mod verify;

use clap::{Args, Subcommand};

use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::settings::Settings;

/// Plan, show and verify lookups, which find items by an encrypted attribute.
#[derive(Debug, Args)]
pub(crate) struct Lookup {
    #[command(subcommand)]
    request: Request,
}

#[derive(Debug, Subcommand)]
enum Request {
    /// Estimate what a lookup shows to readers of the table, and how many items it reads, by its `bits`
    Plan(plan::Plan),
    /// Show what any reader of a table sees of its lookups: equal tokens are equal values
    Show(show::Show),
    /// Open a sample of items as a service does, make their tokens again, and compare
    Verify(verify::Verify),
}

impl Lookup {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        match self.request {
            Request::Plan(plan) => plan.run(output).await,
            Request::Show(show) => show.run(settings, output).await,
            Request::Verify(verify) => verify.run(settings, output).await,
        }
    }
}
