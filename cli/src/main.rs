//! `tenantseal`: manages the keys of many tenants. docs/COMMAND.md shows every command.

mod args;
mod array_index;
mod aws;
mod cli;
mod commands;
mod errors;
mod locked;
mod output;
mod service;
mod sessions;
mod settings;
mod svg;
mod tenant_items;
mod visible;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use errors::{Exit, Failure};
use output::Output;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_usage_error(&error),
    };
    let output = Output::new(&cli.global);
    let endless = cli.runs_until_interrupted();
    let result = tokio::select! {
        // Polled first, so that Ctrl-C is handled before anything begins.
        biased;
        _ = tokio::signal::ctrl_c() => if endless { Ok(Exit::Done) } else { Err(Failure::interrupted()) },
        result = cli.run(&output) => result,
    };
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    };
    // A pending question holds a thread that nothing else ends.
    std::process::exit(exit.code())
}

/// Help and version are answers; everything else is a usage error, for machines too.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let told = error.to_string();
        let line = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
        output::json_failure(&Failure::usage(line));
        return Exit::Usage.into();
    }
    output::print_clap(error);
    if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS }
}
