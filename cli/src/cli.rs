//! The command line: its global options and its commands.

use clap::{CommandFactory, Parser, Subcommand};

use crate::args::Global;
use crate::commands;
use crate::errors::{Exit, Failure, Result};
use crate::output::Output;
use crate::settings::Settings;

const HELP: &str = "\
Exit codes:
    0  done; nothing wrong was found
    1  done, and something is wrong: `doctor` found faults, a sample opens or got no answer
    2  usage: arguments, configuration or input are malformed
    3  refused: not confirmed, or the tenant's state does not allow it
    4  AWS refused: credentials, permissions or a limit
    5  AWS could not be reached or is throttling: try again
    6  not found: the tenant, the item, the table or the role
  130  interrupted: run the same command again to go on

Answers are written to stdout; everything else, errors included, to stderr. With --json an error is
{\"error\":{\"kind\":…,\"message\":…,\"help\":…,\"exit\":…}} in one line on stderr.";

/// Manages the keys of many tenants: onboarding to offboarding, policies, and a self-test that proves isolation.
#[derive(Debug, Parser)]
#[command(name = "tenantseal", version, after_help = HELP, max_term_width = 120, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the registry's table, and the --key-table if given, with point-in-time recovery
    Init,
    /// Create keys, aliases and registry entries for tenants
    Onboard(commands::onboard::Onboard),
    /// List the tenants
    List(commands::list::List),
    /// Show a tenant, and what KMS says about its keys
    Show(commands::show::Show),
    /// Rotate a tenant's key
    Rotate(commands::rotate::Rotate),
    /// Disable a tenant's keys: none of its items can be opened until they are enabled again
    Suspend(commands::suspend::Suspend),
    /// Enable a suspended tenant's keys again
    Resume(commands::suspend::Resume),
    /// Disable a tenant's keys and schedule their deletion after 7 to 30 days
    Offboard(commands::offboard::Offboard),
    /// Cancel the deletion of an offboarded tenant's keys; `resume` then enables them
    CancelOffboard(commands::suspend::CancelOffboard),
    /// Print a policy, ready to deploy
    Policy(commands::policy::Policy),
    /// Show what an item reveals without any key
    Inspect(commands::inspect::Inspect),
    /// Estimate the cost of a month, compared with a key per tenant and service and with no caching
    Cost(commands::cost::Cost),
    /// Check the setup, and prove that one tenant's session cannot use another tenant's key
    Doctor(commands::doctor::Doctor),
    /// Start KMS, STS and DynamoDB on loopback, with two tenants, and print the environment to export
    #[cfg(feature = "local")]
    Local(commands::local::Local),
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the command runs until Ctrl-C.
    pub(crate) fn runs_until_interrupted(&self) -> bool {
        #[cfg(feature = "local")]
        return matches!(self, Self::Local(_));
        #[cfg(not(feature = "local"))]
        false
    }
}

impl Cli {
    /// Runs the command.
    pub(crate) async fn run(self, output: &Output) -> Result<Exit> {
        let Self { global, command } = self;
        let settings = Settings::load(&global)?;
        match command {
            Command::Init => commands::init::run(&settings, output).await,
            Command::Onboard(onboard) => onboard.run(&settings, output).await,
            Command::List(list) => list.run(&settings, output).await,
            Command::Show(show) => show.run(&settings, output).await,
            Command::Rotate(rotate) => rotate.run(&settings, output).await,
            Command::Suspend(suspend) => suspend.run(&settings, output).await,
            Command::Resume(resume) => resume.run(&settings, output).await,
            Command::Offboard(offboard) => offboard.run(&settings, output).await,
            Command::CancelOffboard(cancel) => cancel.run(&settings, output).await,
            Command::Policy(policy) => policy.run(&settings, output).await,
            Command::Inspect(inspect) => inspect.run(&settings, output).await,
            Command::Cost(cost) => cost.run(output),
            Command::Doctor(doctor) => doctor.run(&settings, output).await,
            #[cfg(feature = "local")]
            Command::Local(local) => local.run(settings, output).await,
            Command::Man => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Self::command())
                    .render(&mut page)
                    .map_err(|error| Failure::usage(error.to_string()))?;
                output.print(String::from_utf8_lossy(&page))?;
                Ok(Exit::Done)
            }
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "tenantseal", &mut script);
                output.print(String::from_utf8_lossy(&script))?;
                Ok(Exit::Done)
            }
        }
    }
}
