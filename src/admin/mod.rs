//! The metrics port: /metrics, /livez and /readyz, and nothing else. On the control runtime, over hyper.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::Encoder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

pub mod metrics;

use metrics::Source;

/// Serves the metrics port for as long as the task lives, so many connections at once.
pub async fn serve(listener: TcpListener, source: Arc<Source>, connections: usize) {
    let registry = metrics::registry(&source);
    let mut serving = JoinSet::new();
    // A scraper needs one; a crowd must not take the process's descriptors.
    let places = Arc::new(Semaphore::new(connections));
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        while serving.try_join_next().is_some() {}
        oldest.retain(|connection| !connection.is_finished());
        if places.available_permits() == 0 {
            // Whoever comes is served, and not kept out by those who came and do nothing.
            oldest.pop_front().into_iter().for_each(|connection| connection.abort());
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (registry, source) = (registry.clone(), Arc::clone(&source));
                oldest.push_back(serving.spawn(async move {
                    let _place = place;
                    let served = connection(stream, registry, source);
                    if tokio::time::timeout(LIFETIME, served).await.is_err() {
                        tracing::debug!("a connection to the metrics port took too long");
                    }
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "the metrics port cannot accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, registry: prometheus::Registry, source: Arc<Source>) {
    let service = service_fn(|request| {
        let answer = answer(&request, &registry, &source);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(5))
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the metrics port broke");
    }
}

fn answer(
    request: &Request<Incoming>,
    registry: &prometheus::Registry,
    source: &Source,
) -> Response<Full<Bytes>> {
    let text = |status, text: &str| {
        let mut response = Response::new(Full::from(text.to_owned()));
        *response.status_mut() = status;
        let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    match request.uri().path() {
        path if path == source.config.lock().path => {
            let mut out = Vec::new();
            let encoder = prometheus::TextEncoder::new();
            if let Err(error) = encoder.encode(&registry.gather(), &mut out) {
                tracing::error!(%error, "metrics cannot be encoded");
                return text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be encoded\n");
            }
            let mut response = Response::new(Full::from(out));
            let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" if source.is_ready() => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        _ => {
            let path = source.config.lock().path.clone();
            text(StatusCode::NOT_FOUND, &format!("here are {path}, /livez and /readyz\n"))
        }
    }
}

/// A connection to the metrics port is closed after this: a reader that reads nothing is no reader.
const LIFETIME: Duration = Duration::from_secs(10);
