//! Events of API Gateway, and what its authorizers write into them.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use http::HeaderMap;

use crate::claims::Claims;

/// What an authorizer of API Gateway has found out, as the event has it at `requestContext.authorizer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorizer {
    /// The JWT authorizer of an HTTP API: `jwt.claims`. All its values are texts.
    Jwt,
    /// The Cognito authorizer of a REST API: `claims`.
    Cognito,
    /// Your own Lambda authorizer: `lambda` in an HTTP API, the fields themselves in a REST API.
    Lambda,
}

/// An event of API Gateway: [`ApiGatewayV2httpRequest`] of HTTP APIs, and [`ApiGatewayProxyRequest`] of REST APIs.
pub trait GatewayEvent: Event {}

impl GatewayEvent for ApiGatewayV2httpRequest {}
impl GatewayEvent for ApiGatewayProxyRequest {}

/// What the two kinds of events have in common. Not exported, so that nobody makes up an event.
pub trait Event {
    fn api(&self) -> Option<&str>;
    fn account(&self) -> Option<&str>;
    /// The headers, each as often as it was sent.
    fn all_headers(&self) -> &HeaderMap;
    /// What this authorizer has found out, if it was asked.
    fn claims(&self, authorizer: Authorizer) -> Option<Claims>;
}

impl Event for ApiGatewayV2httpRequest {
    fn api(&self) -> Option<&str> {
        self.request_context.apiid.as_deref()
    }

    fn account(&self) -> Option<&str> {
        self.request_context.account_id.as_deref()
    }

    /// A header that was sent twice arrives as one, with a comma, and then is no token.
    fn all_headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn claims(&self, authorizer: Authorizer) -> Option<Claims> {
        let found = self.request_context.authorizer.as_ref()?;
        match authorizer {
            Authorizer::Jwt => {
                let claims = &found.jwt.as_ref()?.claims;
                Some(claims.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect())
            }
            Authorizer::Lambda if !found.fields.is_empty() => Some(found.fields.clone().into_iter().collect()),
            Authorizer::Lambda | Authorizer::Cognito => None,
        }
    }
}

impl Event for ApiGatewayProxyRequest {
    fn api(&self) -> Option<&str> {
        self.request_context.apiid.as_deref()
    }

    fn account(&self) -> Option<&str> {
        self.request_context.account_id.as_deref()
    }

    /// `headers` has the last value of each alone.
    fn all_headers(&self) -> &HeaderMap {
        &self.multi_value_headers
    }

    fn claims(&self, authorizer: Authorizer) -> Option<Claims> {
        let fields = &self.request_context.authorizer.fields;
        match authorizer {
            Authorizer::Cognito => Some(fields.get("claims")?.as_object()?.clone()),
            Authorizer::Lambda if !fields.is_empty() => Some(fields.clone().into_iter().collect()),
            Authorizer::Lambda | Authorizer::Jwt => None,
        }
    }
}
