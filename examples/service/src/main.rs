//! Runs the service: on the local stack, or in AWS where it is built without the feature `local`.

use std::error::Error;

use tenantseal_service::{serve, shutdown_signal};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    run().await
}

/// In AWS: the settings come from the environment, the credentials from the task's or the pod's role. With `clean` and
/// tenants it is the daily job.
#[cfg(not(feature = "local"))]
async fn run() -> Outcome {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let settings = tenantseal_service::Settings::from_env()?;
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("clean") {
        let deleted = tenantseal_service::clean(&settings, &aws, &arguments.collect::<Vec<_>>()).await?;
        tracing::info!(deleted, "objects that no record names");
        return Ok(());
    }
    let service = tenantseal_service::service(settings, &aws, &aws).await?;
    serve(TcpListener::bind("0.0.0.0:8080").await?, service, shutdown_signal()).await?;
    Ok(())
}

/// On the local stack: prints commands to try, or makes requests of its own (`--check`) and ends.
#[cfg(feature = "local")]
async fn run() -> Outcome {
    use tenantseal_service::local::{Local, check};

    let is_check = std::env::args().any(|argument| argument == "--check");
    let local = Local::start(&["acme", "globex"]).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, service) = (listener.local_addr()?, local.service().await?);
    if is_check {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, service, async { drop(stopped.await) }));
        let checked = check(&local, address).await;
        drop(stop);
        serving.await??;
        checked?;
        println!("all of it as it should be");
    } else {
        print_commands(&local, address)?;
        serve(listener, service, shutdown_signal()).await?;
    }
    Ok(())
}

#[cfg(feature = "local")]
fn print_commands(local: &tenantseal_service::local::Local, address: std::net::SocketAddr) -> Outcome {
    let (acme, globex) = (local.token("acme")?, local.token("globex")?);
    let contact = format!("http://{address}/contacts/5f8d9a52-6a3c-4f0e-9d3b-0c1a2b3c4d5e");
    println!(
        r#"Everything is gone when this process ends. The tokens are good for an hour. In another terminal:

acme='Authorization: Bearer {acme}'
globex='Authorization: Bearer {globex}'
curl -i -H "$acme" -X PUT -H 'If-None-Match: *' --json '{{"name":"Ada","email":"ada@example.org"}}' {contact}
curl -i -H "$acme" {contact}
curl -i -H "$acme" -T README.md {contact}/attachments/readme
curl -i -H "$acme" -r 0-99 {contact}/attachments/readme
curl -i -H "$acme" 'http://{address}/contacts?limit=10'
curl -i -H "$globex" {contact}  # another tenant: 404
"#
    );
    Ok(())
}
