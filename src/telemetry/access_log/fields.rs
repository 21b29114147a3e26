//! Every field of a line, in the order in which they are written. `weir explain access_log` prints the table.

/// A field of an access-log line.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it tells.
    pub about: &'static str,
    /// What stands before its value in JSON.
    pub json: &'static str,
    /// … and in logfmt.
    pub logfmt: &'static str,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// Milliseconds, with three decimals.
    Millis,
    /// True; absent: false.
    Flag,
}

impl Kind {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Millis => "milliseconds",
            Self::Flag => "true",
        }
    }
}

macro_rules! fields {
    ($($id:ident $name:literal $kind:ident $about:literal;)*) => {
        $(#[doc = $about] pub const $id: Field = Field {
            name: $name,
            kind: Kind::$kind,
            about: $about,
            json: concat!(",\"", $name, "\":"),
            logfmt: concat!(" ", $name, "="),
        };)*
        /// All of them. Recorded headers come besides, as their own names say.
        pub const FIELDS: &[Field] = &[$($id),*];
    };
}

fields! {
    TIMESTAMP "@timestamp" Text "When the request ended, in UTC.";
    DATASET "event.dataset" Text "Always weir.access.";
    DURATION "event.duration" Number
        "From the first byte of the request to the last of its answer, in nanoseconds.";
    SERVICE "service.name" Text "Always weir.";
    METHOD "http.request.method" Text "The method, as it came.";
    SCHEME "url.scheme" Text "What the client spoke, or told a trusted proxy: http or https.";
    DOMAIN "url.domain" Text "The host that was asked for, in lower case, without the port.";
    PATH "url.path" Text "The path that was asked for, normalised: as routes match it.";
    QUERY "url.query" Text "The query, the values of `redact_query` as …";
    PATTERN "http.route" Text "What of the path its route asks for: /orders/*, /users/{id}.";
    VERSION "http.version" Text "The client's version of HTTP: 1.0, 1.1 or 2.";
    STATUS "http.response.status_code" Number "The status that the client got; absent: none.";
    GRPC "rpc.grpc.status_code" Number "How a call of gRPC ended; absent: it is none, or did not say.";
    RECEIVED "http.request.body.size" Number "Bytes of the request's body that were read.";
    SENT "http.response.body.size" Number "Bytes of the answer's body that were sent.";
    USER_AGENT "user_agent.original" Text "The header user-agent, if `request_headers` names it.";
    CLIENT_ADDRESS "client.address" Text
        "The client's IP address; behind a trusted proxy, the one that it tells.";
    CLIENT_PORT "client.port" Number "The port of who connected; absent behind a trusted proxy.";
    PEER "network.peer.address" Text "Who connected, if it is not the client.";
    TLS_VERSION "tls.protocol.version" Text "The version of TLS on the client's connection: 1.2 or 1.3.";
    TLS_CIPHER "tls.cipher" Text "Its cipher suite.";
    TLS_SERVER_NAME "tls.client.server_name" Text "The name that the client has asked for in its handshake.";
    TLS_SUBJECT "tls.client.subject" Text "The subject of the client's certificate: CN=bot.";
    TRANSPORT "network.transport" Text "Always tcp.";
    REQUEST_ID "http.request.id" Text "The x-request-id that it was sent on with.";
    SERVER_ADDRESS "server.address" Text "The IP address of the last endpoint that was asked.";
    SERVER_PORT "server.port" Number "Its port.";
    LISTENER "weir.listener" Text "The listener it came on.";
    ROUTE "weir.route" Text "The route it matched; none: no route of the file did.";
    POOL "weir.pool" Text "The pool it was sent to: its route's, or one that stood in for it.";
    PANIC "weir.panic" Flag "Too few endpoints were well, so health was ignored.";
    ATTEMPTS "weir.attempts" Number "How many endpoints were asked.";
    RESULT "weir.result" Text
        "ok, refused, no_endpoint, upstream_error, timeout, client_gone or internal.";
    REASON "weir.reason" Text "Why weir answered itself, or broke the answer off: `weir explain REASON`.";
    TOTAL "weir.total_ms" Millis "The same as event.duration.";
    CONNECT "weir.connect_ms" Millis "To connect to the endpoint; absent: a connection was open.";
    RESPONSE "weir.response_ms" Millis "From the start to the head of the endpoint's answer.";
    OVERHEAD "weir.overhead_ms" Millis
        "What of the whole was spent in weir itself: neither the endpoint nor the client was waited for.";
}
