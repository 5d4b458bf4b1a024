//! One put and one get, nothing encrypted.

#[path = "../../program.rs"]
mod program;

use aws_sdk_dynamodb::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let dynamodb = Client::new(&aws);
    program::run(dynamodb).await
}
