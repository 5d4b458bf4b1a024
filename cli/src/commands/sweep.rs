//! `sweep`: passes over all items of a table, here or on many machines.

mod described;
mod here;
mod planned;

use clap::{Args, Subcommand};

use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::settings::Settings;

/// Pass over all items of a table, while services go on.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    #[command(subcommand)]
    request: Request,
}

#[derive(Debug, Subcommand)]
enum Request {
    /// Count by attribute what is stored: absent, plain, or sealed in which form. It needs no key
    Count(here::Here),
    /// Open every encrypted attribute of every item, and list the items that do not open
    Verify(here::Here),
    /// Make the tokens of lookups right
    Reindex(here::Here),
    /// Seal everything encrypted again, under the tenants' current data keys
    Reseal(here::Here),
    /// Seal the plaintext of tenants after `migrate seal`, once; it waits until nobody can write plaintext any more
    Migrate(here::Here),
    /// Write a plan into the ledger, and print its id for `sweep run`
    Plan(here::Plan),
    /// Work on a planned sweep until nothing is left to do: on any number of machines at once
    Run(planned::Run),
    /// Show how far a sweep is
    Status(planned::Planned),
    /// Show what became of a sweep, and judge it: exit code 1 unless everything was read and no item is listed
    Report(planned::Report),
    /// Stop a sweep: its workers end the pages that they have in hand
    Stop(planned::Planned),
    /// Let a stopped sweep go on: then start its workers again
    Resume(planned::Planned),
}

impl Sweep {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        use here::Action;
        match self.request {
            Request::Count(here) => here.run(Action::Count, settings, output).await,
            Request::Verify(here) => here.run(Action::Verify, settings, output).await,
            Request::Reindex(here) => here.run(Action::Reindex, settings, output).await,
            Request::Reseal(here) => here.run(Action::Reseal, settings, output).await,
            Request::Migrate(here) => here.run(Action::Migrate, settings, output).await,
            Request::Plan(plan) => plan.run(settings, output).await,
            Request::Run(run) => run.run(settings, output).await,
            Request::Status(planned) => planned.status(settings, output).await,
            Request::Report(report) => report.run(settings, output).await,
            Request::Stop(planned) => planned.stop(settings, output).await,
            Request::Resume(planned) => planned.resume(settings, output).await,
        }
    }
}
