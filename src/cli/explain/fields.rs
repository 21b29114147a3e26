//! What no other table explains: the fields of the access log, and the words that some of them have.

/// The fields of an access-log line. Those with a dot and no `weir` are OpenTelemetry's or ECS's.
pub const FIELDS: &[(&str, &str)] = &[
    ("@timestamp", "When the request had ended, in UTC."),
    ("event.dataset", "Always weir.access: which log this is."),
    (
        "event.duration",
        "First byte of the request to last byte of the answer, in nanoseconds, as ECS has it. The \
         same in milliseconds: weir.total_ms.",
    ),
    ("http.request.method", "The method of the request."),
    ("url.scheme", "The scheme of the request."),
    ("url.domain", "The host that the request asked for, without its port."),
    ("url.path", "The path, normalised: what was matched and forwarded."),
    ("url.query", "The query, as the client sent it; left out if there was none."),
    ("http.version", "The version of HTTP that the client spoke."),
    ("http.response.status_code", "The status that the client got; left out if it got none."),
    ("http.response.body.size", "Bytes of the body that went to the client; left out if none."),
    (
        "client.address",
        "Where the connection comes from. Behind trusted_proxies that is the proxy.",
    ),
    ("client.port", "The port at the other end of the client's connection."),
    ("server.address", "The endpoint of the last attempt; left out if there was none."),
    ("server.port", "The port of the endpoint of the last attempt."),
    ("weir.listener", "The listener that the request came to."),
    ("weir.route", "The route that took it; `none` is what no route of the file matched."),
    ("weir.pool", "The pool it was sent to."),
    ("weir.attempts", "How many endpoints were asked for it; more than 1: it was retried."),
    ("weir.result", "What became of it: ok, or why not, as in weir_pool_attempts_total."),
    (
        "weir.reason",
        "Why weir answered itself, or broke off; left out if an endpoint answered. Each has a page \
         here, such as no_endpoint.",
    ),
    ("weir.total_ms", "First byte of the request to last byte of the answer, in milliseconds."),
    (
        "weir.response_ms",
        "First byte of the request to the head of the endpoint's answer, in milliseconds.",
    ),
];

/// Words that metrics and the log have for what became of attempts and checks.
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
    ("passed", "Why an endpoint is in its state: its last checks passed."),
    ("healthy", "A state of an endpoint: it takes new requests."),
    ("unhealthy", "A state of an endpoint: checks failed, it takes no new requests."),
];
