//! What the repository's requests have in common: changes of the caller's own, what comes back, and how they fail.

use std::fmt;
use std::pin::Pin;

use aws_sdk_dynamodb::error::SdkError;

use crate::error::{Error, Refusal, ServiceError, Written};

/// Marks a write that returns nothing. Has no values.
#[derive(Debug)]
pub enum Nothing {}

/// Marks a write that returns the record as it was before, if there was one. Has no values.
#[derive(Debug)]
pub enum Old {}

/// Marks a write that returns the record as it is now. Has no values.
#[derive(Debug)]
pub enum New {}

pub(super) type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What the caller changes of the SDK's request before it is sent.
pub(super) struct Changes<'a, B>(Vec<Box<dyn FnOnce(B) -> B + Send + 'a>>);

impl<'a, B> Changes<'a, B> {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn push(&mut self, change: impl FnOnce(B) -> B + Send + 'a) {
        self.0.push(Box::new(change));
    }

    pub(super) fn apply(self, request: B) -> B {
        self.0.into_iter().fold(request, |request, change| change(request))
    }
}

/// A writer for what the repository adds to a request that its caller has changed.
///
/// What the caller changes comes first, and the repository's conditions beside it: a change can ask for more, and for nothing less.
macro_rules! writer_beside {
    ($request:expr) => {
        crate::records::condition::Writer::<T>::beside(
            $request.get_expression_attribute_names().as_ref(),
            $request.get_expression_attribute_values().as_ref(),
        )
    };
}
pub(super) use writer_beside;

/// The error of a read: this library's where it is the cause, else DynamoDB's.
pub(super) fn to_error<E>(error: SdkError<E>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
    aws_sdk_dynamodb::Error: From<SdkError<E>>,
{
    match Error::find_in(&error) {
        Some(ours) => ours.clone(),
        None => Error::DynamoDb(ServiceError::new(error.into(), Written::No)),
    }
}

/// A builder's future and `Debug`, which shows no item.
macro_rules! awaits {
    ($builder:ident<$mark:ty> gives $output:ty where $($bound:tt)*) => {
        impl<'a, T: $($bound)* + 'a> std::future::IntoFuture for $builder<'a, T, $mark> {
            type Output = Result<$output, crate::error::Error>;
            type IntoFuture = crate::records::request::Pending<'a, $output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}
pub(super) use awaits;

/// How builders are printed: with the repository, without what is in them.
pub(super) fn fmt_builder(name: &str, records: &impl fmt::Debug, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}({records:?})")
}

/// A part of a request, of which the SDK says that it lacks something.
pub(super) fn require_built<P, E>(part: Result<P, E>) -> Result<P, Error> {
    part.map_err(|_| Refusal::Action.into())
}
