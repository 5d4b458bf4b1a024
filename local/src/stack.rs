//! Starts and stops the stack, and tells clients how to reach it.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use axum::Router;
use futures_util::future;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    account::Account,
    calls::Calls,
    clock::Clock,
    error::Error,
    faults::Faults,
    sdk::{self, Endpoints},
    server::{self, Server},
    state::Shared,
};

/// DynamoDB, KMS and STS, running in this process on loopback ports of their own; with the feature `s3`, S3 as well.
///
/// The stack stops when it is [shut down](Self::shutdown) or dropped. It needs a Tokio runtime, and works on a
/// current-thread one.
pub struct Stack {
    shared: Arc<Shared>,
    addresses: [SocketAddr; SERVERS],
    endpoints: Endpoints,
    database: dynoxide::Database,
    running: Running,
}

/// DynamoDB, KMS and STS, and S3 where it is built in, in this order.
const SERVERS: usize = if cfg!(feature = "s3") { 4 } else { 3 };

/// The servers of one start.
#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

/// Builds a stack; see [`Stack::builder`].
#[derive(Clone, Debug)]
#[must_use = "a stack runs when it is started"]
pub struct StackBuilder {
    region: String,
}

impl Stack {
    /// Starts an empty stack in us-east-1.
    ///
    /// # Errors
    ///
    /// When no loopback port or in-memory database can be opened.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Starts to build a stack.
    pub fn builder() -> StackBuilder {
        StackBuilder { region: "us-east-1".to_owned() }
    }

    /// Where DynamoDB listens: `http://127.0.0.1:<port>`.
    pub fn dynamodb_url(&self) -> &str {
        &self.endpoints.dynamodb
    }

    /// Where KMS listens.
    pub fn kms_url(&self) -> &str {
        &self.endpoints.kms
    }

    /// Where STS listens.
    pub fn sts_url(&self) -> &str {
        &self.endpoints.sts
    }

    /// Where S3 listens. Its buckets live in memory, are created as at AWS, and are gone with the stack.
    ///
    /// It has what applications ask of objects: conditional reads and writes, ranges, multipart uploads, copies and
    /// lists. It has no versions, tags, policies or encryption. Whoever has credentials may do everything.
    #[cfg(feature = "s3")]
    pub fn s3_url(&self) -> &str {
        &self.endpoints.s3
    }

    /// The Region of [`sdk_config`](Self::sdk_config) and [`environment`](Self::environment). The stack serves every
    /// Region. A call's Region is the one that it is signed for.
    pub fn region(&self) -> &str {
        &self.shared.region
    }

    /// An account, by its 12-digit id.
    ///
    /// # Errors
    /// [`Error::AccountId`] when the id does not have 12 digits.
    pub fn account(&self, id: &str) -> Result<Account, Error> {
        Account::new(Arc::clone(&self.shared), id)
    }

    /// A genuine `SdkConfig`: these credentials, the Region, and the endpoint of each service.
    ///
    /// The credentials are those of a user (`&admin`), or of a session, as [`Credentials`]. The configuration uses the
    /// stack's [clock](Self::clock), so that clients see credentials expire when the stack does.
    pub fn sdk_config(&self, credentials: impl Into<Credentials>) -> SdkConfig {
        sdk::config(credentials.into(), &self.shared, &self.endpoints)
    }

    /// The environment variables by which AWS SDKs and the AWS CLI in other processes find the stack.
    ///
    /// If the credentials have no session token, unset `AWS_PROFILE` and `AWS_SESSION_TOKEN` there.
    pub fn environment(&self, credentials: impl Into<Credentials>) -> Vec<(&'static str, String)> {
        sdk::environment(&credentials.into(), &self.shared.region, &self.endpoints)
    }

    /// The stack's time, which can be advanced.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Delays the effect of alias changes by this much, by the stack's [clock](Self::clock). Until then, calls that
    /// name an alias do not know that it was created, updated or deleted. At AWS this may take 5 minutes. Operations on
    /// aliases themselves know at once.
    pub fn propagate_aliases_within(&self, delay: Duration) {
        self.shared.state().keys.propagate_aliases_within(delay);
    }

