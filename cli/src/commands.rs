//! The commands, one file each.

use clap::Subcommand;

use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::settings::Settings;

mod cost;
mod doctor;
mod init;
mod inspect;
mod list;
#[cfg(feature = "local")]
mod local;
mod lookup;
mod migrate;
mod offboard;
mod onboard;
mod open;
mod policy;
mod rotate;
mod schema;
mod show;
mod suspend;
mod sweep;

// No documentation comment: clap would take it for the program's.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the registry's table, and the --key-table and --ledger if given, with point-in-time recovery
    Init,
    /// Create keys, aliases and registry entries for tenants
    Onboard(onboard::Onboard),
    /// List the tenants
    List(list::List),
    /// Show a tenant, and what KMS says about its keys
    Show(show::Show),
    /// Rotate a tenant's key
    Rotate(rotate::Rotate),
    /// Disable a tenant's keys: none of its items can be opened until they are enabled again
    Suspend(suspend::Suspend),
    /// Enable a suspended tenant's keys again
    Resume(suspend::Resume),
    /// Disable a tenant's keys and schedule their deletion after 7 to 30 days
    Offboard(offboard::Offboard),
    /// Cancel the deletion of an offboarded tenant's keys; `resume` then enables them
    CancelOffboard(suspend::CancelOffboard),
    /// Print a policy, ready to deploy
    Policy(policy::Policy),
    /// Show what an item reveals without any key
    Inspect(inspect::Inspect),
    /// Estimate the cost of a month, compared with a key per tenant and service and with no caching
    Cost(cost::Cost),
    /// Plan, show and verify lookups, which find items by an encrypted attribute
    Lookup(lookup::Lookup),
    /// Pass over all items of a table: count, verify, reindex, reseal, migrate; here, or planned for many machines
    Sweep(sweep::Sweep),
    /// Compare an application's lock file with its tables
    Schema(schema::Schema),
    /// Adopt a table whose items are plaintext so far, tenant by tenant, while services go on
    Migrate(migrate::Migrate),
    /// Open the lines of an export or a stream: JSON in, the same JSON out, opened
    Open(Box<open::Open>),
    /// Check the setup, and prove that one tenant's session cannot use another tenant's key
    Doctor(doctor::Doctor),
    /// Start KMS, STS, DynamoDB and S3 on loopback, with two tenants, and print the environment to export
    #[cfg(feature = "local")]
    Local(local::Local),
}

impl Command {
    /// Runs the command.
    pub(crate) async fn run(self, settings: Settings, output: &Output) -> Result<Exit> {
        match self {
            Self::Init => init::run(&settings, output).await,
            Self::Onboard(onboard) => onboard.run(&settings, output).await,
            Self::List(list) => list.run(&settings, output).await,
            Self::Show(show) => show.run(&settings, output).await,
            Self::Rotate(rotate) => rotate.run(&settings, output).await,
            Self::Suspend(suspend) => suspend.run(&settings, output).await,
            Self::Resume(resume) => resume.run(&settings, output).await,
            Self::Offboard(offboard) => offboard.run(&settings, output).await,
            Self::CancelOffboard(cancel) => cancel.run(&settings, output).await,
            Self::Policy(policy) => policy.run(&settings, output).await,
            Self::Inspect(inspect) => inspect.run(&settings, output).await,
            Self::Cost(cost) => cost.run(output),
            Self::Lookup(lookup) => lookup.run(&settings, output).await,
            Self::Sweep(sweep) => sweep.run(&settings, output).await,
            Self::Schema(schema) => schema.run(&settings, output).await,
            Self::Migrate(migrate) => migrate.run(&settings, output).await,
            Self::Open(open) => open.run(&settings, output).await,
            Self::Doctor(doctor) => doctor.run(&settings, output).await,
            #[cfg(feature = "local")]
            Self::Local(local) => local.run(settings, output).await,
        }
    }

    /// Whether the command runs until Ctrl-C.
    pub(crate) fn runs_until_interrupted(&self) -> bool {
        #[cfg(feature = "local")]
        return matches!(self, Self::Local(_));
        #[cfg(not(feature = "local"))]
        false
    }
}
