//! Which lookups answer the tests of a request, and which tokens its writes need.

use aws_sdk_dynamodb::types::AttributeValue;

use super::asking::Values;
use crate::expression::{
    Assigned, ExpressionError, KeyAnswer, KeyQuestion, LookupSchema, Place, Question, TokenAction,
};
use crate::schema::{Lookup, LookupIndex, LookupKind, LookupState, Variant};

/// The lookups of the items that a request addresses.
pub(super) struct Lookable<'a> {
    pub(super) variant: Variant<'a>,
    pub(super) values: Option<&'a Values>,
    /// The index that the request reads.
    pub(super) index: Option<&'a str>,
}

impl Lookable<'_> {
    fn lookups(&self) -> &[Lookup] {
        self.variant.schema().lookups()
    }

    /// The lookups of this attribute alone that answer a question, in service or not.
    fn candidates(&self, attribute: &str, question: Question) -> Result<Vec<&Lookup>, ExpressionError> {
        let mut found = Vec::new();
        for lookup in self.lookups().iter().filter(|lookup| answers(lookup, question) && is_of(lookup, attribute)) {
            match self.variant.declares(lookup) {
                Some(true) => found.push(lookup),
                Some(false) => {}
                None => return Err(self.varies(attribute)),
            }
        }
        if found.is_empty() {
            return Err(ExpressionError::LookupOperation {
                attribute: attribute.to_owned(),
                operation: question.operation(),
            });
        }
        Ok(found)
    }

    fn varies(&self, attribute: &str) -> ExpressionError {
        let discriminator = self.variant.schema().discriminator().unwrap_or_default().into();
        ExpressionError::LookupVaries { attribute: attribute.to_owned(), discriminator }
    }

    /// The lookup with the longest prefix that is not longer than the value.
    fn longest_prefix<'l>(
        &self,
        lookups: &[&'l Lookup],
        attribute: &str,
        value: &str,
    ) -> Result<&'l Lookup, ExpressionError> {
        let mut by_length = lookups.to_vec();
        by_length.sort_by_key(|lookup| std::cmp::Reverse(prefix(lookup)));
        let mut shorter = Err(ExpressionError::LookupOperation {
            attribute: attribute.to_owned(),
            operation: Question::BeginsWith.operation(),
        });
        for lookup in by_length {
            match self.check_value(lookup, &[attribute], &[value]) {
                Ok(()) => return Ok(lookup),
                refused => shorter = refused.map(|()| lookup),
            }
        }
        shorter
    }

    /// Refuses values of which the lookup makes no token. A value that nobody defined is refused elsewhere.
    fn check_value(&self, lookup: &Lookup, attributes: &[&str], values: &[&str]) -> Result<(), ExpressionError> {
        let value = |placeholder: &&str| self.values.and_then(|values| values.get(*placeholder));
        let Some(values) = values.iter().map(value).collect::<Option<Vec<&AttributeValue>>>() else { return Ok(()) };
        let named = || (attributes.join("`, `"), lookup.name().into());
        match lookup.asked(&values) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                let (attribute, lookup) = named();
                Err(ExpressionError::LookupNothing { attribute, lookup })
            }
            Err(_) => {
                let (attribute, lookup) = named();
                Err(ExpressionError::LookupType { attribute, lookup })
            }
        }
    }
}

