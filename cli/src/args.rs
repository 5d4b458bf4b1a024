//! Arguments that several commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use tenantseal::TenantId;

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// One address for KMS, STS and DynamoDB, such as a local stack's
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Profile of the AWS configuration files
    #[arg(long, global = true)]
    pub(crate) profile: Option<String>,
    /// Profile of a service that assumes the role [default: as --profile]
    #[arg(long, global = true, value_name = "PROFILE")]
    pub(crate) service_profile: Option<String>,
    /// AWS Region
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colors; NO_COLOR is honored
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Do not ask for confirmation
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Say what the command would do, and change nothing
    #[arg(long, short = 'n', global = true)]
    pub(crate) dry_run: bool,
    /// Settings in TOML: role, alias, scope, registry, rewrap_role, key_table, ledger, region, profile,
    /// service_profile, endpoint_url, services, inherited_tags [default: tenantseal.toml, when there is one]
    #[arg(long, global = true, env = "TENANTSEAL_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The role in the key account that services assume for one tenant
    #[arg(long, global = true, env = "TENANTSEAL_ROLE", hide_env_values = true, value_name = "ARN")]
    pub(crate) role: Option<String>,
    /// Template of the tenants' aliases [default: alias/customer-{tenant}]
    #[arg(long, global = true, env = "TENANTSEAL_ALIAS", hide_env_values = true, value_name = "TEMPLATE")]
    pub(crate) alias: Option<String>,
    /// How policies distinguish the tenants' keys [default: request-alias]
    #[arg(long, global = true, env = "TENANTSEAL_SCOPE", hide_env_values = true, value_enum)]
    pub(crate) scope: Option<Scope>,
    /// The DynamoDB table of the registry [default: tenantseal-tenants]
    #[arg(long, global = true, env = "TENANTSEAL_REGISTRY", hide_env_values = true, value_name = "TABLE")]
    pub(crate) registry: Option<String>,
    /// The DynamoDB table in which services share wrapped data keys, if they do
    #[arg(long, global = true, env = "TENANTSEAL_KEY_TABLE", hide_env_values = true, value_name = "TABLE")]
    pub(crate) key_table: Option<String>,
    /// The DynamoDB table with the leaves of adopted tables and the state of sweeps
    #[arg(long, global = true, env = "TENANTSEAL_LEDGER", hide_env_values = true, value_name = "TABLE")]
    pub(crate) ledger: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// The command's names for [`tenantseal::keys::Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scope {
    /// By the alias that a request names
    #[default]
    RequestAlias,
    /// By the aliases that a key has
    ResourceAliases,
    /// By the tag of a key
    ResourceTag,
}

impl From<Scope> for tenantseal::keys::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::RequestAlias => Self::RequestAlias,
            Scope::ResourceAliases => Self::ResourceAliases,
            Scope::ResourceTag => Self::ResourceTag,
        }
    }
}

/// Transitive session tags that services may have.
#[derive(Debug, Args)]
pub(crate) struct InheritedTags {
    /// Key of a transitive session tag of a service's own session (repeat it) [default: `inherited_tags` of the
    /// settings, or the six of EKS Pod Identity]
    #[arg(long = "inherited-tag", value_name = "KEY")]
    pub(crate) inherited_tags: Vec<String>,
}

/// Parses a tenant's id from an argument.
pub(crate) fn tenant(id: &str) -> Result<TenantId, String> {
    TenantId::parse(id).map_err(|error| match TenantId::encode(id) {
        Ok(encoded) => format!("{error}; services that encode it know it as {encoded}"),
        Err(_) => error.to_string(),
    })
}

/// Parses a static pair of the encryption context from an argument.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("give it as NAME=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}
