//! A proxy before DynamoDB that breaks connections at any point of a request or an answer.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Outcome;

/// See the module.
#[derive(Debug)]
pub(crate) struct Relay {
    url: String,
    cut: watch::Sender<()>,
}

impl Relay {
    /// Listens on a port of its own and passes everything on to `url`.
    pub(crate) async fn before(url: &str) -> Outcome<Self> {
        let server = url.strip_prefix("http://").ok_or("the server's URL is not http")?.to_owned();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let cut = watch::Sender::new(());
        let subscribe = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut cut) = (server.clone(), subscribe.subscribe());
                tokio::spawn(async move {
                    // The server is restarting: close the client's connection.
                    let Ok(mut server) = TcpStream::connect(&server).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Ok(Self { url, cut })
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Breaks all connections off.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }
}
