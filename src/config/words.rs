//! Words of nginx, HAProxy, Traefik, Envoy and Caddy, and ours.
//!
//! The reader asks here when it meets a key or a value it does not know, before it guesses by
//! spelling: a newcomer brings the words of another proxy, and how it writes paths and variables.
//! Tables, and no mechanism.

use crate::diagnostic::shown;

/// A foreign key: the word, whose it is, and ours. Of several rows with one word, the first whose
/// own word fits the section counts.
const KEYS: &[(&str, &str, &str)] = &[
    ("bind", "HAProxy", "address"),
    ("listen", "nginx", "address"),
    ("url", "Traefik", "address"),
    ("host_port", "Envoy", "address"),
    ("frontend", "HAProxy", "listeners"),
    ("entrypoint", "Traefik", "listeners"),
    ("entrypoints", "Traefik", "listeners"),
    ("upstream", "nginx", "pools"),
    ("upstream", "nginx", "pool"),
    ("upstreams", "Caddy", "pools"),
    ("upstreams", "Caddy", "endpoints"),
    ("proxy_pass", "nginx", "pool"),
    ("reverse_proxy", "Caddy", "pool"),
    ("to", "Caddy", "pool"),
    ("backend", "HAProxy", "pools"),
    ("backend", "HAProxy", "pool"),
    ("backends", "HAProxy", "pools"),
    ("default_backend", "HAProxy", "pool"),
    ("use_backend", "HAProxy", "pool"),
    ("cluster", "Envoy", "pools"),
    ("cluster", "Envoy", "pool"),
    ("clusters", "Envoy", "pools"),
    ("service", "Traefik", "pools"),
    ("service", "Traefik", "pool"),
    ("services", "Traefik", "pools"),
    ("router", "Traefik", "routes"),
    ("routers", "Traefik", "routes"),
    ("location", "nginx", "routes"),
    ("location", "nginx", "path_prefix"),
    ("prefix", "Envoy", "path_prefix"),
    ("pathprefix", "Traefik", "path_prefix"),
    ("server", "HAProxy", "listeners"),
    ("server", "HAProxy", "endpoints"),
    ("servers", "Traefik", "endpoints"),
    ("server_name", "nginx", "host"),
    ("hosts", "Traefik", "host"),
    ("domains", "Envoy", "host"),
    ("lb_policy", "Envoy", "balance"),
    ("lb_algorithm", "Envoy", "balance"),
    ("healthcheck", "Traefik", "health"),
    ("health_check", "nginx", "health"),
    ("health_checks", "Envoy", "health"),
    ("health_uri", "Caddy", "health"),
    ("uri", "HAProxy", "path"),
    ("inter", "HAProxy", "interval"),
    ("rise", "HAProxy", "healthy_threshold"),
    ("passes", "nginx", "healthy_threshold"),
    ("fall", "HAProxy", "unhealthy_threshold"),
    ("fails", "nginx", "unhealthy_threshold"),
    ("worker_processes", "nginx", "workers"),
    ("nbthread", "HAProxy", "workers"),
    ("concurrency", "Envoy", "workers"),
    ("maxconn", "HAProxy", "max_connections"),
    ("worker_connections", "nginx", "max_connections"),
    ("limit_conn", "nginx", "connections_per_client"),
    ("hard_stop_after", "HAProxy", "drain_timeout"),
    ("worker_shutdown_timeout", "nginx", "drain_timeout"),
    ("gracetimeout", "Traefik", "drain_timeout"),
    ("client_max_body_size", "nginx", "max_body"),
    ("max_request_bytes", "Envoy", "max_body"),
    ("request_body", "Caddy", "max_body"),
    ("large_client_header_buffers", "nginx", "header_size"),
    ("max_header_size", "Caddy", "header_size"),
    ("client_header_timeout", "nginx", "header"),
    ("read_header", "Caddy", "header"),
    ("request_headers_timeout", "Envoy", "header"),
    ("client_body_timeout", "nginx", "body"),
    ("send_timeout", "nginx", "write"),
    ("keepalive_timeout", "nginx", "idle"),
    ("proxy_connect_timeout", "nginx", "connect_timeout"),
    ("dial_timeout", "Caddy", "connect_timeout"),
    ("proxy_read_timeout", "nginx", "response"),
    ("response_header_timeout", "Caddy", "response"),
    ("keepalive", "nginx", "max_idle"),
    ("keepalive_idle_conns_per_host", "Caddy", "max_idle"),
    ("upgrade_configs", "Envoy", "upgrade"),
    ("set_real_ip_from", "nginx", "trusted_proxies"),
    ("trusted_ips", "Traefik", "trusted_proxies"),
    ("middlewares", "Traefik", "policies"),
    ("acl", "HAProxy", "routes"),
    ("pathregexp", "Traefik", "path_regex"),
    ("safe_regex", "Envoy", "path_regex"),
    ("methods", "Envoy", "method"),
    ("clientip", "Traefik", "client_ip"),
    ("remote_ip", "Caddy", "client_ip"),
    ("split_clients", "nginx", "split"),
    ("weighted_clusters", "Envoy", "split"),
    ("weighted", "Traefik", "split"),
    ("return", "nginx", "respond"),
    ("direct_response", "Envoy", "respond"),
    ("redir", "Caddy", "redirect"),
    ("redirectregex", "Traefik", "redirect"),
    ("proxy_set_header", "nginx", "headers"),
    ("add_header", "nginx", "headers"),
    ("header_up", "Caddy", "headers"),
    ("stripprefix", "Traefik", "strip_prefix"),
    ("prefix_rewrite", "Envoy", "rewrite"),
    ("error_page", "nginx", "error_pages"),
    ("errorfile", "HAProxy", "error_pages"),
    ("handle_errors", "Caddy", "error_pages"),
    ("ipallowlist", "Traefik", "access"),
    ("slowstart", "HAProxy", "slow_start"),
    ("slow_start_config", "Envoy", "slow_start"),
    ("healthy_panic_threshold", "Envoy", "panic_below"),
    ("health_status", "Caddy", "status"),
    ("expected_statuses", "Envoy", "status"),
    ("ssl_certificate", "nginx", "cert"),
    ("ssl_certificate_key", "nginx", "key"),
    ("ssl_client_certificate", "nginx", "client_ca"),
    ("ssl_verify_client", "nginx", "client_auth"),
    ("ssl_protocols", "nginx", "min_version"),
    ("ssl_ciphers", "nginx", "ciphers"),
    ("ssl", "nginx", "tls"),
    ("proxy_ssl_name", "nginx", "server_name"),
    ("proxy_ssl_trusted_certificate", "nginx", "ca"),
    ("accept_proxy", "HAProxy", "proxy_protocol"),
    ("proxyprotocol", "Traefik", "proxy_protocol"),
    ("crt", "HAProxy", "cert"),
    ("certfile", "Traefik", "cert"),
    ("keyfile", "Traefik", "key"),
    ("rootcas", "Traefik", "ca"),
    ("servername", "Traefik", "server_name"),
    ("insecureskipverify", "Traefik", "verify"),
    ("accesslog", "Traefik", "access_log"),
    ("prometheus", "Caddy", "metrics"),
];

