//! Aliases. Each operation needs permission on the alias, by identity policy, and on the keys that it involves.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::epoch_seconds,
    refusal::{Refusal, kms as code},
    state::keys::{Alias, AliasName},
};

use super::{
    page::Page,
    session::{Session, Target},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AliasAndKey {
    alias_name: String,
    target_key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteAlias {
    alias_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListAliases {
    key_id: Option<String>,
    #[serde(flatten)]
    page: Page,
}

/// The maximum number of aliases of a key. AWS would deny a key with more under `kms:ResourceAliases`; here no key can
/// have more.
const MAX_ALIASES: usize = 50;

impl Session<'_> {
    pub(super) fn create_alias(&mut self, input: AliasAndKey) -> Result<(), Refusal> {
        let name = self.alias_name(input.alias_name)?;
        let target = self.alias_target(&input.target_key_id)?;
        self.authorise_own("kms:CreateAlias", &name.arn(), |_| ())?;
        self.authorise("kms:CreateAlias", &target)?;
        self.changeable(&target)?;
        if self.live_alias(&name).is_some() {
            return Err(code::ALREADY_EXISTS.because(format!("An alias with the name {} already exists", name.arn())));
        }
        self.check_alias_count(&target)?;
        self.state.keys.alias_changes(&name, self.now);
        self.state.keys.put_alias(name, Alias { target: target.key, created: self.now, updated: self.now });
        Ok(())
    }

    pub(super) fn update_alias(&mut self, input: AliasAndKey) -> Result<(), Refusal> {
        let name = self.alias_name(input.alias_name)?;
        let target = self.alias_target(&input.target_key_id)?;
        let alias = self.live_alias(&name).cloned().ok_or_else(|| not_found(&name))?;
        self.authorise_own("kms:UpdateAlias", &name.arn(), |_| ())?;
        self.authorise("kms:UpdateAlias", &Target { key: alias.target.clone(), alias: None })?;
        self.authorise("kms:UpdateAlias", &target)?;
        self.changeable(&target)?;
        if alias.target != target.key {
            self.check_alias_count(&target)?;
        }
        self.state.keys.alias_changes(&name, self.now);
        self.state.keys.put_alias(name, Alias { target: target.key, updated: self.now, ..alias });
        Ok(())
    }

    pub(super) fn delete_alias(&mut self, input: DeleteAlias) -> Result<(), Refusal> {
        let name = self.alias_name(input.alias_name)?;
        let target = self.live_alias(&name).ok_or_else(|| not_found(&name))?.target.clone();
        self.authorise_own("kms:DeleteAlias", &name.arn(), |_| ())?;
        self.authorise("kms:DeleteAlias", &Target { key: target, alias: None })?;
        self.state.keys.alias_changes(&name, self.now);
        self.state.keys.remove_alias(&name);
        Ok(())
    }

    pub(super) fn list_aliases(&mut self, input: ListAliases) -> Result<Value, Refusal> {
        self.authorise_own("kms:ListAliases", "*", |_| ())?;
        let only = input.key_id.map(|key_id| self.resolve_key(&key_id)).transpose()?.map(|target| target.key);
        let aliases = self.state.keys.aliases_of(self.account(), self.region, self.now);
        let aliases = aliases.filter(|(_, alias)| only.as_ref().is_none_or(|only| alias.target == *only));
        let entries = aliases.map(|(name, alias)| {
            let entry = json!({
                "AliasName": name.name,
                "AliasArn": name.arn(),
                "TargetKeyId": alias.target.id,
                "CreationDate": epoch_seconds(alias.created),
                "LastUpdatedDate": epoch_seconds(alias.updated),
            });
            (name.name.as_str(), entry)
        });
        input.page.answer("Aliases", 50, 100, entries)
    }

    /// Checks the name of a new or existing alias, which always belongs to the caller's account.
    fn alias_name(&self, name: String) -> Result<AliasName, Refusal> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
        match name.strip_prefix("alias/") {
            Some(rest) if name.len() <= 256 && !rest.is_empty() && rest.chars().all(valid) => {}
            _ => {
                return Err(
                    code::VALIDATION.because("an alias is alias/ and up to 250 letters, digits, slashes, _ and -")
                );
            }
        }
        if name.starts_with("alias/aws/") {
            return Err(code::INVALID_ALIAS_NAME.because("alias/aws/ is reserved for AWS managed keys"));
        }
        Ok(AliasName { account: self.account().to_owned(), region: self.region.to_owned(), name })
    }

    /// The key that an alias points to, which must belong to the same account.
    fn alias_target(&self, key_id: &str) -> Result<Target, Refusal> {
        if key_id.starts_with("alias/") || key_id.contains(":alias/") {
            return Err(code::VALIDATION.because("Aliases must refer to keys. Not aliases"));
        }
        let target = self.resolve_key(key_id)?;
        if self.key(&target.key)?.account != self.account() {
            return Err(code::VALIDATION.because("an alias and its key must be in the same account"));
        }
        Ok(target)
    }

    fn live_alias(&self, name: &AliasName) -> Option<&Alias> {
        self.state.keys.alias(name).filter(|alias| self.key(&alias.target).is_ok())
    }

    fn check_alias_count(&self, target: &Target) -> Result<(), Refusal> {
        if self.state.keys.aliases_to(&target.key).len() >= MAX_ALIASES {
            return Err(code::LIMIT_EXCEEDED.because(format!("a key can have {MAX_ALIASES} aliases")));
        }
        Ok(())
    }
}

fn not_found(name: &AliasName) -> Refusal {
    code::NOT_FOUND.because(format!("Alias {} is not found.", name.arn()))
}
