//! The main job: a CRM whose tenants share one DynamoDB table, while each tenant's contacts are sealed under a KMS key
//! of its own.
//!
//! Run it with `cargo run --example crm`; it needs nothing else. DynamoDB, KMS and STS run in this process, on
//! loopback. It fails at the first wrong result.

mod cloud;
mod contact;
mod costs;
mod crossing;
mod finding;
mod ledger;
mod side_by_side;
mod storing;
mod terminal;
mod text;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use cloud::Cloud;
use contact::DataSet;
use ledger::Ledger;
use terminal::Terminal;
use text::grouped;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let terminal = Terminal::stdout();
    match tour(terminal).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.failed(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn tour(terminal: Terminal) -> Outcome<()> {
    let started = Instant::now();
    terminal.heading("tenantseal: one DynamoDB table, many tenants, a KMS key for each");
    let cloud = start(terminal).await?;
    let data = load(terminal)?;
    let mut ledger = Ledger::open(cloud.stack.calls());

    storing::onboard(terminal, &cloud, &data).await?;
    ledger.close("onboarding");
    let seal = storing::write(terminal, &cloud, &data).await?;
    ledger.close(ledger::WRITING);
    storing::read(terminal, &cloud, &data).await?;
    ledger.close(ledger::READING);
    storing::search_for_plaintext(terminal, &cloud, &data).await?;

    side_by_side::show(terminal, &cloud, &data).await?;

    crossing::keys(terminal, &cloud).await?;
    ledger.close("sessions at others' keys");
    crossing::items(terminal, &cloud, &seal, &data).await?;
    ledger.close("tampered items");

    ledger.print(terminal, &data)?;
    costs::compare(terminal, &data);
    finding::show(terminal, &cloud, &data).await?;

    terminal.line("");
    terminal.done("all of it as it should be", started);
    cloud.stack.shutdown().await;
    Ok(())
}

async fn start(terminal: Terminal) -> Outcome<Cloud> {
    let started = Instant::now();
    let cloud = Cloud::start().await?;
    terminal.done("DynamoDB, KMS and STS on loopback, two accounts and a table", started);
    Ok(cloud)
}

fn load(terminal: Terminal) -> Outcome<DataSet> {
    let started = Instant::now();
    let data = DataSet::load()?;
    terminal.done(&format!("{} contacts loaded from {}", grouped(data.contacts().len()), DataSet::FILE), started);
    terminal.detail(&data.summary());
    Ok(data)
}
