//! Every code a diagnostic can carry, each with its page: cause, a broken example, the fixed form.
//!
//! `weir explain E0201` prints a page. A test loads each example: the broken one must yield its code
//! and nothing else, the fixed one nothing at all. Codes are stable: one is never given a new meaning.

use std::fmt;
use std::str::FromStr;

macro_rules! codes {
    ($($code:ident),+ $(,)?) => {
        /// Which mistake it is: E01 values, E02 keys, E03 names, E04 contradictions,
        /// E05 environment, W warnings. What each means is on its [`Page`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($code),+ }

        impl Code {
            /// As it is written: "E0201".
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code)),+ }
            }
        }
    };
}

codes!(
    E0101, E0102, E0103, E0104, E0105, E0106, E0107, E0108, E0201, E0202, E0203, E0204, E0301,
    E0302, E0401, E0402, E0403, E0404, E0406, E0501, E0502, E0503, W0101, W0102, W0106, W0108,
    W0109, W0110
);

impl Code {
    /// Whether the configuration can be used all the same.
    pub fn is_warning(self) -> bool {
        self.as_str().starts_with('W')
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        CODES.iter().map(|page| page.code).find(|code| code.as_str() == text).ok_or(())
    }
}

/// What `weir explain` tells about a code.
#[derive(Debug)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// What it says, in a few words.
    pub title: &'static str,
    /// When it comes, and why it is an error.
    pub cause: &'static str,
    /// A file (E05: a command or a part of a file) that is wrong in this way.
    pub broken: &'static str,
    /// The same, put right.
    pub fixed: &'static str,
}

/// Every code. The enum is made of the same words; a test sees to it that none lacks its page.
pub const CODES: &[Page] = &[
    Page {
        code: Code::E0101,
        title: "not TOML",
        cause: "The file breaks the grammar of TOML, so nothing after that place can be trusted. \
                Usual: a missing quote, bracket or comma; a key written twice; a text without \
                quotes.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app
endpoints = ["127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::E0102,
        title: "a number without a unit",
        cause: "A duration is a text with its unit, because 5 may be seconds to one reader and \
                milliseconds to the next. Units: ms, s, m, h, d; they combine: \"1m30s\".",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[pools.app.health]
interval = 5
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[pools.app.health]
interval = "5s"
"#,
    },
    Page {
        code: Code::E0103,
        title: "wrong type or form",
        cause: "The value is of another type than the key takes (a number where a text belongs, one \
                value where a table belongs), or it is a text that is not formed as the key needs \
                it.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.all]
path_prefix = "orders"
pool = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.all]
path_prefix = "/orders"
pool = "app"
"#,
    },
    Page {
        code: Code::E0104,
        title: "not one of the values",
        cause: "The key takes one of a few words, and this is none of them. Words of nginx, HAProxy, \
                Traefik, Envoy and Caddy are recognised, and answered with the word used here.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
balance = "leastconn"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
balance = "least-requests"
"#,
    },
    Page {
        code: Code::E0105,
        title: "out of range",
        cause: "The number, duration or length is smaller or larger than the key allows.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = [{ address = "127.0.0.1:3000", weight = 0 }]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = [{ address = "127.0.0.1:3000", weight = 1 }]
"#,
    },
    Page {
        code: Code::E0106,
        title: "a URL where host:port or a host is meant",
        cause: "An endpoint or a listener is an address and a port. The protocol is not part of it, \
                and neither is a path: routes have paths.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["http://127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::E0107,
        title: "not a regular expression",
        cause: "It does not compile, or it would be too large. Look-around and back-references are not \
                offered: what weir matches takes time in proportion to the text, whatever the expression.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.a]
path_regex = "/v[0-9"
pool = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.a]
path_regex = "/v[0-9]/.*"
pool = "app"
"#,
    },
    Page {
        code: Code::E0108,
        title: "a variable is not set",
        cause: "A value names a variable of the environment that this process does not have, or that \
                is empty, and gives no default. `weir check --allow-unset-env` passes over such values, \
                for a check on another machine.",
        broken: r#"[listeners.http]
address = ":${WEIR_EXAMPLE_PORT}"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":${WEIR_EXAMPLE_PORT:-8080}"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::E0201,
        title: "unknown key",
        cause: "No section has a key of this name. A key that would do nothing is an error, so that \
                a slip of the pen cannot switch something off.",
        broken: r#"[listeners.http]
adress = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::E0202,
        title: "a key of another section",
        cause: "The key exists, but in another section than the one it stands in.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
interval = "5s"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[pools.app.health]
interval = "5s"
"#,
    },
    Page {
        code: Code::E0203,
        title: "a top-level section inside another one",
        cause: "A section such as [metrics], and `include`, stand at the top level of the file. In TOML \
                everything after a [header] belongs to that header, also a table written \
                `metrics = { … }`.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
metrics = { address = "off" }
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[metrics]
address = "off"
"#,
    },
    Page {
        code: Code::E0204,
        title: "defined twice",
        cause: "The same thing is defined in two places, and both cannot hold: two sections of one name \
                in two files, for instance. All files are one document, so none wins.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000", "127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = [{ address = "127.0.0.1:3000", weight = 2 }]
"#,
    },
    Page {
        code: Code::E0301,
        title: "a name that does not exist",
        cause: "A listener or a route names a pool or a listener that the file does not define.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "ap"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::E0302,
        title: "pools fall back to one another in a circle",
        cause: "A pool's `fallback` is asked when the pool has no endpoint to offer. If that leads back to \
                the pool, there is nobody left to ask.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
fallback = "spare"

[pools.spare]
endpoints = ["127.0.0.1:3001"]
fallback = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
fallback = "spare"

[pools.spare]
endpoints = ["127.0.0.1:3001"]
"#,
    },
    Page {
        code: Code::E0401,
        title: "two routes tie",
        cause: "Two routes ask for the same host and the same path on the same listener, with as many \
                further conditions, so nothing says which of them a request takes. The order in the \
                file never decides; `priority` does. Of two regular expressions, weir can only see that \
                they begin differently.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.a]
path = "/x"
pool = "app"

[routes.b]
path = "/x"
pool = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.a]
path = "/x"
pool = "app"

