//! A service of tonic under the layer, and its client, over a socket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use serde_json::json;
use tenantseal_tower::{OtherTenant, VerifiedTenant};
use tokio_stream::{Stream, StreamExt};
use tonic::client::Grpc as Client;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{ClientStreamingService, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::Service;

use crate::local_issuer::Answer;
use crate::scene::{NOW, TestKey, World, claims_with};

/// Messages that are bytes: no protocol needs to be compiled.
#[derive(Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// `Whoami` answers with the tenant, `Watch` with ticks without end, `Upload` with the number of messages.
#[derive(Clone)]
struct Crm;

type Answering<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;
type Ticks = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl UnaryService<Bytes> for Crm {
    type Response = Bytes;
    type Future = Answering<Bytes>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move {
            let tenant = VerifiedTenant::of(&request)?;
            let named = String::from_utf8(request.into_inner().to_vec()).unwrap();
            if !named.is_empty() {
                tenant.expect(&named).map_err(|OtherTenant| Status::from(OtherTenant))?;
            }
            Ok(Response::new(tenant.id().to_string().into()))
        })
    }
}

impl ServerStreamingService<Bytes> for Crm {
    type Response = Bytes;
    type ResponseStream = Ticks;
    type Future = Answering<Ticks>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move {
            VerifiedTenant::of(&request)?;
            let ticks = tokio_stream::iter(std::iter::repeat(Ok(Bytes::from_static(b"tick"))));
            Ok(Response::new(Box::pin(ticks.throttle(Duration::from_millis(20))) as Ticks))
        })
    }
}

impl ClientStreamingService<Bytes> for Crm {
    type Response = Bytes;
    type Future = Answering<Bytes>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            let mut count = 0;
            while messages.message().await?.is_some() {
                count += 1;
            }
            Ok(Response::new(format!("{count}").into()))
        })
    }
}

impl NamedService for Crm {
    const NAME: &'static str = "crm.Crm";
}

impl<B> Service<http::Request<B>> for Crm
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/crm.Crm/Whoami" => grpc.unary(Crm, request).await,
                "/crm.Crm/Watch" => grpc.server_streaming(Crm, request).await,
                "/crm.Crm/Upload" => grpc.client_streaming(Crm, request).await,
                path => panic!("{path}"),
            })
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum Ends {
    AtExpiry,
    Never,
    NoLayer,
}

/// Starts the service and gives its address.
async fn serve(world: &World, ends: Ends) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let layer = world.tenants.layer();
    match ends {
        Ends::AtExpiry => {
            let mut server = Server::builder().layer(layer.end_streams_at_expiry());
            let router = server.add_service(Crm);
            tokio::spawn(async move { router.serve_with_incoming(incoming).await });
        }
        Ends::Never => {
            let router = Server::builder().layer(layer).add_service(Crm);
            tokio::spawn(async move { router.serve_with_incoming(incoming).await });
        }
        Ends::NoLayer => {
            let router = Server::builder().add_service(Crm);
            tokio::spawn(async move { router.serve_with_incoming(incoming).await });
        }
    }
    address
}

pub struct Caller {
    client: Client<Channel>,
    token: Option<String>,
}

impl Caller {
    pub async fn connect(world: &World, ends: Ends, token: Option<String>) -> Self {
        let address = serve(world, ends).await;
        let channel = Endpoint::try_from(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { client: Client::new(channel), token }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        request
    }

    pub async fn whoami(&mut self, named: &str) -> Result<String, Status> {
        self.client.ready().await.unwrap();
        let request = self.request(Bytes::copy_from_slice(named.as_bytes()));
        let answer = self.client.unary(request, "/crm.Crm/Whoami".parse().unwrap(), Raw).await?;
        Ok(String::from_utf8(answer.into_inner().to_vec()).unwrap())
    }

    pub async fn watch(&mut self) -> Result<Streaming<Bytes>, Status> {
        self.client.ready().await.unwrap();
        let request = self.request(Bytes::new());
        let answer = self.client.server_streaming(request, "/crm.Crm/Watch".parse().unwrap(), Raw).await?;
        Ok(answer.into_inner())
    }

    pub async fn upload(&mut self, messages: impl Stream<Item = Bytes> + Send + 'static) -> Result<String, Status> {
        self.client.ready().await.unwrap();
        let request = self.request(messages);
        let answer = self.client.client_streaming(request, "/crm.Crm/Upload".parse().unwrap(), Raw).await?;
        Ok(String::from_utf8(answer.into_inner().to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_service_gets_the_tenant_of_the_token() {
    let world = World::start().await;
    for ends in [Ends::Never, Ends::AtExpiry] {
        let mut caller = Caller::connect(&world, ends, Some(world.token())).await;
        assert_eq!(caller.whoami("").await.unwrap(), "acme");
        assert_eq!(caller.whoami("acme").await.unwrap(), "acme");
        assert_eq!(caller.whoami("globex").await.unwrap_err().code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn refusals_are_statuses_of_grpc_without_a_message() {
    let world = World::start().await;
    let no_tenant = world.key.sign(&claims_with(&world.issuer, "tenant_id", json!(7)));
    for (token, code) in [
        (None, Code::Unauthenticated),
        (Some("x".to_owned()), Code::Unauthenticated),
        (Some(TestKey::p256_b().sign_with(&world.key.header(), &json!({}))), Code::Unauthenticated),
        (Some(no_tenant), Code::PermissionDenied),
    ] {
        for ends in [Ends::Never, Ends::AtExpiry] {
            let mut caller = Caller::connect(&world, ends, token.clone()).await;
            let status = caller.whoami("").await.unwrap_err();
            assert_eq!((status.code(), status.message()), (code, ""));
            assert_eq!(caller.watch().await.err().map(|status| status.code()), Some(code));
        }
    }
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(3_600));
    let token = world.key.sign(&claims_with(&world.issuer, "exp", json!(NOW + 7_200)));
    let mut caller = Caller::connect(&world, Ends::Never, Some(token)).await;
    assert_eq!(caller.whoami("").await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_service_without_the_layer_is_a_mistake_of_the_program() {
    let world = World::start().await;
    let mut caller = Caller::connect(&world, Ends::NoLayer, Some(world.token())).await;
    let status = caller.whoami("").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, ""));
}
