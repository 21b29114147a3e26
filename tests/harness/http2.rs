//! Clients that speak HTTP/2: one with a library, as applications have it, and one that sends the frames it is given.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// An event loop with a thread of its own, as long as somebody has it.
pub struct Driven {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Driven {
    pub fn start() -> Arc<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (handle, (end, ended)) = (runtime.handle().clone(), oneshot::channel());
        std::thread::spawn(move || runtime.block_on(ended));
        Arc::new(Self { handle, _end: end })
    }
}

impl std::ops::Deref for Driven {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

/// A client with a library.
pub struct Http2 {
    runtime: Arc<Driven>,
    sender: SendRequest<Sending>,
    connection: JoinHandle<hyper::Result<()>>,
}

/// A body that a test sends piece by piece; dropped, it ends.
pub struct Upload(UnboundedSender<Result<Frame<Bytes>, io::Error>>);

/// A body on its way.
pub struct Sending(UnboundedReceiver<Result<Frame<Bytes>, io::Error>>);

/// An answer that is being waited for.
pub struct Pending {
    runtime: Arc<Driven>,
    answer: JoinHandle<hyper::Result<Response<Incoming>>>,
}

/// An answer whose head has come.
pub struct Begun {
    runtime: Arc<Driven>,
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
}

/// A whole answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

impl Http2 {
    /// Without TLS, to who is known to speak it.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(tokio::net::TcpStream::connect(address))
    }

    /// Over TLS, by ALPN.
    pub fn over_tls(address: SocketAddr, name: &str, mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self::over(async move {
            let io = tokio::net::TcpStream::connect(address).await?;
            let io = TlsConnector::from(Arc::new(config)).connect(name, io).await?;
            assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            Ok(io)
        })
    }

    fn over<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>(
        dial: impl Future<Output = io::Result<T>>,
    ) -> Self {
        let runtime = Driven::start();
        let (sender, connection) = runtime.block_on(async {
            let io = TokioIo::new(dial.await.expect("weir accepts"));
            Builder::new(TokioExecutor::new()).handshake(io).await.expect("a connection")
        });
        let connection = runtime.spawn(connection);
        Self { runtime, sender, connection }
    }

    /// Sends a request without a body, and does not wait.
    pub fn ask(&mut self, request: http::request::Builder) -> Pending {
        let (upload, body) = body();
        drop(upload);
        self.send(request, body)
    }

    /// Sends the head of a request; its body is the test's.
    pub fn begin(&mut self, request: http::request::Builder) -> (Upload, Pending) {
        let (upload, body) = body();
        (upload, self.send(request, body))
    }

    fn send(&mut self, request: http::request::Builder, body: Sending) -> Pending {
        let request = request.body(body).unwrap();
        let answer = self.runtime.spawn(self.sender.send_request(request));
        Pending { runtime: Arc::clone(&self.runtime), answer }
    }

    /// GETs a path of a host.
    pub fn get(&mut self, path: &str) -> Got {
        self.ask(get(path)).whole()
    }

    /// Waits until weir has closed the connection: whether in peace.
    pub fn ended(self) -> hyper::Result<()> {
        let Self { runtime, sender, connection } = self;
        let ended = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, connection).await.expect("it ends").unwrap()
        });
        drop(sender);
        ended
    }

    /// Whether it takes requests.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

/// A GET of a path of a host.
pub fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://a.example{path}"))
}

impl Upload {
    /// Sends a piece of the body.
    pub fn send(&self, bytes: impl Into<Bytes>) {
        let _ = self.0.send(Ok(Frame::data(bytes.into())));
    }

    /// Ends it with trailers.
    pub fn trailers(self, trailers: HeaderMap) {
        let _ = self.0.send(Ok(Frame::trailers(trailers)));
    }

