//! An HTTP client whose n-th request is served and not answered: whoever waits for it is killed then, or goes on later.
//!
//! Being killed after a read is being killed after the change before it; only the registry's answers matter, as KMS is called on them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use tenantseal_tenants::{DynamoDbRegistry, Tenants};
use tokio::sync::Notify;

use crate::tenants::office::Office;

/// Whose n-th request is held.
#[derive(Clone)]
pub(crate) struct Interrupted<T = SharedHttpClient> {
    inner: T,
    counts: fn(&str) -> bool,
    left: Arc<AtomicUsize>,
    served: Arc<Notify>,
    released: Arc<Notify>,
}

impl<T> Interrupted<T> {
    fn around<U>(&self, inner: U) -> Interrupted<U> {
        let Self { counts, left, served, released, .. } = self;
        let [served, released] = [served, released].map(Arc::clone);
        Interrupted { inner, counts: *counts, left: Arc::clone(left), served, released }
    }
}

impl Interrupted {
    /// The n-th request of any kind.
    pub(crate) fn after(requests: usize) -> Self {
        Self::counting(|_| true, requests)
    }

    /// The n-th request that changes something.
    pub(crate) fn after_changes(requests: usize) -> Self {
        Self::counting(is_change, requests)
    }

    /// The n-th request that changes something or reads an entry.
    pub(crate) fn after_turns(requests: usize) -> Self {
        Self::counting(|operation| is_change(operation) || operation == "GetItem", requests)
    }

    fn counting(counts: fn(&str) -> bool, requests: usize) -> Self {
        let plugin = default_http_client_plugin_v2(BehaviorVersion::latest()).unwrap();
        let inner = plugin.runtime_components(&RuntimeComponentsBuilder::new("test")).http_client().unwrap();
        let left = Arc::new(AtomicUsize::new(requests));
        Self { inner, counts, left, served: Arc::default(), released: Arc::default() }
    }

    /// The key team's handle of a process whose requests go this way.
    pub(crate) fn tenants(&self, office: &Office) -> Tenants {
        let config = office.admin.to_builder().http_client(self.clone()).build();
        office.builder(DynamoDbRegistry::new(&config, "tenants")).build(&config).unwrap()
    }

    /// Resolves when the request has been served.
    pub(crate) async fn served(&self) {
        self.served.notified().await;
    }

    /// Hands its answer on.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }
}

impl HttpClient for Interrupted {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.around(self.inner.http_connector(settings, components)))
    }
}

impl HttpConnector for Interrupted<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        // STS has no such header; what is asked of it changes nothing.
        let counts = (self.counts)(operation.unwrap_or("GetCallerIdentity"));
        let answer = self.inner.call(request);
        let last = counts && self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        let Self { served, released, .. } = self.clone();
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            if last {
                served.notify_one();
                released.notified().await;
            }
            answer
        })
    }
}

impl<T> fmt::Debug for Interrupted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupted")
    }
}

fn is_change(operation: &str) -> bool {
    !["Get", "List", "Describe", "Query"].iter().any(|read| operation.starts_with(read))
}
