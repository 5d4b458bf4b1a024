//! Requests to the running service over its socket: what `--check` makes and prints.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use uuid::Uuid;

use super::{Local, Outcome};

/// Makes requests as two tenants, and fails where an answer is not what it should be.
///
/// # Errors
///
/// Says which answer differs.
pub async fn check(local: &Local, address: SocketAddr) -> Outcome<()> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let (acme, globex) = (local.token("acme")?, local.token("globex")?);
    let caller = |token| Caller { http: &http, address, token };
    let (acme, globex, nobody) = (caller(Some(acme)), caller(Some(globex)), caller(None));
    let contact = format!("/contacts/{}", Uuid::new_v4());
    let attachment = format!("{contact}/attachments/report.pdf");
    let ada = r#"{"name":"Ada Lovelace","email":"ada@example.org"}"#;
    let pdf = vec![0x5e; 200_000];

    nobody.expect(StatusCode::OK, Method::GET, "/health", &[], "").await?;
    nobody.expect(StatusCode::UNAUTHORIZED, Method::GET, &contact, &[], "").await?;
    let json = (header::CONTENT_TYPE.as_str(), "application/json");
    acme.expect(StatusCode::CREATED, Method::PUT, &contact, &[json, ("if-none-match", "*")], ada).await?;
    acme.expect(StatusCode::CREATED, Method::PUT, &attachment, &[], pdf.clone()).await?;
    acme.expect(StatusCode::OK, Method::GET, "/contacts?limit=10", &[], "").await?;
    let whole = acme.expect(StatusCode::OK, Method::GET, &attachment, &[], "").await?;
    let range = [("range", "bytes=70000-70009")];
    let part = acme.expect(StatusCode::PARTIAL_CONTENT, Method::GET, &attachment, &range, "").await?;
    if whole != pdf || part != pdf[70_000..70_010] {
        return Err("the attachment is not what was uploaded".into());
    }
    globex.expect(StatusCode::NOT_FOUND, Method::GET, &contact, &[], "").await?;
    globex.expect(StatusCode::NOT_FOUND, Method::GET, &attachment, &[], "").await?;
    acme.expect(StatusCode::PRECONDITION_FAILED, Method::DELETE, &contact, &[("if-match", "\"1\"")], "").await?;
    acme.expect(StatusCode::NO_CONTENT, Method::DELETE, &contact, &[("if-match", "\"2\"")], "").await?;
    acme.expect(StatusCode::NOT_FOUND, Method::GET, &attachment, &[], "").await?;
    Ok(())
}

/// Somebody with a token, or without.
struct Caller<'a> {
    http: &'a Client<HttpConnector, Body>,
    address: SocketAddr,
    token: Option<String>,
}

impl Caller<'_> {
    /// Sends a request, prints its answer, and gives the body.
    async fn expect(
        &self,
        status: StatusCode,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Outcome<Bytes> {
        let mut request = Request::builder().method(&method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer: Response<_> = self.http.request(request.body(body.into())?).await?;
        println!("{} {method} {path}", answer.status().as_u16());
        if answer.status() != status {
            return Err(format!("{method} {path}: {} instead of {status}", answer.status()).into());
        }
        Ok(answer.into_body().collect().await?.to_bytes())
    }
}