impl LookupSchema for Lookable<'_> {
    fn has(&self, attribute: &str) -> bool {
        self.lookups().iter().any(|lookup| lookup.has_part(attribute))
    }

    fn answer(
        &self,
        attribute: &str,
        question: Question,
        values: &[String],
        place: Place,
    ) -> Result<String, ExpressionError> {
        let mut found = in_service(self.candidates(attribute, question)?, attribute)?;
        if place == Place::Write {
            found.retain(|lookup| lookup.is_exact());
        }
        let lookup = match question {
            Question::BeginsWith if place == Place::Filter => {
                self.longest_prefix(&found, attribute, values.first().map_or("", String::as_str))?
            }
            _ => one_of(&found, attribute)?
                .ok_or_else(|| ExpressionError::LookupCondition { attribute: attribute.to_owned() })?,
        };
        values.iter().try_for_each(|value| self.check_value(lookup, &[attribute], &[value]))?;
        Ok(lookup.stored().to_owned())
    }

    fn answer_keys(&self, questions: &[KeyQuestion<'_>]) -> Result<Vec<KeyAnswer>, ExpressionError> {
        let Some(index) = self.index else {
            let attribute = questions.first().map_or("", |question| question.attribute).to_owned();
            return Err(ExpressionError::EncryptedKey { attribute });
        };
        let mut answers = Vec::new();
        let mut open: Vec<usize> = (0..questions.len()).collect();
        let is_index = |lookup: &&Lookup| lookup.index().map(LookupIndex::name) == Some(index);
        for lookup in self.lookups().iter().filter(is_index) {
            let fits = |attribute: &str| {
                let asked =
                    |at: &&usize| questions[**at].attribute == attribute && answers_key(lookup, questions[**at]);
                open.iter().find(asked).copied()
            };
            let tests: Vec<_> = lookup.parts().iter().map(|part| fits(part.attribute())).collect();
            if tests.iter().all(Option::is_none) {
                continue;
            }
            let missing: Vec<_> = lookup.parts().iter().zip(&tests).filter(|(_, test)| test.is_none()).collect();
            if !missing.is_empty() {
                let missing: Vec<_> = missing.iter().map(|(part, _)| format!("`{}`", part.attribute())).collect();
                let (lookup, missing) = (lookup.name().to_owned(), missing.join(", ").into());
                return Err(ExpressionError::LookupKey { lookup, missing });
            }
            let tests: Vec<_> = tests.into_iter().flatten().collect();
            open.retain(|at| !tests.contains(at));
            answers.push(self.answer_key(lookup, questions, tests)?);
        }
        for at in open {
            let KeyQuestion { attribute, question, .. } = questions[at];
            let found = in_service(self.candidates(attribute, question)?, attribute)?;
            let [lookup] = found[..] else { return Err(ambiguous(&found, attribute)) };
            answers.push(self.answer_key(lookup, questions, vec![at])?);
        }
        Ok(answers)
    }

    fn write(&self, assigned: &[Assigned<'_>], removed: &[&str]) -> Result<Vec<TokenAction>, ExpressionError> {
        let mut actions = Vec::new();
        for lookup in self.lookups() {
            let value = |attribute: &str| assigned.iter().find(|assigned| assigned.attribute == attribute);
            let parts = || lookup.parts().iter().map(|part| part.attribute());
            let stored = lookup.stored().to_owned();
            if parts().any(|part| removed.contains(&part)) {
                actions.push(TokenAction::Remove { stored });
                continue;
            }
            let Some(touched) = parts().find(|part| value(part).is_some()) else { continue };
            match self.variant.declares(lookup) {
                Some(true) => {}
                Some(false) => continue,
                None => return Err(self.varies(touched)),
            }
            if lookup.state() == LookupState::Retired {
                actions.push(TokenAction::Remove { stored });
                continue;
            }
            let is_single = lookup.parts().len() == 1;
            let given: Result<Vec<_>, _> = parts()
                .map(|part| value(part).filter(|assigned| is_single || !assigned.if_not_exists).ok_or(part))
                .collect();
            let Ok(given) = given else {
                let lacks = |part: &&str| value(part).is_none_or(|assigned| assigned.if_not_exists);
                let missing: Vec<_> = parts().filter(lacks).map(|part| format!("`{part}`")).collect();
                let (lookup, missing) = (lookup.name().to_owned(), missing.join(", ").into());
                return Err(ExpressionError::LookupParts { lookup, missing });
            };
            let if_not_exists = given.iter().any(|assigned| assigned.if_not_exists);
            let given = given.into_iter().map(|assigned| assigned.given.to_owned()).collect();
            actions.push(match (if_not_exists, lookup.state()) {
                (false, _) => TokenAction::Set { stored, given },
                // The attribute may be older than its token. Then its value stays, and a token of this one would be
                // wrong for good; that none is there can be seen.
                (true, LookupState::Building) => TokenAction::Remove { stored },
                (true, _) => TokenAction::SetIfNotExists { stored, given },
            });
        }
        Ok(actions)
    }
}

impl Lookable<'_> {
    /// The answer of this lookup to these tests of a key condition.
    fn answer_key(
        &self,
        lookup: &Lookup,
        questions: &[KeyQuestion<'_>],
        tests: Vec<usize>,
    ) -> Result<KeyAnswer, ExpressionError> {
        let attributes: Vec<_> = tests.iter().map(|at| questions[*at].attribute).collect();
        let values: Vec<_> = tests.iter().map(|at| questions[*at].value).collect();
        match self.variant.declares(lookup) {
            Some(true) => {}
            // Other record types have it: none of this type is in its index.
            Some(false) => {
                let attribute = attributes.join("`, `");
                return Err(ExpressionError::LookupOperation {
                    attribute,
                    operation: questions[tests[0]].question.operation(),
                });
            }
            None => return Err(self.varies(&attributes.join("`, `"))),
        }
        in_service(vec![lookup], &attributes.join("`, `"))?;
        self.check_value(lookup, &attributes, &values)?;
        Ok(KeyAnswer { stored: lookup.stored().to_owned(), tests })
    }
}

/// The lookup that answers a test which names no index; `None` of none. Lookups of several forms give several answers,
/// so the one counts that is named as the attribute.
fn one_of<'l>(found: &[&'l Lookup], attribute: &str) -> Result<Option<&'l Lookup>, ExpressionError> {
    let form = |lookup: &Lookup| lookup.parts().first().map(|part| part.form());
    if let Some(named) = found.iter().find(|lookup| lookup.name() == attribute) {
        return Ok(Some(named));
    }
    if found.windows(2).any(|pair| form(pair[0]) != form(pair[1])) {
        return Err(ambiguous(found, attribute));
    }
    Ok(found.iter().copied().max_by_key(|lookup| lookup.bits()))
}

