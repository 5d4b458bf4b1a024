//! The Lambda function. `TENANT_KEYS_ROLE` is the ARN of the role in the key account.

use aws_lambda_events::dynamodb::Event;
use lambda_runtime::{LambdaEvent, service_fn};
use tenantseal::TenantSeal;
use tenantseal::changes::{Change, ChangeError};
use tenantseal_stream_handler::{Consumer, Contact, handle};

/// Logs that something happened, and nothing of an item. Yours updates a search index, or sends an event.
struct Log;

impl Consumer for Log {
    fn changed(&mut self, change: Change) {
        let refused = if change.is_refused() { ", and an image was refused" } else { "" };
        println!("{}: {:?}{refused}", change.tenant(), change.kind());
    }

    fn dead_letter(&mut self, error: ChangeError) {
        println!("record {}: {error}", error.sequence_number().unwrap_or("?"));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = aws_config::load_from_env().await;
    let role = std::env::var("TENANT_KEYS_ROLE")?;
    let seal = TenantSeal::builder().assume_role(role).record::<Contact>().build(&config)?;
    let seal = &seal;
    let handler = |event: LambdaEvent<Event>| async move {
        handle(seal, &mut Log, event.payload).await.map_err(lambda_runtime::Error::from)
    };
    lambda_runtime::run(service_fn(handler)).await
}
