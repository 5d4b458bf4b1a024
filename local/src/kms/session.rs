//! The steps that all operations share: resolve the key, authorise, check its state.

use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    authorise::{Caller, Denial, Request},
    policy::{Context, Policy, is_account_id},
    refusal::{Refusal, kms as code},
    state::{
        State,
        iam::add_request_context,
        keys::{AliasName, Key, KeyName, KeyState},
    },
};

use super::{
    cipher,
    input::{Blob, EncryptionContext},
};

/// One call of an authenticated caller, while it holds the state.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) state: &'a mut State,
    pub(super) caller: &'a Caller,
    pub(super) region: &'a str,
    pub(super) now: SystemTime,
}

/// The key that a request means. It includes the alias by which the request named the key: the value of
/// `kms:RequestAlias`.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) key: KeyName,
    pub(super) alias: Option<String>,
}

/// The answer of an operation. Some operations answer nothing, which is an empty body on the wire.
pub(super) trait Output {
    fn into_body(self) -> Option<Value>;
}

/// The forms of `KeyId` in a request.
enum Named {
    Key { account: String, name: KeyName },
    Alias(AliasName),
}

impl<'a> Session<'a> {
    pub(super) fn new(state: &'a mut State, caller: &'a Caller, region: &'a str, now: SystemTime) -> Self {
        Self { state, caller, region, now }
    }

    /// Parses the input and runs an operation.
    pub(super) fn run<I: DeserializeOwned, O: Output>(
        &mut self,
        input: Value,
        operation: impl FnOnce(&mut Self, I) -> Result<O, Refusal>,
    ) -> Result<Option<Value>, Refusal> {
        let input = serde_json::from_value(input).map_err(|error| code::VALIDATION.because(error.to_string()))?;
        operation(self, input).map(O::into_body)
    }

    /// The account of the caller.
    pub(super) fn account(&self) -> &str {
        &self.caller.principal.account
    }

    /// Resolves a key id, key ARN, alias name or alias ARN. A bare name belongs to the caller's account.
    pub(super) fn resolve(&self, sent: &str) -> Result<Target, Refusal> {
        match self.parse(sent)? {
            Named::Key { account, name } => {
                self.check_exists(&account, &name)?;
                Ok(Target { key: name, alias: None })
            }
            Named::Alias(name) => {
                let target = self.state.keys.known_target(&name, self.now).filter(|target| self.key(target).is_ok());
                let target =
                    target.ok_or_else(|| code::NOT_FOUND.because(format!("Alias {} is not found.", name.arn())))?;
                Ok(Target { key: target.clone(), alias: Some(name.name) })
            }
        }
    }

    /// Resolves a key id or key ARN, for operations that do not accept aliases.
    pub(super) fn resolve_key(&self, sent: &str) -> Result<Target, Refusal> {
        match self.parse(sent)? {
            Named::Key { account, name } => {
                self.check_exists(&account, &name)?;
                Ok(Target { key: name, alias: None })
            }
            Named::Alias(_) if sent.starts_with("arn:") => {
                Err(code::INVALID_ARN.because(format!("{sent} is not the ARN of a key")))
            }
            Named::Alias(_) => Err(code::NOT_FOUND.because(format!("Invalid keyId '{sent}'"))),
        }
    }

    /// The key that a ciphertext names, in whichever account.
    pub(super) fn resolve_blob(&self, blob: &[u8]) -> Result<Target, Refusal> {
        let name = cipher::key_id(blob).map(|id| KeyName { region: self.region.to_owned(), id: id.to_owned() });
        match name {
            Some(name) if self.key(&name).is_ok() => Ok(Target { key: name, alias: None }),
            Some(name) if self.state.keys.was_ever(&name) => {
                Err(code::NOT_FOUND.because(format!("Key '{}' does not exist", name.id)))
            }
            _ => Err(invalid_ciphertext()),
        }
    }

    /// The ARN of the key that a request names, or whose ciphertext it carries. The record of calls shows it.
    pub(super) fn key_arn(&self, sent: Option<&str>, ciphertext: Option<&str>) -> Option<String> {
        let target = match (sent, ciphertext) {
            (Some(sent), _) => self.resolve(sent).ok()?,
            (None, Some(ciphertext)) => self.resolve_blob(&Blob::decode(ciphertext)?.0).ok()?,
            (None, None) => return None,
        };
        Some(self.key(&target.key).ok()?.arn())
    }

