//! `policy`: prints policies, ready to deploy.

use clap::{Args, Subcommand};
use tenantseal::TenantId;
use tenantseal::keys::Policy as Document;
use tenantseal::schema::TenantTemplate;

use crate::args::{InheritedTags, tenant};
use crate::errors::{Exit, Failure, Result};
use crate::output::Output;
use crate::settings::Settings;

/// Print a policy, ready to deploy.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Permissions of the role: none without the session tag that names the tenant
    Role,
    /// Trust policy of the role: who may assume it, and only for one tenant
    Trust {
        /// A role or user that may assume it (repeat it) [default: `services` of the settings]
        #[arg(long = "service", value_name = "ARN")]
        services: Vec<String>,
        #[command(flatten)]
        inherited: InheritedTags,
    },
    /// Permissions of the operator of this command: keys, aliases and the registry, and no cryptography
    Operator,
    /// The policy of a tenant's key
    Key {
        #[arg(value_parser = tenant)]
        tenant: TenantId,
    },
    /// The session policy that the library sends with AssumeRole for a tenant
    Session {
        #[arg(value_parser = tenant)]
        tenant: TenantId,
    },
    /// Permissions of the role that wraps data keys anew, `rewrap_role` of the settings
    RewrapRole,
    /// Trust policy of that role
    RewrapTrust {
        /// A role or user that re-wraps data keys with `seal.sweep(..).rewrap(..)` (repeat it)
        #[arg(long = "operator", value_name = "ARN", required = true)]
        operators: Vec<String>,
        #[command(flatten)]
        inherited: InheritedTags,
    },
    /// The session policy that a re-wrap sends with AssumeRole for a tenant
    RewrapSession {
        #[arg(value_parser = tenant)]
        tenant: TenantId,
    },
    /// For credentials that are scoped by tenant at DynamoDB too: items whose partition key is the tenant's
    Dynamodb {
        #[arg(value_parser = tenant)]
        tenant: TenantId,
        /// The table
        #[arg(long, value_name = "ARN")]
        table_arn: String,
        /// How the partition key contains the tenant
        #[arg(long, default_value = "{tenant}", value_name = "TEMPLATE")]
        partition_key: String,
        /// An index that may be queried, with that attribute as its partition key too (repeat it)
        #[arg(long = "index", value_name = "NAME")]
        indexes: Vec<String>,
    },
}

impl Policy {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let tenancy = settings.tenancy()?;
        let large = |error: tenantseal::keys::PolicyTooLarge| Failure::usage(error.to_string());
        let document: Document = match self.kind {
            Kind::Role => tenancy.role_policy(&settings.region().await?),
            Kind::Operator => {
                let (region, role) = (settings.region().await?, tenancy.role());
                let (partition, account) = (role.partition(), role.account());
                let table = format!("arn:{partition}:dynamodb:{region}:{account}:table/{}", settings.registry());
                tenancy.operator_policy(&region, &table)
            }
            Kind::Trust { services, inherited } => {
                let tenancy = settings.with_inherited_tags(inherited.inherited_tags).tenancy()?;
                let services = if services.is_empty() { settings.services.clone() } else { services };
                if services.is_empty() {
                    return Err(Failure::usage("who may assume the role?")
                        .help("give --service <ARN>, or `services` in tenantseal.toml"));
                }
                check_principals("--service", &services)?;
                tenancy.trust_policy(&services.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Kind::Key { tenant } => tenancy.key_policy(&tenant).map_err(large)?,
            Kind::Session { tenant } => tenancy.session_policy(&tenant, &settings.region().await?).map_err(large)?,
            Kind::RewrapRole => rewrap(tenancy.rewrap_role_policy(&settings.region().await?))?,
            Kind::RewrapTrust { operators, inherited } => {
                let tenancy = settings.with_inherited_tags(inherited.inherited_tags).tenancy()?;
                check_principals("--operator", &operators)?;
                rewrap(tenancy.rewrap_trust_policy(&operators.iter().map(String::as_str).collect::<Vec<_>>()))?
            }
            Kind::RewrapSession { tenant } => {
                rewrap(tenancy.rewrap_session_policy(&tenant, &settings.region().await?))?.map_err(large)?
            }
            Kind::Dynamodb { tenant, table_arn, partition_key, indexes } => {
                let template = TenantTemplate::parse(&partition_key)
                    .map_err(|error| Failure::usage(format!("--partition-key `{partition_key}`: {error}")))?;
                if !is_table(&table_arn) {
                    return Err(Failure::usage(format!("--table-arn `{table_arn}` is not the ARN of a table"))
                        .help("it must be arn:<partition>:dynamodb:<region>:<12-digit account>:table/<name>"));
                }
                if let Some(wrong) = indexes.iter().find(|index| !is_name(index, b"_.-")) {
                    return Err(Failure::usage(format!("--index `{wrong}` is not the name of an index"))
                        .help("use characters of [A-Za-z0-9_.-]; wildcards are refused"));
                }
                let indexes: Vec<_> = indexes.iter().map(String::as_str).collect();
                tenancy.leading_keys_policy(&tenant, &table_arn, &indexes, &template)
            }
        };
        // People get indented JSON; machines get it in one line.
        output.print(if output.is_json() { document.to_string() } else { document.pretty() })?;
        Ok(Exit::Done)
    }
}

/// A policy of the re-wrap role, if there is such a role.
fn rewrap<T>(policy: Option<T>) -> Result<T> {
    policy.ok_or_else(|| {
        Failure::usage("which role wraps data keys anew?")
            .help("give `rewrap_role = \"arn:aws:iam::<account>:role/<name>\"` in tenantseal.toml")
    })
}

fn check_principals(option: &str, arns: &[String]) -> Result<()> {
    match arns.iter().find(|arn| !is_principal(arn)) {
        None => Ok(()),
        Some(wrong) => Err(Failure::usage(format!("{option} `{wrong}` is not the ARN of a role or user")).help(
            "it must be arn:<partition>:iam::<12-digit account>:role/<name>; wildcards and accounts are refused",
        )),
    }
}

/// Whether a text is the ARN of exactly one role or user: wildcards would admit others.
fn is_principal(arn: &str) -> bool {
    let [_, "iam", "", account, resource] = parts(arn)[..] else { return false };
    let name = resource.strip_prefix("role/").or_else(|| resource.strip_prefix("user/"));
    is_account(account) && name.is_some_and(|name| is_name(name, b"+=,.@_-/"))
}

fn is_table(arn: &str) -> bool {
    let [_, "dynamodb", region, account, resource] = parts(arn)[..] else { return false };
    let name = resource.strip_prefix("table/");
    is_name(region, b"-") && is_account(account) && name.is_some_and(|name| is_name(name, b"_.-"))
}

fn parts(arn: &str) -> Vec<&str> {
    match arn.split_once(':') {
        Some(("arn", rest)) => rest.splitn(5, ':').collect(),
        _ => Vec::new(),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_name(text: &str, others: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}
