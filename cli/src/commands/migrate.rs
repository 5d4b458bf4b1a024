//! `migrate`: adopts tables whose items are plaintext so far, tenant by tenant.

mod described;
mod step;

use clap::{Args, Subcommand};

pub(crate) use step::adopted;

use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::settings::Settings;

/// Adopt a table whose items are plaintext so far, tenant by tenant, while services go on.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    request: Request,
}

#[derive(Debug, Subcommand)]
enum Request {
    /// 1: let tenants' items be plaintext; services that adopt the table read either way and write plaintext
    Open(step::Open),
    /// 2: have tenants' items written sealed; no process that does not adopt the table may be left
    Seal(step::Step),
    /// Undo `seal`: have tenants' items written as plaintext again
    Back(step::Step),
    /// 3: refuse tenants' plaintext; only after a sealing pass that left nothing plain
    Close(step::Step),
    /// Show how far tenants' adoption is
    Status(step::Step),
}

impl Migrate {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        use step::Action;
        match self.request {
            Request::Open(step::Open { step, again, days }) => {
                step.run(Action::Open { again, days }, settings, output).await
            }
            Request::Seal(step) => step.run(Action::Seal, settings, output).await,
            Request::Back(step) => step.run(Action::Back, settings, output).await,
            Request::Close(step) => step.run(Action::Close, settings, output).await,
            Request::Status(step) => step.run(Action::Status, settings, output).await,
        }
    }
}