[routes.b]
path = "/y"
pool = "app"
"#,
    },
    Page {
        code: Code::E0402,
        title: "both of two keys that exclude each other",
        cause: "A route has one of `path`, the whole path, `path_prefix`, its beginning, and `path_regex`; \
                and one of `pool`, `split`, `redirect` and `respond`.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.a]
path = "/x"
path_prefix = "/x"
pool = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.a]
path_prefix = "/x"
pool = "app"
"#,
    },
    Page {
        code: Code::E0403,
        title: "something required is missing",
        cause: "A listener needs an `address`, a route a destination such as `pool`, a pool `endpoints`; and a file \
                needs at least one listener, or nothing would ever be served.",
        broken: r#"[listeners.http]
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::E0404,
        title: "a listener that speaks TLS has no certificate",
        cause: "Clients are shown a certificate, and the file has none: bring one, or let weir make one that only \
                tests believe.",
        broken: r#"[listeners.https]
address = "127.0.0.1:8443"
protocol = "https"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
        fixed: r#"[listeners.https]
address = "127.0.0.1:8443"
protocol = "https"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[certificates.local]
self_signed = true
hosts = ["localhost"]
"#,
    },
    Page {
        code: Code::E0406,
        title: "two listeners on one address",
        cause: "Two sockets cannot listen on one address. Also counts: the address of [metrics], \
                which is 127.0.0.1:9347 unless it is set, and \":8080\", which covers every address of \
                that port.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[listeners.other]
address = "127.0.0.1:8080"
pool = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[listeners.other]
address = "127.0.0.1:8081"
pool = "app"
"#,
    },
    Page {
        code: Code::E0501,
        title: "a file cannot be read",
        cause: "The file is not there, is no file, or this user may not read it. weir looks for the \
                file of -c, else of $WEIR_CONFIG, else ./weir.toml, else /etc/weir/weir.toml. Files \
                of an `include` must be there; a glob (\"conf.d/*.toml\") may match none.",
        broken: r#"weir check -c /etc/weir/wier.toml
"#,
        fixed: r#"weir check -c /etc/weir/weir.toml
"#,
    },
    Page {
        code: Code::E0502,
        title: "a key does not fit its certificate",
        cause: "A private key belongs to one certificate: the one that was asked for with it. After a renewal both \
                files must be replaced; the first certificate of the chain is the one that counts.",
        broken: r#"[certificates.main]
cert = "tls/new.crt"
key = { file = "tls/old.key" }
"#,
        fixed: r#"[certificates.main]
cert = "tls/new.crt"
key = { file = "tls/new.key" }
"#,
    },
    Page {
        code: Code::E0503,
        title: "an address is in use, or may not be used",
        cause: "Another process listens on the address (`ss -ltnp` shows which), the port is below \
                1024 and this user may not use it, or the address is not one of this machine.",
        broken: r#"[listeners.http]
address = ":80"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
"#,
    },
    Page {
        code: Code::W0101,
        title: "a route that can never match",
        cause: "Another route of a higher `priority` matches every request that this one matches. Without \
                priorities the more specific one comes first, and none is needed.",
        broken: r#"[listeners.http]
address = ":8080"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.all]
priority = 2
pool = "app"