    /// Breaks it off.
    pub fn cut(self) {
        let _ = self.0.send(Err(io::Error::other("cut")));
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

impl Pending {
    /// Waits for the head.
    pub fn begun(self) -> hyper::Result<Begun> {
        let Self { runtime, answer } = self;
        let answer = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
        })?;
        let (parts, body) = answer.into_parts();
        Ok(Begun { runtime, status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Waits for all of it.
    pub fn whole(self) -> Got {
        self.begun().expect("an answer").whole().expect("a whole answer")
    }

    /// Has enough of it.
    pub fn cancel(self) {
        self.answer.abort();
    }
}

impl Begun {
    /// The next piece of the body; `None`: it has ended.
    pub fn next(&mut self) -> Option<hyper::Result<Frame<Bytes>>> {
        let Self { runtime, body, .. } = self;
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, body.frame()).await.expect("a piece in time")
        })
    }

    /// Waits for the rest.
    pub fn whole(mut self) -> hyper::Result<Got> {
        let (mut bytes, mut trailers) = (Vec::new(), HeaderMap::new());
        while let Some(frame) = self.next() {
            match frame?.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        Ok(Got { status: self.status, headers: self.headers, body: bytes, trailers })
    }
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Sends exactly the frames it is given.
pub struct Frames<T: Read + Write> {
    pub io: T,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
/// Flags of HEADERS: it is whole, and the request with it.
pub const WHOLE: u8 = 5;

/// What a client begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Frames<TcpStream> {
    /// Connects, and says no more than the preface and empty settings.
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address);
        client.send(PREFACE).frame(SETTINGS, 0, 0, b"");
        client
    }

    /// Connects and says nothing.
    pub fn silent(address: SocketAddr) -> Self {
        let io = TcpStream::connect(address).unwrap();
        io.set_read_timeout(Some(PATIENCE)).unwrap();
        io.set_nodelay(true).unwrap();
        Self { io }
    }
}

impl<T: Read + Write> Frames<T> {
    /// Sends bytes; that weir has closed shows when reading.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.io.write_all(bytes);
        self
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        self.send(&frame(kind, flags, stream, payload))
    }

    /// Sends a whole GET.
    pub fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        self.frame(HEADERS, WHOLE, stream, &head(&request("GET", path)))
    }

    /// The next frame. `None`: the connection has ended.
    pub fn next(&mut self) -> Option<Came> {
        let mut header = [0; 9];
        match self.io.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("no frame in time"),
            Err(_) => return None,
            Ok(()) => {}
        }
        let [a, b, c, kind, flags, s1, s2, s3, s4] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.io.read_exact(&mut payload).ok()?;
        Some(Came { kind, flags, stream: u32::from_be_bytes([s1, s2, s3, s4]), payload })
    }

    /// The next frame of this kind, past others.
    pub fn until(&mut self, kind: u8) -> Option<Came> {
        loop {
            let came = self.next()?;
            if came.kind == kind {
                return Some(came);
            }
        }
    }

    /// Reads to the end of the connection: the reason of its GOAWAY, if one came.
    pub fn reason(&mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(came) = self.next() {
            if came.kind == GOAWAY {
                reason = Some(u32::from_be_bytes(came.payload[4..8].try_into().unwrap()));
            }
        }
        reason
    }
}

impl Came {
    /// Of a reset: why.
    pub fn reason(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The pseudo-fields of a request to a host.
pub fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "http"), (":authority", "a.example"), (":path", path)]
}

/// A head, each field spelt out (RFC 7541, 6.2.2).
pub fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            text_of(text.as_bytes(), &mut block);
        }
    }
    block
}

/// A text with its length before it (RFC 7541, 5.2).
fn text_of(text: &[u8], block: &mut Vec<u8>) {
    let mut length = text.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push((length % 128 + 128) as u8);
            length /= 128;
        }
        block.push(length as u8);
    }
    block.extend_from_slice(text);
}

const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that speaks HTTP/2, with a library.
pub struct H2Upstream {
    address: SocketAddr,
    state: Arc<Served>,
    _runtime: Arc<Driven>,
}