/// A foreign value: the word in lower case, whose it is, and ours.
const VALUES: &[(&str, &str, &str)] = &[
    ("leastconn", "HAProxy", "least-requests"),
    ("least_conn", "nginx", "least-requests"),
    ("least_request", "Envoy", "least-requests"),
    ("least-connections", "Traefik", "least-requests"),
    ("roundrobin", "HAProxy", "round-robin"),
    ("round_robin", "Envoy", "round-robin"),
    ("rr", "IPVS", "round-robin"),
    ("wrr", "Traefik", "round-robin"),
    ("static-rr", "HAProxy", "round-robin"),
    ("/dev/stdout", "nginx", "stdout"),
    ("/dev/stderr", "nginx", "stderr"),
    ("httpchk", "HAProxy", "http"),
    ("x-forwarded-for", "HAProxy", "x-forwarded"),
    ("xff", "Envoy", "x-forwarded"),
];

/// A foreign variable, without its `$`, and ours.
const VARIABLES: &[(&str, &str)] = &[
    ("host", "{host}"),
    ("http_host", "{host}"),
    ("server_name", "{host}"),
    ("request_uri", "{path}{query}"),
    ("uri", "{path}"),
    ("document_uri", "{path}"),
    ("args", "{query}"),
    ("query_string", "{query}"),
    ("is_args", "{query}"),
    ("scheme", "{scheme}"),
    ("remote_addr", "{client_ip}"),
    ("proxy_add_x_forwarded_for", "{client_ip}"),
    ("realip_remote_addr", "{client_ip}"),
    ("request_method", "{method}"),
    ("request_id", "{request_id}"),
];

/// What a word of another proxy is called here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Whose word it is.
    pub who: &'static str,
    /// Our word.
    pub ours: &'static str,
}

/// The key of `known` that the foreign key `word` means.
pub fn key(word: &str, known: &[&str]) -> Option<Foreign> {
    find(KEYS, word, known)
}

/// The value of `known` that the foreign value `word` means.
pub fn value(word: &str, known: &[&str]) -> Option<Foreign> {
    find(VALUES, word, known)
}

/// The words of one proxy, each with ours, in the order of the alphabet; nothing for one that is not known.
pub fn foreign(who: &str) -> Vec<(&'static str, &'static str)> {
    let all = KEYS.iter().chain(VALUES).filter(|(_, whose, _)| *whose == who);
    let mut words: Vec<_> = all.map(|&(word, _, ours)| (word, ours)).collect();
    words.sort_unstable();
    words
}

/// A path as other proxies and frameworks write it.
pub fn path_of_others(path: &str) -> Option<(String, &'static str)> {
    if let Some(front) = path.strip_suffix('*') {
        let front = front.trim_end_matches('/');
        let front = shown(if front.is_empty() { "/" } else { front });
        return Some((
            format!("`*` stands for itself in paths: write `path_prefix = \"{front}\"`"),
            "no wildcard",
        ));
    }
    let name = path.split('/').find_map(|segment| segment.strip_prefix(':'))?;
    let mended = shown(&path.replace(&format!(":{name}"), &format!("{{{name}}}")));
    Some((
        format!("a segment that may be anything is named in braces: write \"{mended}\""),
        "stands for itself",
    ))
}

/// The first variable of nginx in a text, and ours.
pub fn variable_of_others(text: &str) -> Option<(&str, &'static str)> {
    let at = text.find('$')?;
    let name = &text[at + 1..];
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    let name = &name[..end];
    let ours = if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        "{path.NAME}, and `path = \"/{NAME}\"`"
    } else {
        VARIABLES.iter().find(|(theirs, _)| *theirs == name)?.1
    };
    Some((&text[at..at + 1 + end], ours))
}

fn find(
    table: &[(&str, &'static str, &'static str)],
    word: &str,
    ours: &[&str],
) -> Option<Foreign> {
    let word = word.to_ascii_lowercase();
    table
        .iter()
        .find(|(foreign, _, own)| *foreign == word && ours.contains(own))
        .map(|&(_, who, ours)| Foreign { who, ours })
}
