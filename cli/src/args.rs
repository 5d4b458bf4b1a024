//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use tenantseal::TenantId;

use crate::commands;

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

/// Runs the keys of many tenants: onboarding to offboarding, policies, and a self-test that proves isolation.
#[derive(Debug, Parser)]
#[command(name = "tenantseal", version, after_help = HELP, max_term_width = 120, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
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
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Do not ask
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Say what would be done, and change nothing
    #[arg(long, short = 'n', global = true)]
    pub(crate) dry_run: bool,
    /// Settings in TOML: role, alias, scope, registry, key_table, region, profile, service_profile, endpoint_url, services,
    /// inherited_tags
    /// [default: tenantseal.toml, when there is one]
    #[arg(long, global = true, env = "TENANTSEAL_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The role in the key account that services assume for one tenant
    #[arg(long, global = true, env = "TENANTSEAL_ROLE", hide_env_values = true, value_name = "ARN")]
    pub(crate) role: Option<String>,
    /// How aliases are made [default: alias/customer-{tenant}]
    #[arg(long, global = true, env = "TENANTSEAL_ALIAS", hide_env_values = true, value_name = "TEMPLATE")]
    pub(crate) alias: Option<String>,
    /// How policies tell the tenants' keys apart [default: request-alias]
    #[arg(long, global = true, env = "TENANTSEAL_SCOPE", hide_env_values = true, value_enum)]
    pub(crate) scope: Option<Scope>,
    /// The DynamoDB table of the registry [default: tenantseal-tenants]
    #[arg(long, global = true, env = "TENANTSEAL_REGISTRY", hide_env_values = true, value_name = "TABLE")]
    pub(crate) registry: Option<String>,
    /// The DynamoDB table in which services share data keys, if they do
    #[arg(long, global = true, env = "TENANTSEAL_KEY_TABLE", hide_env_values = true, value_name = "TABLE")]
    pub(crate) key_table: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// The words for [`tenantseal::keys::Scope`].
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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the registry's table, and the --key-table if one is named, with point-in-time recovery
    Init,
    /// Give tenants their keys, aliases and entries in the registry
    Onboard(commands::onboard::Onboard),
    /// List the tenants
    List(commands::list::List),
    /// Show a tenant, and what KMS says of its keys
    Show(commands::show::Show),
    /// Rotate a tenant's key
    Rotate(commands::rotate::Rotate),
    /// Disable a tenant's keys: nothing of it can be opened until they are enabled again
    Suspend(commands::suspend::Suspend),
    /// Enable a suspended tenant's keys again
    Resume(commands::suspend::Resume),
    /// Disable a tenant's keys and have them deleted after 7 to 30 days
    Offboard(commands::offboard::Offboard),
    /// Keep the keys of an offboarded tenant, disabled: `resume` brings it back
    CancelOffboard(commands::suspend::CancelOffboard),
    /// Print a policy, ready to be deployed
    Policy(commands::policy::Policy),
    /// Show what an item says of itself, without any key
    Inspect(commands::inspect::Inspect),
    /// Estimate what a month costs, beside a key per tenant and service and beside no caching
    Cost(commands::cost::Cost),
    /// Check the set-up, and prove that one tenant's session cannot use another tenant's key
    Doctor(commands::doctor::Doctor),
    /// Start KMS, STS and DynamoDB on loopback, with two tenants, and print the environment to export
    #[cfg(feature = "local")]
    Local(commands::local::Local),
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print a completion script
    Completions {
        /// For this shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether Ctrl-C is how it is meant to end.
    pub(crate) fn runs_until_interrupted(&self) -> bool {
        #[cfg(feature = "local")]
        return matches!(self, Self::Local(_));
        #[cfg(not(feature = "local"))]
        false
    }
}

/// Which transitive session tags services may bring along.
#[derive(Debug, Args)]
pub(crate) struct InheritedTags {
    /// The key of a transitive session tag that a service's own session has (repeat it) [default: `inherited_tags` of the settings,
    /// or the six of EKS Pod Identity]
    #[arg(long = "inherited-tag", value_name = "KEY")]
    pub(crate) inherited_tags: Vec<String>,
}

/// A tenant's id, as an argument.
pub(crate) fn tenant(id: &str) -> Result<TenantId, String> {
    TenantId::parse(id).map_err(|error| match TenantId::encode(id) {
        Ok(encoded) => format!("{error}; services that encode it know it as {encoded}"),
        Err(_) => error.to_string(),
    })
}
