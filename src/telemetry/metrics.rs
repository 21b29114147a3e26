//! `[metrics]`, and every metric there is: name, type, labels, help.
//!
//! The request path counts in shards, one per worker (`counter`); a scrape sums them (`scrape`).

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;

use super::counter::Buckets;
use crate::net::address::{Bind, Listen};

/// `[metrics]`: the port that serves /metrics, /livez and /readyz.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address, or "off": where /metrics, /livez and /readyz are served, and nothing else.
    pub address: Bind,
    /// Where on it the metrics are.
    pub path: String,
    /// Upper bounds of the buckets of all histograms, in seconds, rising; at most 31. Takes effect at the next start.
    pub buckets: Vec<f64>,
    /// Whether response times are told by endpoint, too: `weir_endpoint_response_seconds`.
    pub endpoint_histograms: bool,
    /// Series beyond so many are left out, and counted in `weir_telemetry_dropped_total`.
    pub max_series: u32,
}

impl Default for Config {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9347));
        Self {
            address: Bind::Listen(Listen::One(address)),
            path: String::from("/metrics"),
            buckets: Buckets::USUAL.to_vec(),
            endpoint_histograms: false,
            max_series: 50_000,
        }
    }
}

/// A metric: its name, its type, and what it tells.
#[derive(Clone, Copy)]
pub struct Metric {
    /// `weir_<noun>_<measure>_<unit>[_total]`.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub form: Form,
    /// One sentence, shown as HELP.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Times by bucket.
    Histogram,
}

macro_rules! metrics {
    ($($id:ident = $form:ident $name:literal $help:literal;)*) => {
        $(#[doc = $help] pub const $id: Metric =
            Metric { name: $name, form: Form::$form, help: $help };)*
        /// Every metric there is.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD_INFO = Gauge "weir_build_info" "Always 1; version, revision and features are labels.";
    CONFIG_GENERATION = Gauge "weir_config_generation"
        "Number of the active configuration since the start.";
    CONFIG_HASH = Gauge "weir_config_hash"
        "48 bits of the effective configuration: equal where the same is active.";
    CONFIG_SUCCESSFUL = Gauge "weir_config_last_reload_successful"
        "1 if the last reload was accepted.";
    CONFIG_TIMESTAMP = Gauge "weir_config_last_reload_success_timestamp_seconds"
        "When the active configuration was loaded.";
    CONFIG_RELOADS = Counter "weir_config_reloads_total"
        "Reloads, by result: accepted, refused or unchanged.";
    LISTENER_CONNECTIONS = Gauge "weir_listener_connections" "Open client connections.";
    LISTENER_ACCEPTED = Counter "weir_listener_connections_total" "Accepted client connections.";
    LISTENER_REJECTED = Counter "weir_listener_rejected_total"
        "Connections cut off before a request was understood, by reason.";
    LISTENER_PAUSES = Counter "weir_listener_accept_pauses_total"
        "Times accepting was paused, by reason: limit (max_connections) or descriptors.";
    LISTENER_RECEIVED = Counter "weir_listener_received_bytes_total" "Bytes from clients.";
    LISTENER_SENT = Counter "weir_listener_sent_bytes_total" "Bytes to clients.";
    TLS_HANDSHAKES = Counter "weir_tls_handshakes_total"
        "TLS handshakes, by version and result: ok, client_error, no_certificate or client_cert.";
    TLS_HANDSHAKE_DURATION = Histogram "weir_tls_handshake_duration_seconds"
        "Time of TLS handshakes that came to a connection.";
    TLS_EXPIRY = Gauge "weir_tls_certificate_expiry_timestamp_seconds" "When the certificate ends.";
    L4_SESSIONS = Counter "weir_l4_sessions_total"
        "Sessions that are over, of listeners that speak no HTTP, by result.";
    L4_DURATION = Histogram "weir_l4_session_duration_seconds" "How long they lasted.";
    HTTP_REQUESTS = Counter "weir_http_requests_total"
        "Requests answered, by whoever answered; code 0: the client left first.";
    HTTP_DURATION = Histogram "weir_http_request_duration_seconds"
        "First byte of the request to last byte of the answer.";
    HTTP_OVERHEAD = Histogram "weir_http_overhead_seconds"
        "Part of the duration spent in weir itself, waiting for nobody; of answers that ended.";
    HTTP_RECEIVED = Counter "weir_http_request_bytes_total" "Bytes of requests' bodies.";
    HTTP_SENT = Counter "weir_http_response_bytes_total" "Bytes of answers' bodies.";
    HTTP_IN_FLIGHT = Gauge "weir_http_requests_in_flight" "Requests under way.";
    HTTP_STREAMS = Gauge "weir_http_streams" "Open streams, by kind.";
    HTTP_REFUSED = Counter "weir_http_refused_total"
        "Requests that weir answered itself with an error, or broke off, by reason.";
    POOL_ATTEMPTS = Counter "weir_pool_attempts_total"
        "Attempts at endpoints by what became of them, retries included.";
    POOL_RESPONSE = Histogram "weir_pool_response_seconds"
        "Connection at hand to the head of the answer.";
    ENDPOINT_RESPONSE = Histogram "weir_endpoint_response_seconds"
        "The same by endpoint, if endpoint_histograms asks for it.";
    POOL_CONNECT = Histogram "weir_pool_connect_seconds" "To connect to an endpoint.";
    POOL_RETRIES = Counter "weir_pool_retries_total" "Attempts after the first, by cause.";
    POOL_CONNECTIONS = Gauge "weir_pool_connections"
        "Connections to endpoints, by state: active or idle.";
    POOL_PANIC = Gauge "weir_pool_panic"
        "1 while too few endpoints are well and health is ignored.";
    ENDPOINT_UP = Gauge "weir_endpoint_up" "1 if the endpoint takes new traffic.";
    ENDPOINT_STATE = Gauge "weir_endpoint_state" "1 for the state the endpoint is in.";
    ENDPOINT_REASON = Gauge "weir_endpoint_reason"
        "Always 1; why the endpoint is in its state: what its last check came to.";
    ENDPOINT_REQUESTS = Counter "weir_endpoint_requests_total" "Attempts, by result.";
    ENDPOINT_IN_FLIGHT = Gauge "weir_endpoint_requests_in_flight" "Attempts under way.";
    ENDPOINT_WEIGHT = Gauge "weir_endpoint_weight"
        "The endpoint's weight now: less than its own while it warms up.";
    HEALTH_CHECKS = Counter "weir_health_checks_total" "Active checks, by result.";
    HEALTH_DURATION = Histogram "weir_health_check_duration_seconds"
        "How long active checks took.";
    WORKER_BUSY = Counter "weir_worker_busy_seconds_total" "Time a worker was not idle.";
    DROPPED = Counter "weir_telemetry_dropped_total"
        "Records thrown away rather than slowing traffic, and series beyond `max_series`.";
    PANICS = Counter "weir_panics_total"
        "Connections lost to a bug in weir; 0 is the only good value.";
}