[routes.orders]
path_prefix = "/orders"
priority = 1
pool = "app"
"#,
        fixed: r#"[listeners.http]
address = ":8080"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[routes.all]
priority = 0
pool = "app"

[routes.orders]
path_prefix = "/orders"
priority = 1
pool = "app"
"#,
    },
    Page {
        code: Code::W0102,
        title: "never used",
        cause: "No listener and no route leads to this pool. It costs nothing, but a route may have \
                been forgotten.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[pools.spare]
endpoints = ["127.0.0.1:3001"]
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]
"#,
    },
    Page {
        code: Code::W0106,
        title: "endpoints are believed whatever they show",
        cause: "Without `verify`, TLS keeps out who listens, but not who pretends to be the endpoint. An authority of \
                your own is written as `ca`, another name as `server_name`.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["10.0.0.1:8443"]
scheme = "https"
tls = { verify = false }
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["10.0.0.1:8443"]
scheme = "https"
tls = { ca = "tls/internal-ca.pem", server_name = "app.internal" }
"#,
    },
    Page {
        code: Code::W0108,
        title: "a certificate is not valid, or not for long",
        cause: "It has ended, or less than 14 days are left, after which no client believes it. weir reads the files again when they \
                change, so a new certificate needs no restart.",
        broken: r#"[certificates.main]
cert = "tls/ends-in-3-days.crt"
key = { file = "tls/old.key" }
"#,
        fixed: r#"[certificates.main]
cert = "tls/renewed.crt"
key = { file = "tls/renewed.key" }
"#,
    },
    Page {
        code: Code::W0109,
        title: "timeouts contradict each other",
        cause: "A health check may take longer than the time until the next one begins, so a slow \
                endpoint is judged later than `interval` says.",
        broken: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[pools.app.health]
interval = "1s"
timeout = "5s"
"#,
        fixed: r#"[listeners.http]
address = ":8080"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[pools.app.health]
interval = "5s"
timeout = "1s"
"#,
    },
    Page {
        code: Code::W0110,
        title: "a self-signed certificate is shown to others",
        cause: "Nobody but this machine has a reason to believe a certificate that weir made for itself: browsers warn, \
                and programs refuse.",
        broken: r#"[listeners.https]
address = ":8443"
protocol = "https"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[certificates.local]
self_signed = true
hosts = ["localhost"]
"#,
        fixed: r#"[listeners.https]
address = "127.0.0.1:8443"
protocol = "https"
pool = "app"

[pools.app]
endpoints = ["127.0.0.1:3000"]

[certificates.local]
self_signed = true
hosts = ["localhost"]
"#,
    },
];