/// What an upstream has seen.
#[derive(Default)]
struct Served {
    connections: AtomicUsize,
    open: AtomicUsize,
}

/// What an upstream does with a request: a future of an answer.
type Answering = Pin<Box<dyn Future<Output = Response<Sending>> + Send>>;

impl H2Upstream {
    /// Does with each request what the script says.
    pub fn scripted(
        script: impl Fn(Request<Incoming>) -> Answering + Send + Sync + 'static,
    ) -> Self {
        Self::over(None, script)
    }

    /// Answers each request with its path and its body behind that.
    pub fn echo() -> Self {
        Self::scripted(|request| Box::pin(echo(request)))
    }

    /// With TLS first, if there is a configuration.
    pub fn over(
        tls: Option<Arc<rustls::ServerConfig>>,
        script: impl Fn(Request<Incoming>) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let runtime = Driven::start();
        let state = Arc::new(Served::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, script) = (Arc::clone(&state), Arc::new(script));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((io, _)) = listener.accept().await {
                shared.connections.fetch_add(1, SeqCst);
                let (state, script, tls) = (Arc::clone(&shared), Arc::clone(&script), tls.clone());
                Handle::current().spawn(async move {
                    match tls {
                        None => serve(io, state, script).await,
                        Some(tls) => {
                            let Ok(io) = tokio_rustls::TlsAcceptor::from(tls).accept(io).await
                            else {
                                return;
                            };
                            serve(io, state, script).await;
                        }
                    }
                });
            }
        });
        Self { address, state, _runtime: runtime }
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(SeqCst)
    }

    /// How many requests are being worked on.
    pub fn open(&self) -> usize {
        self.state.open.load(SeqCst)
    }
}

impl fmt::Display for H2Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// Counts a request while it is worked on, its answer included.
struct Open(Arc<Served>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

async fn serve<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>(
    io: T,
    state: Arc<Served>,
    script: Arc<impl Fn(Request<Incoming>) -> Answering + Send + Sync + 'static>,
) {
    let service = hyper::service::service_fn(move |request| {
        state.open.fetch_add(1, SeqCst);
        let (open, answering) = (Open(Arc::clone(&state)), script(request));
        async move {
            let answer = answering.await;
            Ok::<_, io::Error>(answer.map(|body| Counted { body, _open: open }))
        }
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = serving.serve_connection(TokioIo::new(io), service).await;
}

/// A body that counts as open.
struct Counted {
    body: Sending,
    _open: Open,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// A body, and where its pieces go in.
pub fn body() -> (Upload, Sending) {
    let (sender, receiver) = unbounded_channel();
    (Upload(sender), Sending(receiver))
}

/// Answers with the path and the body, piece by piece; trailers come back, too.
pub async fn echo(request: Request<Incoming>) -> Response<Sending> {
    let (upload, sending) = body();
    let (parts, mut incoming) = request.into_parts();
    upload.send(parts.uri.path().to_owned());
    Handle::current().spawn(async move {
        while let Some(Ok(frame)) = incoming.frame().await {
            let _ = upload.0.send(Ok(frame));
        }
        if !incoming.is_end_stream() {
            upload.cut();
        }
    });
    let mut answer = Response::new(sending);
    *answer.headers_mut() = parts.headers;
    answer.headers_mut().remove("content-length");
    answer.headers_mut().remove("te");
    answer
}

/// The other side of `Frames`: a server that reads the preface and sends empty settings. `None`: nobody came.
pub fn accept(listener: &std::net::TcpListener) -> Option<Frames<TcpStream>> {
    let (mut io, _) = listener.accept().unwrap();
    io.set_read_timeout(Some(PATIENCE)).unwrap();
    io.set_nodelay(true).unwrap();
    io.read_exact(&mut [0; 24]).ok()?;
    let mut frames = Frames { io };
    frames.frame(SETTINGS, 0, 0, b"").frame(SETTINGS, 1, 0, b"");
    Some(frames)
}