    /// A key that is already resolved.
    pub(super) fn key(&self, name: &KeyName) -> Result<&Key, Refusal> {
        self.state.keys.get(name, self.now).ok_or_else(|| not_found(name))
    }

    pub(super) fn key_mut(&mut self, name: &KeyName) -> Result<&mut Key, Refusal> {
        self.state.keys.get_mut(name, self.now).ok_or_else(|| not_found(name))
    }

    /// Authorises an action on a key, by all policies that apply.
    pub(super) fn authorise(&self, action: &str, target: &Target) -> Result<(), Refusal> {
        self.authorise_with(action, target, |_| ())
    }

    /// As [`authorise`](Self::authorise), for a request with further condition keys.
    pub(super) fn authorise_with(
        &self,
        action: &str,
        target: &Target,
        add: impl FnOnce(&mut Context),
    ) -> Result<(), Refusal> {
        self.authorise_or_granted(action, target, &EncryptionContext::default(), add)
    }

    /// As [`authorise_with`](Self::authorise_with), or by a grant that holds for this encryption context.
    pub(super) fn authorise_or_granted(
        &self,
        action: &str,
        target: &Target,
        context: &EncryptionContext,
        add: impl FnOnce(&mut Context),
    ) -> Result<(), Refusal> {
        let key = self.key(&target.key)?;
        let decision = self.decide(action, key, &key.policy.policy, target.alias.as_deref(), add);
        match decision {
            Err(denial) if !denial.is_explicit() && self.is_granted(action, target, context) => Ok(()),
            decision => decision.map_err(|denial| self.refuse(denial, action, &key.arn())),
        }
    }

    /// As [`authorise_with`](Self::authorise_with), under a policy that the key need not have yet.
    pub(super) fn authorise_under(
        &self,
        action: &str,
        key: &Key,
        policy: &Policy,
        alias: Option<&str>,
        add: impl FnOnce(&mut Context),
    ) -> Result<(), Refusal> {
        self.decide(action, key, policy, alias, add).map_err(|denial| self.refuse(denial, action, &key.arn()))
    }

    fn decide(
        &self,
        action: &str,
        key: &Key,
        policy: &Policy,
        alias: Option<&str>,
        add: impl FnOnce(&mut Context),
    ) -> Result<(), Denial> {
        let mut context = self.context();
        context.set("aws:ResourceAccount", &key.account);
        context.set("kms:KeySpec", "SYMMETRIC_DEFAULT");
        context.set("kms:KeyUsage", "ENCRYPT_DECRYPT");
        context.set("kms:KeyOrigin", "AWS_KMS");
        context.set("kms:MultiRegion", key.primary_region.is_some().to_string());
        if key.primary_region.is_some() {
            context.set("kms:MultiRegionKeyType", key.multi_region_type());
        }
        if let Some(alias) = alias {
            context.set("kms:RequestAlias", alias);
        }
        add(&mut context);
        // Only the caller's policies see these 2 condition keys: AWS evaluates them in no key policy.
        let mut own = context.clone();
        own.set_many("kms:ResourceAliases", self.state.keys.aliases_to(&key.name).cloned());
        for (tag, value) in &key.tags {
            own.add(&format!("aws:ResourceTag/{tag}"), value);
        }
        let resource = key.arn();
        let request = Request { action, resource: &resource, context: &own };
        self.caller.may_use(request, &key.account, policy, &context)
    }

    fn refuse(&self, denial: Denial, action: &str, resource: &str) -> Refusal {
        code::ACCESS_DENIED.because(denial.message(&self.caller.principal, action, resource))
    }

    /// Authorises an action on something without a policy of its own, by the caller's policies alone.
    pub(super) fn authorise_own(
        &self,
        action: &str,
        resource: &str,
        add: impl FnOnce(&mut Context),
    ) -> Result<(), Refusal> {
        let mut context = self.context();
        add(&mut context);
        let decision = self.caller.may(Request { action, resource, context: &context });
        decision.map_err(|denial| self.refuse(denial, action, resource))
    }

