//! The HTTP client of an SDK configuration.

use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_types::SdkConfig;

/// The configuration's own client, or the SDK's default.
pub fn http_client(config: &SdkConfig) -> Option<SharedHttpClient> {
    config.http_client().or_else(|| {
        let behavior = config.behavior_version().unwrap_or_else(BehaviorVersion::latest);
        let components = RuntimeComponentsBuilder::new("tenantseal");
        default_http_client_plugin_v2(behavior)?.runtime_components(&components).http_client()
    })
}
