//! Decides which values of an update are sealed, for which attributes, and what is sent instead.

use std::collections::{BTreeMap, BTreeSet};

use super::{Actions, SetValue, Sign, Update};
use crate::expression::lookups::Placing;
use crate::expression::path::{WrittenPath, refuse_overlaps};
use crate::expression::{Assigned, ExpressionError, Fresh, Lookups, Path, Scope, Secrecy, TokenAction};

/// How an update is carried out with encrypted attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdatePlan {
    /// The expression to send; `None` when the caller's own suffices.
    pub(crate) expression: Option<String>,
    /// The values to seal. Read all of them before replacing any: one value may serve several attributes.
    pub(crate) sealed: Vec<SealedValue>,
    /// The plain attributes that are assigned a whole value, each with its placeholder.
    pub(crate) plain: Vec<(String, String)>,
    /// Every path that the update may change, which is what `UPDATED_OLD` and `UPDATED_NEW` return.
    pub(crate) touched: Vec<Path>,
    /// The tokens to write beside the values.
    pub(crate) tokens: Vec<SentToken>,
    /// Those of them that are written where none is stored.
    pub(crate) kept_tokens: BTreeSet<String>,
    /// The tokens to remove, by the attributes that store them.
    pub(crate) removed_tokens: BTreeSet<String>,
    /// The added names: placeholders of the attributes that store tokens.
    pub(crate) names: BTreeMap<String, String>,
    /// The placeholders whose plain values the update uses.
    pub(crate) plain_values: BTreeSet<String>,
}

/// A token that an update writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentToken {
    /// The attribute that stores it.
    pub(crate) stored: String,
    /// The placeholders of the caller's values, in the order of the lookup's parts.
    pub(crate) given: Vec<String>,
    /// The placeholder of the token.
    pub(crate) sent: String,
}

/// One value that must be sealed before it is sent. Each attribute has its own ciphertext, and therefore its own
/// placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedValue {
    /// The encrypted attribute.
    pub(crate) attribute: String,
    /// The placeholder of the caller's value.
    pub(crate) given: String,
    /// The placeholder of the sealed value: the same, unless something else uses that one.
    pub(crate) sent: String,
}

impl Update {
    /// Plans the update, or refuses it.
    ///
    /// `elsewhere` holds the value placeholders of the same request's condition, which keep their plain values. `taken`
    /// tells which placeholders the request's values define.
    pub(crate) fn plan(
        &self,
        scope: &Scope<'_>,
        elsewhere: &BTreeSet<String>,
        taken: &dyn Fn(&str) -> bool,
    ) -> Result<UpdatePlan, ExpressionError> {
        let mut actions = self.actions.clone();
        let (mut touched, mut plain) = (Vec::new(), Vec::new());
        let mut used = BTreeSet::new();
        let mut to_seal = Vec::new();
        let mut conditional = BTreeSet::new();
        for (path, value) in &mut actions.set {
            let (target, protection) = scope.resolve_whole(path)?;
            match protection.secrecy {
                Secrecy::Plain => {
                    check_plain(value, scope, &mut used)?;
                    if let Some(placeholder) = assigned_value(value).filter(|_| target.segments.is_empty()) {
                        plain.push((target.attribute.clone(), placeholder.to_owned()));
                    }
                }
                Secrecy::Varies => return Err(scope.varies(target)),
                Secrecy::Encrypted => {
                    if matches!(value, SetValue::IfNotExists(..)) {
                        conditional.insert(target.attribute.clone());
                    }
                    to_seal.push((target.attribute.clone(), given_value(value, &target, scope)?));
                }
            }
            touched.push(target);
        }
        for path in &actions.remove {
            touched.push(scope.resolve_whole(path)?.0);
        }
        for (operation, clause) in [("ADD", &actions.add), ("DELETE", &actions.delete)] {
            for (path, value) in clause {
                touched.push(plain_path(path, operation, scope)?);
                used.insert(value.clone());
            }
        }
        refuse_overlaps(&touched)?;
        if let Some(path) = touched.iter().find(|path| scope.discriminator == Some(path.attribute())) {
            return Err(ExpressionError::Discriminator { attribute: path.attribute.clone() });
        }

        // A placeholder that is used but not defined must stay undefined, for DynamoDB to refuse it.
        let taken = |value: &str| taken(value) || elsewhere.contains(value) || self.placeholders.values.contains(value);
        let mut fresh = Fresh::new(':', &taken);
        let plain_values = used.clone();
        let mut sealed = Vec::new();
        let mut is_rewritten = false;
        for (attribute, placeholder) in to_seal {
            let given = placeholder.clone();
            if elsewhere.contains(&given) || !used.insert(given.clone()) {
                *placeholder = fresh.placeholder();
                is_rewritten = true;
            }
            sealed.push(SealedValue { attribute, given, sent: placeholder.clone() });
        }
        let mut plan = UpdatePlan { plain, touched, plain_values, ..UpdatePlan::default() };
        actions.write_tokens(scope, &sealed, &conditional, &mut plan)?;
        is_rewritten |= !plan.names.is_empty();
        let expression = is_rewritten.then(|| actions.to_string());
        Ok(UpdatePlan { expression, sealed, ..plan })
    }
}

