//! The layer: a request gets its verified tenant, or an answer.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::expiry::{Deadline, ExpiringBody};
use crate::refused::{Protocol, Refused};
use crate::tenant_from_jwt::TenantFromJwt;
use crate::verified_tenant::VerifiedTenant;

impl TenantFromJwt {
    /// The layer for services that need a tenant. Routes without one, such as health checks, stay outside of it. So does
    /// whatever answers CORS preflights, which have no token.
    pub fn layer(&self) -> TenantLayer {
        TenantLayer { tenants: self.clone() }
    }
}

/// Verifies each request's token, and hands the request on with its [`VerifiedTenant`], or answers it.
///
/// The answers have empty bodies: 401, 403 or 503 over HTTP, and the statuses 16, 7 or 14 over gRPC.
#[derive(Debug, Clone)]
pub struct TenantLayer {
    tenants: TenantFromJwt,
}

impl TenantLayer {
    /// Ends requests and responses that last longer than their token: gRPC streams with the status 16, bodies of HTTP
    /// by an error, so that no caller takes a part for the whole.
    ///
    /// A connection that was upgraded, as for WebSockets, has no body and is not ended.
    ///
    /// The layer then hands the inner service an [`ExpiringBody`], and answers with one.
    pub fn end_streams_at_expiry(self) -> ExpiringTenantLayer {
        ExpiringTenantLayer { tenants: self.tenants }
    }
}

/// As [`TenantLayer`], and ends streams when their token expires.
#[derive(Debug, Clone)]
pub struct ExpiringTenantLayer {
    tenants: TenantFromJwt,
}

impl<S> Layer<S> for TenantLayer {
    type Service = TenantService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TenantService { inner, tenants: self.tenants.clone() }
    }
}

impl<S> Layer<S> for ExpiringTenantLayer {
    type Service = ExpiringTenantService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ExpiringTenantService { inner, tenants: self.tenants.clone() }
    }
}

/// The service of [`TenantLayer`].
#[derive(Debug, Clone)]
pub struct TenantService<S> {
    inner: S,
    tenants: TenantFromJwt,
}

/// The service of [`ExpiringTenantLayer`].
#[derive(Debug, Clone)]
pub struct ExpiringTenantService<S> {
    inner: S,
    tenants: TenantFromJwt,
}

/// An answer on its way.
type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for TenantService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut inner = take_ready(&mut self.inner);
        let tenants = self.tenants.clone();
        Box::pin(async move {
            match admit(&tenants, request).await {
                Ok((request, ..)) => inner.call(request).await,
                Err((refused, protocol)) => Ok(refused.response(protocol)),
            }
        })
    }
}

impl<S, B, R> Service<Request<B>> for ExpiringTenantService<S>
where
    S: Service<Request<ExpiringBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<ExpiringBody<R>>;
    type Error = S::Error;
    type Future = Answering<ExpiringBody<R>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut inner = take_ready(&mut self.inner);
        let tenants = self.tenants.clone();
        Box::pin(async move {
            let (request, tenant, protocol) = match admit(&tenants, request).await {
                Ok(admitted) => admitted,
                Err((refused, protocol)) => return Ok(refused.response(protocol)),
            };
            let deadline = || tenant.expires().map(|at| Deadline::new(at, tenants.time()));
            let request = request.map(|body| ExpiringBody::of_request(body, deadline(), protocol));
            let response = inner.call(request).await?;
            Ok(response.map(|body| ExpiringBody::of_response(body, deadline(), protocol)))
        })
    }
}

/// The service that is ready, with a clone in its place (as `tower_service::Service` advises).
fn take_ready<S: Clone>(inner: &mut S) -> S {
    let clone = inner.clone();
    mem::replace(inner, clone)
}

/// The request with its tenant, or why it is refused; and its protocol.
async fn admit<B>(
    tenants: &TenantFromJwt,
    request: Request<B>,
) -> Result<(Request<B>, VerifiedTenant, Protocol), (Refused, Protocol)> {
    let (mut parts, body) = request.into_parts();
    let protocol = Protocol::of(&parts.method, &parts.headers);
    match tenants.verify(&parts.headers).await {
        Ok(tenant) => {
            // Whoever logs the headers further in does not log the token.
            if let Some(token) = parts.headers.get_mut(header::AUTHORIZATION) {
                token.set_sensitive(true);
            }
            parts.extensions.insert(tenant.clone());
            Ok((Request::from_parts(parts, body), tenant, protocol))
        }
        Err(refused) => Err((refused, protocol)),
    }
}
