//! A DynamoDB that has one item, for vectors that ask for it by key or for some of its attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Map, Value, json};

use super::json;
use super::scene::Scene;
use crate::item::Item;
use crate::{Error, Tenant};

/// Answers every GetItem with the attributes of its item that the projection names.
#[derive(Debug, Clone)]
struct OneItem(Value);

impl HttpClient for OneItem {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for OneItem {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let asked = request["ProjectionExpression"].as_str().map(|expression| {
            let resolved = |path: &str| request["ExpressionAttributeNames"][path].as_str().unwrap_or(path).to_owned();
            expression.split(',').map(|path| resolved(path.trim())).collect::<Vec<_>>()
        });
        let is_asked = |name: &String| asked.as_ref().is_none_or(|asked| asked.contains(name));
        let item = self.0.as_object().unwrap().iter().filter(|(name, _)| is_asked(name));
        let item: Map<_, _> = item.map(|(name, value)| (name.clone(), value.clone())).collect();
        let body = SdkBody::from(json!({ "Item": item }).to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body)))
    }
}

/// A configuration for a DynamoDB that has this item.
pub(super) fn answering(stored: &Item) -> SdkConfig {
    SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "vectors")))
        .http_client(SharedHttpClient::new(OneItem(json::item(stored))))
        .build()
}

/// GetItem as the vector's caller asks for it.
pub(super) async fn get(tenant: &Tenant, scene: &Scene) -> Result<Item, Error> {
    let key = scene.requested.clone().unwrap_or_else(|| scene.key());
    let mut get = tenant.dynamodb().get_item().table_name(&scene.table).set_key(Some(key));
    if let Some(wanted) = &scene.wanted {
        let names: HashMap<_, _> =
            (0..).zip(wanted).map(|(at, name): (u8, _)| (format!("#w{at}"), (*name).to_owned())).collect();
        let expression: Vec<_> = names.keys().cloned().collect();
        get = get.projection_expression(expression.join(", ")).set_expression_attribute_names(Some(names));
    }
    match get.send().await {
        Ok(answer) => Ok(answer.item.unwrap()),
        Err(error) => Err(Error::find_in(&error).unwrap_or_else(|| panic!("{error:?}")).clone()),
    }
}
