//! What no other table explains: words that metrics and the access log have for what became of attempts,
//! checks and requests.

/// The words.
pub const WORDS: &[(&str, &str)] = &[
    ("ok", "An attempt's result: the endpoint answered, and not with an error."),
    (
        "app_error",
        "An attempt's result: the endpoint answered with a 5xx that is its own, such as 500.",
    ),
    (
        "gateway",
        "An attempt's result: the endpoint answered 502, 503 or 504: it has nobody behind it.",
    ),
    (
        "overload",
        "An attempt's result: the endpoint answered 429, or 503 with Retry-After: it has enough.",
    ),
    ("timeout", "An attempt's or a check's result: there was no answer in time."),
    ("upstream_error", "A request's result: no endpoint gave an answer that could be passed on."),
    ("internal", "A request's result: weir could not serve it, as weir.reason tells."),
    ("malformed", "Why a connection was cut off: what came was no request."),
    ("limit", "Why a connection was cut off, or had to wait: a limit on connections."),
    ("descriptors", "Why accepting was paused: the process had no descriptor left."),
    ("status", "A check's result: the endpoint answered, but not with a status that means well."),
    ("not_checked", "Why an endpoint is in its state: no check of it has ended yet."),
    (
        "says_fail",
        "Why an endpoint is in its state: an answer of it said x-weir-health: fail (health.trust_health_header).",
    ),
    (
        "tls",
        "Why an endpoint is in its state, or a request failed: no TLS connection to it could be made.",
    ),
    ("passed", "Why an endpoint is in its state: its last checks passed."),
    ("healthy", "A state of an endpoint: it takes new requests."),
    (
        "warming",
        "A state of an endpoint: it takes new requests, but not its whole share yet (slow_start).",
    ),
    ("unhealthy", "A state of an endpoint: checks failed, it takes no new requests."),
    (
        "draining",
        "A state of an endpoint: it has asked for no new requests, and finishes those it has.",
    ),
    (
        "panic",
        "A pool of which too few endpoints are well ignores their health (limits.panic_below): the few could not \
         carry the load.",
    ),
];
