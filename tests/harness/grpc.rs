//! gRPC as applications have it: a service and a client of the library tonic, whose messages are plain bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::tokio_stream::{Stream, StreamExt};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, StreamingService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

use super::http2::Driven;

/// Messages are what they are.
#[derive(Clone, Copy, Default)]
pub struct Plain;

impl Codec for Plain {
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

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A service; what its methods do is in `answer`.
pub struct Echo {
    pub address: SocketAddr,
    /// What it says of the service `orders`.
    pub health: Arc<AtomicU8>,
    open: Arc<AtomicUsize>,
    _runtime: Arc<Driven>,
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// What the health of a service is; besides what the protocol numbers.
pub const SERVING: u8 = 1;
pub const NOT_SERVING: u8 = 2;
pub const HIDDEN: u8 = 254;
pub const UNKNOWN: u8 = 255;

/// Counts a call while it is worked on.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

async fn answer(
    path: &str,
    request: Request<Streaming<Bytes>>,
    open: Open,
    health: u8,
) -> Result<Messages, Status> {
    let timeout = request.metadata().get("grpc-timeout").cloned();
    let mut messages = request.into_inner();
    let one =
        |bytes: Bytes| -> Messages { Box::pin(tonic::codegen::tokio_stream::once(Ok(bytes))) };
    match path {
        // Each message as it comes.
        "/test.Echo/Each" => Ok(Box::pin(messages.map(move |message| {
            let _open = &open;
            message
        }))),
        // All of them at the end.
        "/test.Echo/Sum" => {
            let mut all = Vec::new();
            while let Some(message) = messages.message().await? {
                all.extend_from_slice(&message);
            }
            Ok(one(all.into()))
        }
        // So many as the message says; then the last of them fails.
        "/test.Echo/Many" => {
            let message = messages.message().await?.unwrap_or_default();
            let count: usize = std::str::from_utf8(&message).unwrap().parse().unwrap();
            let all = (0..count).map(|n| Ok(Bytes::from(n.to_string())));
            let last = Err(Status::data_loss("that was all"));
            Ok(Box::pin(tonic::codegen::tokio_stream::iter(all.chain([last]))))
        }
        "/test.Echo/Fail" => Err(Status::already_exists("50% \u{fc}")),
        "/test.Echo/Timeout" => {
            Ok(one(timeout.map_or_else(Bytes::new, |text| Bytes::copy_from_slice(text.as_bytes()))))
        }
        "/test.Echo/Hang" => {
            let _open = open;
            std::future::pending().await
        }
        "/grpc.health.v1.Health/Check" => match health {
            HIDDEN => Err(Status::unimplemented("no health")),
            UNKNOWN => Err(Status::not_found("no such service")),
            _ => {
                // `{ string service = 1; }` of "orders".
                let asked = messages.message().await?.unwrap_or_default();
                assert_eq!(&asked[..], b"\x0a\x06orders");
                Ok(one(Bytes::copy_from_slice(&[8, health])))
            }
        },
        _ => Err(Status::unimplemented(path.to_owned())),
    }
}

#[derive(Clone)]
struct Serving(Arc<AtomicUsize>, Arc<AtomicU8>);

struct Method(String, Arc<AtomicUsize>, u8);

impl StreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = BoxFuture<Response<Messages>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (path, open, health) = (self.0.clone(), Open::new(&self.1), self.2);
        Box::pin(async move { answer(&path, request, open, health).await.map(Response::new) })
    }
}

impl Service<http::Request<Body>> for Serving {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let health = self.1.load(SeqCst);
        let method = Method(request.uri().path().to_owned(), Arc::clone(&self.0), health);
        Box::pin(async move { Ok(Grpc::new(Plain).streaming(method, request).await) })
    }
}

impl Echo {
    pub fn start() -> Self {
        let runtime = Driven::start();
        let open = Arc::new(AtomicUsize::new(0));
        let health = Arc::new(AtomicU8::new(SERVING));
        let serving = Serving(Arc::clone(&open), Arc::clone(&health));
        let incoming = {
            let _within = runtime.enter();
            TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
        };
        let address = incoming.local_addr().unwrap();
        runtime.spawn(Server::builder().serve_with_incoming(serving, incoming));
        Self { address, health, open, _runtime: runtime }
    }

    /// How many calls are being worked on.
    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }
}

/// A client.
pub struct Caller {
    runtime: Arc<Driven>,
    grpc: tonic::client::Grpc<Channel>,
}

impl Caller {
    pub fn new(address: SocketAddr) -> Self {
        let runtime = Driven::start();
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let _within = runtime.enter();
        let grpc = tonic::client::Grpc::new(channel.connect_lazy());
        drop(_within);
        Self { runtime, grpc }
    }

    /// One message in, one out.
    pub fn unary(&mut self, method: &str, request: Request<Bytes>) -> Result<Bytes, Status> {
        let Self { runtime, grpc } = self;
        runtime.block_on(async {
            grpc.ready().await.unwrap();
            grpc.unary(request, path(method), Plain).await.map(Response::into_inner)
        })
    }

    /// The same, to be given up.
    pub fn begin(&self, method: &str, request: Request<Bytes>) -> JoinHandle<()> {
        let (mut grpc, path) = (self.grpc.clone(), path(method));
        self.runtime.spawn(async move {
            grpc.ready().await.unwrap();
            drop(grpc.unary(request, path, Plain).await);
        })
    }

    /// Messages in, one out.
    pub fn collect(&mut self, method: &str, messages: Vec<Bytes>) -> Result<Bytes, Status> {
        let Self { runtime, grpc } = self;
        runtime.block_on(async {
            grpc.ready().await.unwrap();
            let messages = Request::new(tonic::codegen::tokio_stream::iter(messages));
            let answer = grpc.client_streaming(messages, path(method), Plain).await;
            answer.map(Response::into_inner)
        })
    }

    /// One message in, messages out.
    pub fn list(&mut self, method: &str, message: &str) -> (Vec<Bytes>, Status) {
        let Self { runtime, grpc } = self;
        runtime.block_on(async {
            grpc.ready().await.unwrap();
            let request = Request::new(Bytes::copy_from_slice(message.as_bytes()));
            let mut all = Vec::new();
            match grpc.server_streaming(request, path(method), Plain).await {
                Err(status) => (all, status),
                Ok(answer) => {
                    let mut messages = answer.into_inner();
                    loop {
                        match messages.message().await {
                            Ok(Some(message)) => all.push(message),
                            Ok(None) => return (all, Status::ok("")),
                            Err(status) => return (all, status),
                        }
                    }
                }
            }
        })
    }

    /// Messages in, as the test sends them, and messages out.
    pub fn talk(&mut self, method: &str) -> (UnboundedSender<Bytes>, Talk) {
        let (sender, receiver) = unbounded_channel();
        let Self { runtime, grpc } = self;
        let request = Request::new(UnboundedReceiverStream::new(receiver));
        let messages = runtime.block_on(async {
            grpc.ready().await.unwrap();
            grpc.streaming(request, path(method), Plain).await.unwrap().into_inner()
        });
        (sender, Talk { runtime: Arc::clone(runtime), messages })
    }
}

/// What is answered in a talk.
pub struct Talk {
    runtime: Arc<Driven>,
    messages: Streaming<Bytes>,
}

impl Talk {
    pub fn next(&mut self) -> Result<Option<Bytes>, Status> {
        self.runtime.block_on(self.messages.message())
    }
}

fn path(method: &str) -> PathAndQuery {
    PathAndQuery::try_from(format!("/test.Echo/{method}")).unwrap()
}