impl Actions {
    /// Repeats each action on an encrypted attribute on the tokens of its lookups. `conditional` are the attributes
    /// that are assigned by `if_not_exists`.
    fn write_tokens(
        &mut self,
        scope: &Scope<'_>,
        sealed: &[SealedValue],
        conditional: &BTreeSet<String>,
        plan: &mut UpdatePlan,
    ) -> Result<(), ExpressionError> {
        let Some(lookups) = scope.lookups else { return Ok(()) };
        let assigned = sealed.iter().map(|SealedValue { attribute, given, .. }| Assigned {
            attribute,
            given,
            if_not_exists: conditional.contains(attribute),
        });
        let assigned: Vec<_> = assigned.collect();
        let removed: Vec<_> = self.remove.iter().map(|path| scope.name(&path.attribute)).collect::<Result<_, _>>()?;
        let removed: Vec<_> = removed.iter().map(String::as_str).collect();
        let own: BTreeSet<_> = sealed.iter().map(|value| value.sent.as_str()).collect();
        let taken = |placeholder: &str| own.contains(placeholder) || (lookups.taken)(placeholder);
        let mut placing = Placing::new(Lookups { taken: &taken, ..lookups });
        for action in lookups.schema.write(&assigned, &removed)? {
            match action {
                TokenAction::Remove { stored } => {
                    self.remove.push(placing.path(&stored));
                    plan.removed_tokens.insert(stored);
                }
                TokenAction::Set { stored, given } => {
                    let (path, sent) = (placing.path(&stored), placing.value());
                    self.set.push((path, SetValue::Value(sent.clone())));
                    plan.tokens.push(SentToken { stored, given, sent });
                }
                TokenAction::SetIfNotExists { stored, given } => {
                    let (path, sent) = (placing.path(&stored), placing.value());
                    let value = Box::new(SetValue::Value(sent.clone()));
                    self.set.push((path.clone(), SetValue::IfNotExists(path, value)));
                    plan.kept_tokens.insert(stored.clone());
                    plan.tokens.push(SentToken { stored, given, sent });
                }
            }
        }
        plan.names = placing.names();
        Ok(())
    }
}

/// The value placeholder of an assignment to the encrypted attribute `target`, if the assignment is one of the 2 that
/// work.
fn given_value<'a>(
    value: &'a mut SetValue,
    target: &Path,
    scope: &Scope<'_>,
) -> Result<&'a mut String, ExpressionError> {
    let refuse = |operation| ExpressionError::EncryptedUpdate { attribute: target.attribute.clone(), operation };
    match value {
        SetValue::Value(placeholder) => Ok(placeholder),
        SetValue::IfNotExists(path, value) => {
            // Of another attribute, this would copy that attribute's value, in plaintext or sealed for another name.
            if scope.resolve(path)?.0 != *target {
                return Err(refuse("a copy from another attribute"));
            }
            match &mut **value {
                SetValue::Value(placeholder) => Ok(placeholder),
                value => Err(refuse(operation(value))),
            }
        }
        value => Err(refuse(operation(value))),
    }
}

/// The value that may be assigned unchanged to a plain attribute.
fn assigned_value(value: &SetValue) -> Option<&str> {
    match value {
        SetValue::Value(placeholder) => Some(placeholder),
        SetValue::IfNotExists(_, value) | SetValue::Group(value) => assigned_value(value),
        SetValue::Path(_) | SetValue::ListAppend(..) | SetValue::Arithmetic(..) => None,
    }
}

fn operation(value: &SetValue) -> &'static str {
    match value {
        SetValue::Path(_) => "a copy from another attribute",
        SetValue::Value(_) => "SET",
        SetValue::IfNotExists(..) => "if_not_exists inside a function",
        SetValue::ListAppend(..) => "list_append",
        SetValue::Arithmetic(_, Sign::Plus, _) => "+",
        SetValue::Arithmetic(_, Sign::Minus, _) => "-",
        SetValue::Group(_) => "a value in parentheses",
    }
}

/// Refuses to read an encrypted attribute for a plain one. Collects the placeholders that keep their plain values.
fn check_plain(value: &SetValue, scope: &Scope<'_>, used: &mut BTreeSet<String>) -> Result<(), ExpressionError> {
    match value {
        SetValue::Path(path) => plain_path(path, "a copy to another attribute", scope).map(drop),
        SetValue::Value(placeholder) => {
            used.insert(placeholder.clone());
            Ok(())
        }
        SetValue::IfNotExists(path, value) => {
            plain_path(path, "a copy to another attribute", scope)?;
            check_plain(value, scope, used)
        }
        SetValue::ListAppend(one, other) | SetValue::Arithmetic(one, _, other) => {
            check_plain(one, scope, used)?;
            check_plain(other, scope, used)
        }
        SetValue::Group(value) => check_plain(value, scope, used),
    }
}

fn plain_path(path: &WrittenPath, operation: &'static str, scope: &Scope<'_>) -> Result<Path, ExpressionError> {
    let (path, protection) = scope.resolve(path)?;
    match protection.secrecy {
        Secrecy::Plain => Ok(path),
        Secrecy::Encrypted => Err(ExpressionError::EncryptedUpdate { attribute: path.attribute, operation }),
        Secrecy::Varies => Err(scope.varies(path)),
    }
}