fn ambiguous(found: &[&Lookup], attribute: &str) -> ExpressionError {
    let names: Vec<_> = found.iter().map(|lookup| format!("`{}`", lookup.name())).collect();
    ExpressionError::LookupAmbiguous { attribute: attribute.to_owned(), lookups: names.join(", ").into() }
}

/// Whether the lookup is one of this attribute alone.
fn is_of(lookup: &Lookup, attribute: &str) -> bool {
    matches!(lookup.parts(), [part] if part.attribute() == attribute)
}

/// Whether the lookup answers such a question.
fn answers(lookup: &Lookup, question: Question) -> bool {
    matches!(
        (lookup.kind(), question),
        (LookupKind::Equality, Question::Equals | Question::Differs)
            | (LookupKind::Prefix(_), Question::BeginsWith)
            | (LookupKind::Each, Question::Contains)
    )
}

/// Whether the lookup answers such a question with its index.
fn answers_key(lookup: &Lookup, question: KeyQuestion<'_>) -> bool {
    answers(lookup, question.question)
}

fn prefix(lookup: &Lookup) -> u8 {
    match lookup.kind() {
        LookupKind::Prefix(characters) => characters,
        LookupKind::Equality | LookupKind::Each => 0,
    }
}

/// Those of the lookups that may be asked; an error when none may.
fn in_service<'l>(lookups: Vec<&'l Lookup>, attribute: &str) -> Result<Vec<&'l Lookup>, ExpressionError> {
    let refused = lookups.first().map(|lookup| {
        let (attribute, name) = (attribute.to_owned(), lookup.name().into());
        match lookup.state() {
            LookupState::Retired => ExpressionError::LookupRetired { attribute, lookup: name },
            LookupState::Building | LookupState::Ready => ExpressionError::LookupBuilding { attribute, lookup: name },
        }
    });
    let ready: Vec<_> = lookups.into_iter().filter(|lookup| lookup.state() == LookupState::Ready).collect();
    match refused {
        Some(refused) if ready.is_empty() => Err(refused),
        _ => Ok(ready),
    }
}
