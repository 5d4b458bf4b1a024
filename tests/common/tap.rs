//! A loopback proxy that keeps every byte that passes and can lose answers, and the search for a text in whatever form it may have passed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

type Recording = Arc<Mutex<Vec<u8>>>;

/// The operation whose answers are lost, and how many still are.
type Losing = Arc<Mutex<Option<(String, usize)>>>;

/// Stands before a server on loopback and records both directions.
pub struct Tap {
    url: String,
    sent: Recording,
    answered: Recording,
    connections: Arc<AtomicUsize>,
    losing: Losing,
}

impl Tap {
    /// Listens on a port of its own and passes everything on to `url`.
    pub async fn before(url: &str) -> Self {
        let server = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sent, answered, losing) = (Recording::default(), Recording::default(), Losing::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let tap = Self {
            url,
            sent: Arc::clone(&sent),
            answered: Arc::clone(&answered),
            connections,
            losing: Arc::clone(&losing),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let loses = Arc::new(AtomicBool::new(false));
                tokio::spawn(ask(from_client, to_server, Arc::clone(&sent), Arc::clone(&losing), Arc::clone(&loses)));
                tokio::spawn(answer(from_server, to_client, Arc::clone(&answered), loses));
            }
        });
        tap
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the next `times` answers to `operation` are lost: the server has carried it out, and the connection breaks.
    pub fn lose(&self, operation: &str, times: usize) {
        *self.losing.lock().unwrap() = Some((format!(".{operation}\r\n"), times));
    }

    /// All that clients sent.
    pub fn sent(&self) -> Vec<u8> {
        self.sent.lock().unwrap().clone()
    }

    /// All that the server answered.
    pub fn answered(&self) -> Vec<u8> {
        self.answered.lock().unwrap().clone()
    }

    /// How many connections clients have opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many requests passed.
    pub fn requests(&self) -> usize {
        String::from_utf8_lossy(&self.sent()).matches("POST / HTTP/1.1").count()
    }
}

async fn ask(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    recording: Recording,
    losing: Losing,
    loses: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        recording.lock().unwrap().extend_from_slice(&buffer[..read]);
        // The head of a request comes in one piece.
        if let Some((operation, left)) = &mut *losing.lock().unwrap()
            && *left > 0
            && String::from_utf8_lossy(&buffer[..read]).contains(operation.as_str())
        {
            *left -= 1;
            loses.store(true, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, recording: Recording, loses: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if loses.load(Ordering::SeqCst) {
            return;
        }
        recording.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// The form in which `secret` stands in `bytes`, if it does: as it is, as base64 at any alignment, as hex, as a list of bytes.
pub fn find(bytes: &[u8], secret: &str) -> Option<String> {
    // The standard library's search is fast in debug builds too; what is searched for is ASCII.
    let text = String::from_utf8_lossy(bytes);
    forms(secret).into_iter().find(|form| text.contains(form.as_str()))
}

/// The forms in which `secret` may stand somewhere.
pub fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex, list.join(", "), list.join(",")];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(secret.as_bytes());
        let encoded = aws_smithy_types::base64::encode(&padded);
        // Only the digits that no neighbouring byte has a part in.
        forms.push(encoded[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned());
    }
    forms
}
