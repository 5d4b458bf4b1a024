//! The circumstances of a request, as condition keys see them.

use std::collections::BTreeMap;

/// The value of a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    /// The values of a key that AWS calls multi-valued, however many this request has. Never empty.
    Many(Vec<String>),
}

/// Condition keys and their values. Key names are compared ignoring case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context(BTreeMap<String, Value>);

impl Context {
    /// Sets a single-valued key.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), Value::One(value.into()));
    }

    /// Sets a single-valued key whose name may occur twice, differing only in case. It then has 2 values, and no single
    /// one.
    pub(crate) fn add(&mut self, key: &str, value: impl Into<String>) {
        let key = key.to_ascii_lowercase();
        let value = match self.0.remove(&key) {
            None => Value::One(value.into()),
            Some(Value::One(first)) => Value::Many(vec![first, value.into()]),
            Some(Value::Many(mut values)) => {
                values.push(value.into());
                Value::Many(values)
            }
        };
        self.0.insert(key, value);
    }

    /// Sets a multi-valued key. Without values, the key is absent.
    pub(crate) fn set_many(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<_> = values.into_iter().collect();
        if !values.is_empty() {
            self.0.insert(key.to_ascii_lowercase(), Value::Many(values));
        }
    }

    /// The value of a key whose name is already in lower case.
    pub(super) fn get(&self, lower_case_key: &str) -> Option<&Value> {
        self.0.get(lower_case_key)
    }

    /// The value of a policy variable. Only a key with a single value can be one.
    pub(super) fn variable(&self, lower_case_key: &str) -> Option<&str> {
        match self.0.get(lower_case_key)? {
            Value::One(value) => Some(value),
            Value::Many(_) => None,
        }
    }
}