    /// The calls that KMS, STS and S3 have received.
    pub fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    /// The faults that delay calls to KMS, STS and S3 or make them fail.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Stops the servers, and starts them again after `pause`, on the same ports and with their whole state. Clients
    /// find their connections closed, and meanwhile refused. Requests in progress are answered first.
    ///
    /// # Errors
    ///
    /// When a port was taken meanwhile. The stack has then stopped.
    pub async fn restart(&mut self, pause: Duration) -> Result<(), Error> {
        self.running.stop().await;
        tokio::time::sleep(pause).await;
        let listeners = Listeners::at(self.addresses).await?;
        self.running = Running::start(listeners, &self.shared, &self.database);
        Ok(())
    }

    /// Stops the servers, and waits until the requests in progress are answered.
    pub async fn shutdown(mut self) {
        self.running.stop().await;
    }
}

impl StackBuilder {
    /// The Region that clients are told to use.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Starts the stack.
    ///
    /// # Errors
    /// When no loopback port or in-memory database can be opened.
    pub async fn start(self) -> Result<Stack, Error> {
        let shared = Arc::new(Shared::new(self.region));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::at([any; SERVERS]).await?;
        let addresses = listeners.addresses()?;
        let urls = addresses.map(|address| format!("http://{address}"));
        #[cfg(feature = "s3")]
        let [dynamodb, kms, sts, s3] = urls;
        #[cfg(not(feature = "s3"))]
        let [dynamodb, kms, sts] = urls;
        let endpoints = Endpoints {
            dynamodb,
            kms,
            sts,
            #[cfg(feature = "s3")]
            s3,
        };
        let database = dynoxide::Database::memory().map_err(|error| Error::DynamoDb(Box::new(error)))?;
        let running = Running::start(listeners, &shared, &database);
        Ok(Stack { shared, addresses, endpoints, database, running })
    }
}

/// The bound ports.
struct Listeners([TcpListener; SERVERS]);

impl Listeners {
    async fn at(addresses: [SocketAddr; SERVERS]) -> Result<Self, Error> {
        let bound = addresses.map(TcpListener::bind);
        let bound: Result<Vec<_>, _> = future::join_all(bound).await.into_iter().collect();
        let bound = bound.map_err(Error::Listen)?;
        Ok(Self(bound.try_into().expect("as many as addresses")))
    }

    fn addresses(&self) -> Result<[SocketAddr; SERVERS], Error> {
        let addresses: Result<Vec<_>, _> = self.0.iter().map(TcpListener::local_addr).collect();
        Ok(addresses.map_err(Error::Listen)?.try_into().expect("as many as listeners"))
    }
}

impl Running {
    fn start(listeners: Listeners, shared: &Arc<Shared>, database: &dynoxide::Database) -> Self {
        #[cfg(feature = "s3")]
        let Listeners([dynamodb, kms, sts, s3]) = listeners;
        #[cfg(not(feature = "s3"))]
        let Listeners([dynamodb, kms, sts]) = listeners;
        let (stop, stopped) = watch::channel(false);
        let until_stopped = server::until(stopped.clone());
        let database = database.clone();
        // Nobody would receive what a server could still report after it has bound its port. Clients see the connection
        // fail.
        let servers = vec![
            tokio::spawn(async {
                drop(dynoxide::server::serve_with_shutdown(dynamodb, database, until_stopped).await)
            }),
            tokio::spawn(serve(server::kms(), kms, shared, &stopped)),
            tokio::spawn(serve(server::sts(), sts, shared, &stopped)),
            #[cfg(feature = "s3")]
            tokio::spawn(serve(crate::s3::routes(), s3, shared, &stopped)),
        ];
        Self { stop, servers }
    }

    async fn stop(&mut self) {
        self.stop.send_replace(true);
        for server in std::mem::take(&mut self.servers) {
            // A server that panicked has stopped as well.
            let _ = server.await;
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoints, running, .. } = self;
        f.debug_struct("Stack").field("endpoints", endpoints).field("running", running).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn serve(
    service: Router<Server>,
    listener: TcpListener,
    shared: &Arc<Shared>,
    stopped: &watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let serving = server::serve(service, listener, Arc::clone(shared), stopped.clone());
    async { drop(serving.await) }
}
