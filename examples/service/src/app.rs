//! The application: its routes, what lies around them, and its life.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::routing::get;
use tenantseal::blobs::Bucket;
use tenantseal::error::ConfigError;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::{TenantId, TenantSeal};
use tenantseal_tower::TenantFromJwt;
use tokio::net::TcpListener;
use tokio::signal;
use tower_http::trace::TraceLayer;

use crate::cleaning::delete_unnamed;
use crate::contact::Contact;
use crate::settings::Settings;
use crate::{attachments, contacts};

/// The most bytes of a contact in JSON.
const MAX_CONTACT: usize = 64 * 1024;

/// The service. `aws` reaches DynamoDB, S3, KMS and STS, `web` the issuer: in production they are the same.
///
/// # Errors
///
/// When the settings do not work, the tables differ from the records, or the issuer's keys cannot be fetched: a
/// service that cannot serve does not start.
pub async fn service(
    settings: Settings,
    aws: &SdkConfig,
    web: &SdkConfig,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let seal = seal(&settings, aws)?;
    seal.check_tables().await?;
    let tenants = TenantFromJwt::new(seal).issuer(settings.issuer).build(web).await?;
    Ok(router(&tenants))
}

/// Deletes the objects of these tenants that no record has named for a day, and says how many: a job beside the
/// service, once a day.
///
/// # Errors
///
/// When the settings do not work, a name is no tenant's, or a tenant's records or objects fail.
pub async fn clean(
    settings: &Settings,
    aws: &SdkConfig,
    tenants: &[String],
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let seal = seal(settings, aws)?;
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    let tenants = tenants.iter().map(|tenant| TenantId::parse(tenant)).collect::<Result<Vec<_>, _>>()?;
    let (mut deleted, mut failed) = (0, 0);
    for tenant in &tenants {
        match delete_unnamed(&seal.tenant(tenant), yesterday).await {
            Ok(of_tenant) => deleted += of_tenant,
            // A tenant that has taken its key away does not stop the others.
            Err(error) => {
                failed += 1;
                tracing::error!(%tenant, %error, "a tenant's objects were not cleaned up");
            }
        }
    }
    if failed > 0 { Err(format!("{failed} of {} tenants failed", tenants.len()).into()) } else { Ok(deleted) }
}

/// The library with this service's records and buckets.
pub(crate) fn seal(settings: &Settings, aws: &SdkConfig) -> Result<TenantSeal, ConfigError> {
    let mut seal = TenantSeal::builder()
        .assume_role(&settings.role)
        .record::<Contact>()
        .table_name("contacts", &settings.table)
        .bucket(Bucket::new("attachments").physical(&settings.bucket));
    if let Some(name) = &settings.key_table {
        seal = seal.key_table(DynamoDbKeyTable::new(aws, name));
    }
    seal.build(aws)
}

fn router(tenants: &TenantFromJwt) -> Router {
    let contact = get(contacts::get).put(contacts::put).delete(contacts::delete);
    let attachment = get(attachments::get).put(attachments::put).delete(attachments::delete);
    Router::new()
        .route("/contacts", get(contacts::list))
        .route("/contacts/{id}", contact)
        .route("/contacts/{id}/attachments/{name}", attachment)
        .layer(DefaultBodyLimit::max(MAX_CONTACT))
        .layer(tenants.layer()) // no handler above runs without a verified tenant
        .route("/health", get(|| async { "well" }))
        .layer(TraceLayer::new_for_http().make_span_with(span))
}

/// The route and not the path: names of attachments are personal.
fn span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    tracing::info_span!("request", method = %request.method(), route)
}

/// Serves until `shutdown` is ready. Requests in progress are answered first.
///
/// # Errors
///
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    service: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}

/// Ready when the process is told to end: by Ctrl-C, or by SIGTERM as orchestrators do.
pub async fn shutdown_signal() {
    let interrupt = async {
        if signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
