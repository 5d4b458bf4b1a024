//! The client that the program is given.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;

pub(crate) fn client(aws: &SdkConfig) -> Result<Client, Box<dyn Error>> {
    Ok(Client::new(aws))
}
