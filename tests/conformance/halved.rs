//! A DynamoDB that is too busy for whole batches: it does the first half and leaves the rest unprocessed.

use aws_sdk_dynamodb::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Map, Value};

/// An HTTP client in front of such a server.
#[derive(Debug, Clone)]
pub struct Halved(SharedHttpClient);

impl Halved {
    pub fn client() -> SharedHttpClient {
        let plugin = default_http_client_plugin_v2(BehaviorVersion::latest()).unwrap();
        let components = RuntimeComponentsBuilder::new("conformance");
        SharedHttpClient::new(Self(plugin.runtime_components(&components).http_client().unwrap()))
    }
}

impl HttpClient for Halved {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(HalvedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug, Clone)]
struct HalvedConnector(SharedHttpConnector);

impl HttpConnector for HalvedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let inner = self.0.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let unprocessed = match target.rsplit_once('.') {
                Some((_, "BatchWriteItem")) => "UnprocessedItems",
                Some((_, "BatchGetItem")) => "UnprocessedKeys",
                _ => return inner.call(request).await,
            };
            let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let rest = halve(body["RequestItems"].as_object_mut().unwrap());
            let body = body.to_string();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);

            let mut response = inner.call(request).await?;
            if response.status().is_success() {
                add(&mut response, unprocessed, rest).await?;
            }
            Ok(response)
        })
    }
}

/// Takes the second half of each table's requests out.
fn halve(tables: &mut Map<String, Value>) -> Map<String, Value> {
    let mut rest = tables.clone();
    for (name, requests) in tables.iter_mut() {
        let left = &mut rest[name];
        let (requests, left) = match requests.get("Keys").is_some() {
            true => (&mut requests["Keys"], &mut left["Keys"]),
            false => (requests, left),
        };
        let (requests, left) = (requests.as_array_mut().unwrap(), left.as_array_mut().unwrap());
        let half = requests.len().div_ceil(2);
        requests.truncate(half);
        left.drain(..half);
    }
    rest.retain(|_, left| left.get("Keys").unwrap_or(left).as_array().is_some_and(|left| !left.is_empty()));
    rest
}

async fn add(response: &mut HttpResponse, name: &str, rest: Map<String, Value>) -> Result<(), ConnectorError> {
    let body = ByteStream::new(response.take_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body[name] = Value::Object(rest);
    let body = body.to_string();
    response.headers_mut().insert("content-length", body.len().to_string());
    response.headers_mut().remove("x-amz-crc32");
    *response.body_mut() = SdkBody::from(body);
    Ok(())
}
