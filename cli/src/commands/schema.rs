//! `schema`: the lock file against what DynamoDB has.

mod check;
mod findings;
mod sample;

use clap::{Args, Subcommand};

use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::settings::Settings;

/// Compare an application's lock file with its tables.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    #[command(subcommand)]
    request: Request,
}

#[derive(Debug, Subcommand)]
enum Request {
    /// Check a table, and a sample of its items, against the lock file; uses no key
    Check(check::Check),
}

impl Schema {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        match self.request {
            Request::Check(check) => check.run(settings, output).await,
        }
    }
}