    /// A key that can currently encrypt and decrypt.
    pub(super) fn usable(&self, target: &Target) -> Result<&Key, Refusal> {
        let key = self.key(&target.key)?;
        match key.state(self.now) {
            KeyState::Enabled => Ok(key),
            KeyState::Disabled => Err(code::DISABLED.because(format!("{} is disabled.", key.arn()))),
            KeyState::PendingDeletion | KeyState::PendingReplicaDeletion | KeyState::Deleted => {
                Err(pending_deletion(key))
            }
        }
    }

    /// A key that may be changed: any key that is not about to be deleted.
    pub(super) fn changeable(&mut self, target: &Target) -> Result<&mut Key, Refusal> {
        let key = self.key_mut(&target.key)?;
        if key.deletion.is_some() {
            return Err(pending_deletion(key));
        }
        Ok(key)
    }

    fn parse(&self, sent: &str) -> Result<Named, Refusal> {
        let own_account = || self.account().to_owned();
        let region = || self.region.to_owned();
        if sent.is_empty() || sent.len() > 2048 {
            return Err(code::VALIDATION.because("KeyId must have between 1 and 2048 characters"));
        }
        if sent.starts_with("alias/") {
            return Ok(Named::Alias(AliasName { account: own_account(), region: region(), name: sent.to_owned() }));
        }
        if !sent.starts_with("arn:") {
            let name = KeyName { region: region(), id: sent.to_owned() };
            return Ok(Named::Key { account: own_account(), name });
        }
        let parts: Vec<_> = sent.splitn(6, ':').collect();
        let ["arn", "aws", "kms", at, account, resource] = parts[..] else {
            return Err(code::INVALID_ARN.because(format!("Invalid arn {sent}")));
        };
        if !is_account_id(account) {
            return Err(code::INVALID_ARN.because(format!("Invalid arn {sent}")));
        }
        if at != self.region {
            return Err(code::NOT_FOUND.because(format!("Invalid arn {at}")));
        }
        let account = account.to_owned();
        if resource.starts_with("alias/") {
            Ok(Named::Alias(AliasName { account, region: region(), name: resource.to_owned() }))
        } else if let Some(id) = resource.strip_prefix("key/") {
            Ok(Named::Key { account, name: KeyName { region: region(), id: id.to_owned() } })
        } else {
            Err(code::INVALID_ARN.because(format!("Invalid arn {sent}")))
        }
    }

    fn check_exists(&self, account: &str, name: &KeyName) -> Result<(), Refusal> {
        if self.key(name).is_ok_and(|key| key.account == account) {
            return Ok(());
        }
        if account == self.account() {
            return Err(not_found(name));
        }
        // A key of another account that does not exist looks like one that the caller may not use.
        Err(code::ACCESS_DENIED.because(format!(
            "User: {} is not authorized to perform this action on the resource arn:aws:kms:{}:{account}:key/{} because the \
             resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy \
             explicitly denies access",
            self.caller.principal.arn, name.region, name.id
        )))
    }

    fn context(&self) -> Context {
        let mut context = self.caller.context.clone();
        add_request_context(&mut context, self.region, self.now);
        context.set("kms:CallerAccount", self.account());
        context
    }
}

impl Output for Value {
    fn into_body(self) -> Option<Value> {
        Some(self)
    }
}

impl Output for () {
    fn into_body(self) -> Option<Value> {
        None
    }
}

/// Adds the condition keys that an encryption context defines.
pub(super) fn add_encryption_context(context: &mut Context, EncryptionContext(pairs): &EncryptionContext) {
    for (key, value) in pairs {
        context.add(&format!("kms:EncryptionContext:{key}"), value);
    }
    context.set_many("kms:EncryptionContextKeys", pairs.keys().cloned());
}

pub(super) fn invalid_ciphertext() -> Refusal {
    // AWS gives no message either, because a message would tell what exactly is wrong.
    code::INVALID_CIPHERTEXT.because("")
}

fn pending_deletion(key: &Key) -> Refusal {
    code::INVALID_STATE.because(format!("{} is pending deletion.", key.arn()))
}

fn not_found(name: &KeyName) -> Refusal {
    code::NOT_FOUND.because(format!("Key '{}' does not exist", name.id))
}
