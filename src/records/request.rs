//! What the repository's requests have in common: changes of the caller's own, what comes back, and how they fail.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use crate::error::{Error, Refusal, ServiceError, Written};
use crate::item::Item;

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

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::none())
    }

    pub(super) fn push(&mut self, change: impl FnOnce(B) -> B + Send + 'a) {
        self.0.push(Box::new(change));
    }

    pub(super) fn apply(self, request: B) -> B {
        self.0.into_iter().fold(request, |request, change| change(request))
    }
}

/// ExpressionAttributeNames.
pub(super) type Names = HashMap<String, String>;

/// A request of the SDK with an expression to which the repository adds conditions of its own.
///
/// The caller's changes come first, and the repository's conditions beside them: a change can ask for more, and for nothing less.
pub(super) trait TakesExpression: Sized {
    /// What the expression is called.
    const PARAMETER: &'static str;

    /// The expression that the caller has set.
    fn expression(&self) -> Option<&str>;

    fn names(&self) -> Option<&Names>;

    fn values(&self) -> Option<&Item>;

    fn with_expression(self, expression: Option<String>, names: Option<Names>, values: Option<Item>) -> Self;
}

macro_rules! takes_expression {
    ($($builder:ty: $parameter:literal $get:ident $set:ident;)*) => {
        $(impl TakesExpression for $builder {
            const PARAMETER: &'static str = $parameter;

            fn expression(&self) -> Option<&str> {
                self.$get().as_deref()
            }

            fn names(&self) -> Option<&Names> {
                self.get_expression_attribute_names().as_ref()
            }

            fn values(&self) -> Option<&Item> {
                self.get_expression_attribute_values().as_ref()
            }

            fn with_expression(self, expression: Option<String>, names: Option<Names>, values: Option<Item>) -> Self {
                self.$set(expression).set_expression_attribute_names(names).set_expression_attribute_values(values)
            }
        })*
    };
}

takes_expression! {
    PutItemFluentBuilder: "ConditionExpression" get_condition_expression set_condition_expression;
    UpdateItemFluentBuilder: "ConditionExpression" get_condition_expression set_condition_expression;
    DeleteItemFluentBuilder: "ConditionExpression" get_condition_expression set_condition_expression;
    QueryFluentBuilder: "FilterExpression" get_filter_expression set_filter_expression;
    ScanFluentBuilder: "FilterExpression" get_filter_expression set_filter_expression;
}

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
