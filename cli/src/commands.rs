//! One file per command.

pub(crate) mod cost;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod list;
#[cfg(feature = "local")]
pub(crate) mod local;
pub(crate) mod offboard;
pub(crate) mod onboard;
pub(crate) mod policy;
pub(crate) mod rotate;
pub(crate) mod show;
pub(crate) mod suspend;

use clap::CommandFactory;

use crate::args::{Cli, Command};
use crate::errors::{Exit, Failure, Result};
use crate::output::Output;
use crate::settings::Settings;

pub(crate) async fn run(cli: Cli, output: &Output) -> Result<Exit> {
    let Cli { global, command } = cli;
    let settings = Settings::load(&global)?;
    match command {
        Command::Init => init::run(&settings, output).await,
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
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(|error| Failure::usage(error.to_string()))?;
            output.print(String::from_utf8_lossy(&page))?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tenantseal", &mut script);
            output.print(String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}
