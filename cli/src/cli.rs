//! The command line: its global options and its commands.

use clap::{CommandFactory, Parser, Subcommand};

use crate::args::Global;
use crate::commands::Command;
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
  130  interrupted: run the same command again to continue

Answers are written to stdout; everything else, errors included, to stderr. With --json an error is
{\"error\":{\"kind\":…,\"message\":…,\"help\":…,\"exit\":…}} in one line on stderr.";

/// Manages the keys of many tenants: onboarding to offboarding, policies, and a self-test that proves isolation.
#[derive(Debug, Parser)]
#[command(name = "tenantseal", version, after_help = HELP, max_term_width = 120, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) request: Request,
}

// No documentation comment: clap would take it for the program's.
#[derive(Debug, Subcommand)]
pub(crate) enum Request {
    #[command(flatten)]
    Command(Box<Command>),
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Runs the command.
    pub(crate) async fn run(self, output: &Output) -> Result<Exit> {
        match self.request {
            Request::Command(command) => command.run(Settings::load(&self.global)?, output).await,
            Request::Man => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Self::command())
                    .render(&mut page)
                    .map_err(|error| Failure::usage(error.to_string()))?;
                output.print(String::from_utf8_lossy(&page))?;
                Ok(Exit::Done)
            }
            Request::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "tenantseal", &mut script);
                output.print(String::from_utf8_lossy(&script))?;
                Ok(Exit::Done)
            }
        }
    }

    /// Whether it runs until Ctrl-C.
    pub(crate) fn runs_until_interrupted(&self) -> bool {
        matches!(&self.request, Request::Command(command) if command.runs_until_interrupted())
    }
}
