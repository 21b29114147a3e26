//! The programs that are compared: one row each, with a configuration that asks the same of all.
//! `process` starts them. A new peer is a new row. It must never favour weir: what a peer can do
//! better with a documented setting is set.
//!
//! Equal for all: one worker, keep-alive on both sides without a limit, the request passed on with the
//! client's `Host` and no field added (but for weir's `Via`, which cannot be switched off), no access log, no file written on the way.

use std::env;
use std::path::PathBuf;

/// One program to compare.
pub struct Peer {
    pub name: &'static str,
    /// Prints its version, on stdout or stderr.
    pub version: &'static [&'static str],
    /// Runs it in the foreground; the file of the configuration is the last argument.
    pub run: &'static [&'static str],
    pub config: fn(&Ports) -> String,
}

/// Where a program listens and what it leads to.
pub struct Ports {
    pub listen: u16,
    /// The same with TLS, and the pair `own.crt` and `own.key`, or `own.pem` with both.
    pub secure: u16,
    pub metrics: u16,
    pub origin: u16,
    pub directory: String,
}

/// weir comes last: the ratios are those of the last row to each of the others.
pub static PEERS: [Peer; 3] = [
    Peer { name: "nginx", version: &["-v"], run: &["-c"], config: nginx },
    Peer { name: "haproxy", version: &["-v"], run: &["-db", "-q", "-f"], config: haproxy },
    Peer { name: WEIR, version: &["--version"], run: &["run", "-c"], config: weir },
];

pub const WEIR: &str = "weir";

impl Peer {
    /// The program, if there is one; weir is the one that cargo has built for this run.
    pub fn program(&self) -> Option<PathBuf> {
        if self.name == WEIR {
            return Some(PathBuf::from(env!("CARGO_BIN_EXE_weir")));
        }
        // Debian keeps servers in sbin, which is not on everybody's PATH.
        let path = env::var_os("PATH").unwrap_or_default();
        let directories =
            env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        directories.map(|directory| directory.join(self.name)).find(|program| program.is_file())
    }
}

/// The buffers are the best for all workloads together. The default of 4 KiB costs 1.7 times as much
/// at 64 KiB; four of 64 KiB gain an eighth there and lose a third at 1 MiB.
fn nginx(ports: &Ports) -> String {
    let Ports { listen, secure, origin, directory, .. } = ports;
    // As root the worker would change to a user who cannot enter the temporary directory.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    format!(
        r#"
daemon off;
worker_processes 1;
{user}
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off;
    sendfile on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_max_temp_file_size 0;
    proxy_buffers 8 16k;
    proxy_busy_buffers_size 32k;
    upstream up {{
        server 127.0.0.1:{origin};
        keepalive 256;
        keepalive_timeout 600s;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{listen} backlog=4096;
        listen 127.0.0.1:{secure} ssl http2 backlog=4096;
        ssl_certificate {directory}/own.crt;
        ssl_certificate_key {directory}/own.key;
        ssl_protocols TLSv1.3;
        ssl_session_tickets on;
        location / {{
            proxy_pass http://up;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"#
    )
}

/// Its default buffers of 16 KiB: with 64 KiB it needs half as much again at 64 KiB, though a third less at
/// 1 MiB. `option splice-auto` changes nothing.
fn haproxy(ports: &Ports) -> String {
    let Ports { listen, secure, origin, directory, .. } = ports;
    format!(
        r"
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    maxconn 9000
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
    timeout http-request 30s
    option http-keep-alive
    http-reuse always
frontend http
    bind 127.0.0.1:{listen} backlog 4096
    bind 127.0.0.1:{secure} ssl crt {directory}/own.pem ssl-min-ver TLSv1.3 alpn h2,http/1.1 backlog 4096
    default_backend up
backend up
    server origin 127.0.0.1:{origin} pool-max-conn -1
"
    )
}

/// Metrics, a route table, a balancer and health checks are on, as everybody runs it.
fn weir(ports: &Ports) -> String {
    let Ports { listen, secure, metrics, origin, .. } = ports;
    format!(
        r#"
[runtime]
workers = 1

[metrics]
address = "127.0.0.1:{metrics}"

[access_log]
output = "off"

[listeners.http]
address = "127.0.0.1:{listen}"

[listeners.https]
address = "127.0.0.1:{secure}"
protocol = "https"
tls = {{ min_version = "1.3" }}

[certificates.own]
cert = "own.crt"
key = {{ file = "own.key" }}

[routes.all]
path_prefix = "/"
pool = "up"
forwarded = "off"
request_id = false

[pools.up]
endpoints = ["127.0.0.1:{origin}"]
health = {{ path = "/" }}
"#
    )
}
