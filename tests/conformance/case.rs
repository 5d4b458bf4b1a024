//! One case: what it does, and what is expected of it.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use futures_util::future::BoxFuture;

use super::ctx::Ctx;
use super::outcome::Outcome;

type Run = dyn for<'a> Fn(&'a Client, &'a Ctx) -> BoxFuture<'a, Outcome> + Send + Sync;

/// One case of the suite.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub expect: Expect,
    /// The code of the one error that a plain client gets; without it, it gets none.
    pub error: Option<&'static str>,
    /// Whether it has a table to itself, because it looks at all of it.
    pub alone: bool,
    /// Whether DynamoDB leaves the second half of each batch unprocessed.
    pub halved: bool,
    pub run: Arc<Run>,
}

/// What the tenant's client does, compared with a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The same.
    Same,
    /// It refuses what DynamoDB would do, naming the refusal (see [`Outcome`]).
    Refused(&'static str),
    /// It refuses before sending what DynamoDB would answer with a ValidationException.
    Invalid(&'static str),
}

impl Case {
    pub fn new(
        name: impl Into<String>,
        run: impl for<'a> Fn(&'a Client, &'a Ctx) -> BoxFuture<'a, Outcome> + Send + Sync + 'static,
    ) -> Self {
        let name = name.into().replace('_', " ");
        Self { name, expect: Expect::Same, error: None, alone: false, halved: false, run: Arc::new(run) }
    }

    pub fn error(self, code: &'static str) -> Self {
        Self { error: Some(code), ..self }
    }

    /// Both clients get a ValidationException of DynamoDB.
    pub fn validation(self) -> Self {
        self.error("ValidationException")
    }

    pub fn refused(self, refusal: &'static str) -> Self {
        Self { expect: Expect::Refused(refusal), ..self }
    }

    pub fn invalid(self, refusal: &'static str) -> Self {
        Self { expect: Expect::Invalid(refusal), ..self }.validation()
    }

    pub fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    pub fn halved(self) -> Self {
        Self { halved: true, ..self }
    }
}

/// A case of the function of its name.
macro_rules! case {
    ($function:ident) => {
        $crate::conformance::case::Case::new(stringify!($function), |db, t| Box::pin($function(db, t)))
    };
}
pub(crate) use case;
