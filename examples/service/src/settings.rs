//! What differs between the local stack, a test account and production.

use std::env;
use std::error::Error;

use tenantseal_tower::Issuer;

/// What differs between environments. Credentials are not here: they come with the `SdkConfig`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The ARN of the role in the account that owns the tenants' keys.
    pub role: String,
    /// DynamoDB's name of the table of contacts.
    pub table: String,
    /// DynamoDB's name of the key table, by which a fleet shares its data keys. None in a single process.
    pub key_table: Option<String>,
    /// S3's name of the bucket of attachments.
    pub bucket: String,
    /// Who issues the callers' tokens.
    pub issuer: Issuer,
}

impl Settings {
    /// Reads the environment of a deployed service.
    ///
    /// # Errors
    ///
    /// Names the variable that is missing.
    pub fn from_env() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let issuer = Issuer::new(variable("ISSUER")?).audience(variable("AUDIENCE")?);
        Ok(Self {
            role: variable("TENANT_KEYS_ROLE")?,
            table: variable("CONTACTS_TABLE")?,
            key_table: Some(variable("KEY_TABLE")?),
            bucket: variable("ATTACHMENTS_BUCKET")?,
            issuer: issuer.tenant_claim([variable("TENANT_CLAIM")?]),
        })
    }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("the environment variable {name} is not set, or is not UTF-8"))
}
