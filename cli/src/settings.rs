//! Settings: role, alias template, registry. Arguments have precedence over the environment, the environment over the
//! file.

use std::path::Path;

use serde::Deserialize;
use tenantseal::keys::{AliasTemplate, DynamoDbKeyTable, RoleArn, Tenancy};

use crate::args::{Global, Scope};
use crate::errors::{Failure, Result};

const FILE: &str = "tenantseal.toml";
const REGISTRY: &str = "tenantseal-tenants";

/// The settings of a command.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    role: Option<String>,
    alias: Option<String>,
    scope: Option<Scope>,
    registry: Option<String>,
    /// The role that wraps data keys anew.
    rewrap_role: Option<String>,
    /// The table in which services share wrapped data keys.
    pub(crate) key_table: Option<String>,
    /// The table with the leaves of adopted tables and the state of sweeps.
    pub(crate) ledger: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    /// The profile of a service that assumes the role, if it differs from `profile`.
    pub(crate) service_profile: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    /// Who may assume the role.
    #[serde(default)]
    pub(crate) services: Vec<String>,
    /// Transitive session tags that services may have.
    inherited_tags: Option<Vec<String>>,
}

impl Settings {
    pub(crate) fn load(global: &Global) -> Result<Self> {
        // The SDK panics if an address is set and empty.
        let addresses = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value));
        let mut empty = addresses.filter(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && value.is_empty());
        if let Some((name, _)) = empty.next() {
            return Err(Failure::usage(format!("{name} is empty")).help("unset it, or set it to an address"));
        }
        let mut settings = match &global.config {
            Some(path) => Self::read(path)?,
            None if Path::new(FILE).exists() => Self::read(Path::new(FILE))?,
            None => Self::default(),
        };
        let given = |argument: &Option<String>, setting: &mut Option<String>| {
            if let Some(argument) = argument {
                *setting = Some(argument.clone());
            }
        };
        given(&global.role, &mut settings.role);
        given(&global.alias, &mut settings.alias);
        given(&global.registry, &mut settings.registry);
        given(&global.key_table, &mut settings.key_table);
        given(&global.ledger, &mut settings.ledger);
        settings.scope = global.scope.or(settings.scope);
        given(&global.region, &mut settings.region);
        given(&global.profile, &mut settings.profile);
        given(&global.service_profile, &mut settings.service_profile);
        given(&global.endpoint_url, &mut settings.endpoint_url);
        if settings.endpoint_url.as_deref() == Some("") {
            return Err(Failure::usage("--endpoint-url is empty").help("leave it out, or give an address"));
        }
        Ok(settings)
    }

    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("{shown}: {error}")).help("check --config and TENANTSEAL_CONFIG")
        })?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Failure::usage(format!("{shown}, line {line}: {}", error.message()))
        })
    }

    /// Sets the role if none is set.
    #[cfg(feature = "local")]
    #[must_use]
    pub(crate) fn with_role(mut self, role: &str) -> Self {
        self.role.get_or_insert_with(|| role.to_owned());
        self
    }

    /// The role and the aliases.
    pub(crate) fn tenancy(&self) -> Result<Tenancy> {
        let role = self.role.as_deref().ok_or_else(|| {
            Failure::usage("which role do services assume?")
                .help("give --role arn:aws:iam::<account>:role/<name>, TENANTSEAL_ROLE, or `role` in tenantseal.toml")
        })?;
        let role = RoleArn::parse(role).map_err(|error| Failure::usage(format!("--role `{role}`: {error}")))?;
        let mut tenancy = Tenancy::new(role, self.aliases()?).scoped_by(self.scope().into());
        if let Some(role) = &self.rewrap_role {
            let role =
                RoleArn::parse(role).map_err(|error| Failure::usage(format!("rewrap_role `{role}`: {error}")))?;
            tenancy = tenancy.rewrapped_by(role);
        }
        let Some(tags) = &self.inherited_tags else { return Ok(tenancy) };
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        tenancy.inheriting(&tags).map_err(|error| Failure::usage(format!("--inherited-tag {error}")))
    }

    /// Replaces the transitive session tags, if any are given.
    pub(crate) fn with_inherited_tags(&self, tags: Vec<String>) -> Self {
        let given = Some(tags).filter(|tags| !tags.is_empty());
        Self { inherited_tags: given.or_else(|| self.inherited_tags.clone()), ..self.clone() }
    }

    fn aliases(&self) -> Result<AliasTemplate> {
        let Some(template) = self.alias.as_deref() else { return Ok(AliasTemplate::default()) };
        AliasTemplate::parse(template).map_err(|error| Failure::usage(format!("--alias `{template}`: {error}")))
    }

    /// How policies distinguish the tenants' keys.
    pub(crate) fn scope(&self) -> Scope {
        self.scope.unwrap_or_default()
    }

    /// The ledger.
    pub(crate) fn ledger_table(&self, config: &aws_config::SdkConfig) -> Result<DynamoDbKeyTable> {
        let table = self.ledger.as_deref().ok_or_else(|| {
            Failure::usage("in which table are leaves and sweeps?")
                .help("give --ledger, TENANTSEAL_LEDGER, or `ledger` in tenantseal.toml")
        })?;
        Ok(DynamoDbKeyTable::new(config, table))
    }

    /// The registry's table.
    pub(crate) fn registry(&self) -> &str {
        self.registry.as_deref().unwrap_or(REGISTRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_the_guide_are_all_there_are_and_are_read() {
        let guide = include_str!("../../docs/COMMAND.md");
        let (_, rest) = guide.split_once("```toml\n").unwrap();
        let (settings, _) = rest.split_once("```").unwrap();
        let Settings {
            role,
            alias,
            scope,
            registry,
            rewrap_role,
            key_table,
            ledger,
            region,
            profile,
            service_profile,
            endpoint_url,
            services,
            inherited_tags,
        } = toml::from_str(&settings.replace("# endpoint_url", "endpoint_url")).unwrap();
        let all =
            [role, alias, registry, rewrap_role, key_table, ledger, region, profile, service_profile, endpoint_url];
        assert!(all.iter().all(Option::is_some), "{all:?}");
        assert!(scope.is_some() && !services.is_empty());
        assert_eq!(inherited_tags.unwrap(), tenantseal::keys::Tenancy::EKS_POD_IDENTITY_TAGS);
    }
}
