//! One HTTP server per service: reads a message, applies the faults, and writes the answer.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use futures_util::{StreamExt, future, stream};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    calls::{Call, Outcome},
    faults::Effect,
    kms,
    protocol::{Message, Protocol},
    refusal::Refusal,
    state::Shared,
    sts,
};

/// Larger than any request to KMS or STS. The largest part of one is a key policy of 32 KB.
const MAX_BODY: usize = 1 << 20;

/// What the handlers of one service share.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// The routes of KMS.
pub(crate) fn kms() -> Router<Server> {
    Router::new().fallback(handle::<kms::Incoming>)
}

/// The routes of STS.
pub(crate) fn sts() -> Router<Server> {
    Router::new().fallback(handle::<sts::Incoming>)
}

/// Serves a service until `stopped` becomes true.
pub(crate) async fn serve(
    service: Router<Server>,
    listener: TcpListener,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let server = Server { shared, stopped: stopped.clone() };
    axum::serve(listener, service.with_state(server)).with_graceful_shutdown(until(stopped)).await
}

/// Resolves when the stack stops, or is gone.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the stack.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn handle<P: Protocol>(State(server): State<Server>, request: Request) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Ok(respond(StatusCode::PAYLOAD_TOO_LARGE.as_u16(), P::CONTENT_TYPE, "", String::new()));
    };
    let shared = &server.shared;
    let incoming = P::read(Message { headers: parts.headers, body }, shared);
    let call = incoming.call(shared);
    let met = server.meet_faults(&call);
    let ongoing = shared.calls.begin(call);
    let request_id = crate::random::uuid().unwrap_or_default();
    let Some(Met { injected, cut }) = met.await else { return Ok(break_off()) };
    let answer = match injected {
        Some(refusal) => Err(refusal),
        None => incoming.answer(shared, &request_id),
    };
    let response = match answer {
        Ok(body) => {
            ongoing.end(Outcome::Answered);
            respond(200, P::CONTENT_TYPE, &request_id, body)
        }
        Err(refusal) => {
            ongoing.end(Outcome::Refused(refusal.code.clone().into_owned()));
            respond(refusal.status, P::CONTENT_TYPE, &request_id, P::refuse(&refusal, &request_id))
        }
    };
    Ok(match cut {
        Some(after) => cut_off(response, after),
        None => response,
    })
}

/// What a call met before it is served.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) injected: Option<Refusal>,
    /// After how many bytes its answer breaks off.
    pub(crate) cut: Option<usize>,
}

impl Server {
    /// Lets the call meet its faults, at once; what is returned waits for them. `None` when the connection is to break.
    pub(crate) fn meet_faults(&self, call: &Call) -> impl Future<Output = Option<Met>> + use<> {
        let (mut cleared, stopped) = (self.shared.faults.watch_clearing(), self.stopped.clone());
        let effects = self.shared.faults.meet(call);
        async move {
            let mut met = Met::default();
            for effect in effects {
                let pause = async {
                    match effect {
                        Effect::Delay(by) => tokio::time::sleep(by).await,
                        Effect::Hang => drop(cleared.changed().await),
                        Effect::Fail(refusal) => met.injected = Some(refusal),
                        Effect::CutAnswer(after) => met.cut = Some(after),
                        Effect::Disconnect => return true,
                    }
                    false
                };
                // A stack that stops does not wait for calls that it delays itself.
                let broken = tokio::select! {
                    broken = pause => broken,
                    () = until(stopped.clone()) => true,
                };
                if broken {
                    return None;
                }
            }
            Some(met)
        }
    }
}

fn respond(status: u16, content_type: &str, request_id: &str, body: String) -> Response {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header("x-amzn-RequestId", request_id)
        .body(Body::from(body));
    // A user chooses only one part of it: the status of an injected fault.
    response.unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// An answer that ends before its body does, which closes the connection.
pub(crate) fn break_off() -> Response {
    Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(dropped()) })))
}

/// The answer as far as so many bytes of its body; nothing of it, if none.
pub(crate) fn cut_off(answer: Response, after: usize) -> Response {
    if after == 0 {
        return break_off();
    }
    let mut left = after;
    answer.map(|body| {
        let pieces = body.into_data_stream().map(move |piece| {
            let mut piece = piece.map_err(io::Error::other)?;
            if left == 0 {
                return Err(dropped());
            }
            piece.truncate(left);
            left -= piece.len();
            Ok(piece)
        });
        // The pause lets what was written before reach the client.
        let broken = stream::once(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Err(dropped())
        });
        Body::from_stream(pieces.take_while(|piece| future::ready(piece.is_ok())).chain(broken))
    })
}

fn dropped() -> io::Error {
    io::Error::other("connection dropped by a fault")
}
