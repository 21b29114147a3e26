//! What may be wrong with active checks: values that no check can have, and keys that contradict each other.

use super::Check;
use crate::diagnostic::{At, Code, Diagnostic, shown};
use crate::health::{Config, LOOKED_AT, Type};
use crate::message::target::check_authority;
use crate::pool::Scheme;
use crate::unit::Duration;

impl Check<'_> {
    /// Adds what is wrong with the checks of a pool.
    pub fn health(&mut self, name: &str, health: &Config) {
        let path = |key| ["pools", name, "health", key];
        self.path(&path("path"), health.path.as_deref());
        self.health_values(name, health);
        for (key, duration) in [
            ("interval", health.interval),
            ("fast_interval", health.fast_interval),
            ("timeout", health.timeout),
        ] {
            if duration < Duration::from_millis(10) {
                let problem = format!("`{key}` is at least \"10ms\": write \"1s\", or more");
                let at = self.tree.value(&path(key));
                self.add(Diagnostic::new(Code::E0105, at, problem, "too short"));
            }
        }
        for (key, count) in [
            ("healthy_threshold", health.healthy_threshold),
            ("unhealthy_threshold", health.unhealthy_threshold),
        ] {
            if count == 0 {
                let problem = format!("`{key}` is 1 or more, not 0: write 1 to judge at once");
                let at = self.tree.value(&path(key));
                self.add(Diagnostic::new(Code::E0105, at, problem, "1 to 65535"));
            }
        }
        self.health_keys(name, health);
        let sure = !self.tree.is_wrong(&["pools", name, "health"], self.found);
        if sure && health.timeout > health.interval {
            let problem = format!(
                "a check may take {}, longer than the {} until the next one: \
                 write a `timeout` of at most \"{}\"",
                health.timeout, health.interval, health.interval
            );
            // Whichever of the two is written in the file.
            let at = self.written(name, "timeout").or_else(|| self.written(name, "interval"));
            self.add(Diagnostic::new(Code::W0109, at, problem, "the two contradict"));
        }
        // The default adapts itself to a shorter interval.
        if sure
            && health.fast_interval > health.interval
            && let Some(at) = self.written(name, "fast_interval")
        {
            let problem = format!(
                "checks are never slower for having failed: write a `fast_interval` of at most \
                 the `interval`, \"{}\"",
                health.interval
            );
            let found = Diagnostic::new(Code::W0109, Some(at), problem, "longer than `interval`");
            self.add(found.also(self.written(name, "interval"), "which counts"));
        }
    }

    fn health_values(&mut self, name: &str, health: &Config) {
        let path = |key| ["pools", name, "health", key];
        if health.port == Some(0) {
            let problem = "`port` is 1 to 65535, not 0: write one, or remove it to ask the \
                           endpoint's own";
            let at = self.tree.value(&path("port"));
            self.add(Diagnostic::new(Code::E0105, at, problem, "1 to 65535"));
        }
        if let Some(host) = &health.host
            && (host.is_empty() || check_authority(host.as_bytes()).is_err())
        {
            let bare = host.split_once("://").map_or(&**host, |(_, rest)| rest);
            let bare = bare.split('/').next().filter(|bare| !bare.is_empty());
            let bare = shown(bare.unwrap_or("app.example.com"));
            let problem = format!("`host` is a name, with a port or not: write \"{bare}\"");
            let at = self.tree.value(&path("host"));
            self.add(Diagnostic::new(Code::E0103, at, problem, "no Host"));
        }
        if health.status.is_empty() && self.tree.count(&path("status")) == 0 {
            let problem = "no status would be a good answer: write [\"200-399\"], or remove it";
            let at = self.tree.value(&path("status"));
            self.add(Diagnostic::new(Code::E0403, at, problem, "an empty list"));
        }
        if let Some(body) = &health.body
            && !(1..=LOOKED_AT).contains(&body.len())
        {
            let problem = format!(
                "`body` is a text of 1 to {LOOKED_AT} bytes, which is as far as answers are looked \
                 at: write a part of what is answered"
            );
            let label = if body.is_empty() { "says nothing" } else { "too long" };
            let at = self.tree.value(&path("body"));
            self.add(Diagnostic::new(Code::E0105, at, problem, label));
        }
    }

    /// Keys that nothing obeys, and two that contradict.
    fn health_keys(&mut self, name: &str, health: &Config) {
        let path = |key| ["pools", name, "health", key];
        let of = health.kind();
        let words = match of {
            Type::Http => "http",
            Type::Tcp => "tcp",
            Type::Grpc => "grpc",
            Type::Off => "off",
        };
        // A type that could not be read may have been http.
        let sure = !self.tree.is_wrong(&["pools", name, "health"], self.found);
        let of_both = |key: &str| of == Type::Grpc && key == "host";
        let others = of_http(health).into_iter().flatten();
        for key in others.filter(|key| sure && of != Type::Http && !of_both(key)) {
            let at = self.tree.key(&path(key));
            let asked = self.tree.has(&path("type"));
            let found = if asked {
                let problem = format!(
                    "`{key}` is for `type = \"http\"`, not \"{words}\": write that, or remove \
                     `{key}`"
                );
                Diagnostic::new(Code::E0402, at, problem, "asks for nothing")
                    .also(self.tree.value(&path("type")), "because of this")
            } else {
                let problem = format!(
                    "`{key}` is of http checks, and without a `path` these are tcp: write \
                     `path = \"/healthz\"`, or remove `{key}`"
                );
                Diagnostic::new(Code::E0402, at, problem, "asks for nothing")
            };
            self.add(found);
        }
        if sure && of != Type::Grpc && !health.service.is_empty() {
            let problem = "`service` is for `type = \"grpc\"`: write that, or remove `service`";
            let at = self.tree.key(&path("service"));
            self.add(Diagnostic::new(Code::E0402, at, problem, "asks for nothing"));
        }
        let scheme = self.config.pools.get(name).map(|pool| pool.scheme);
        if sure && of == Type::Grpc && !scheme.is_some_and(Scheme::may_be_http2) {
            let problem = "gRPC goes over HTTP/2, which this pool does not speak: write `scheme = \"h2c\"`, or \"https\"";
            let at = self.tree.value(&path("type"));
            let found = Diagnostic::new(Code::E0402, at, problem, "over what?");
            self.add(found.also(self.tree.value(&["pools", name, "scheme"]), "because of this"));
        }
        if sure && health.trust_health_header && of == Type::Off {
            let problem = "an endpoint that says it is not well would stay so, since no check finds out when it is \
                           well again: write another `type`, or remove `trust_health_header`";
            let at = self.tree.key(&path("trust_health_header"));
            let found = Diagnostic::new(Code::E0402, at, problem, "nobody would take it back");
            self.add(found.also(self.tree.value(&path("type")), "because of this"));
        }
        let good = self.tree.has(&path("status"))
            && health.status.iter().any(|status| status.contains(404));
        if sure && health.drain_on_404 && good {
            let problem = "404 cannot be a good answer and drain the endpoint, too: write another \
                           `status`, or remove `drain_on_404`";
            let at = self.tree.key(&path("drain_on_404"));
            let found = Diagnostic::new(Code::E0402, at, problem, "not together with 404");
            self.add(found.also(self.tree.value(&path("status")), "404 is among these"));
        }
    }

    fn written(&self, pool: &str, key: &str) -> Option<At> {
        self.tree.text(&["pools", pool, "health", key]).map(|(_, at)| at)
    }
}

/// Keys that only an http check obeys, and that say something else than what is built in.
fn of_http(health: &Config) -> [Option<&'static str>; 7] {
    let built_in = Config::default();
    [
        health.path.is_some().then_some("path"),
        health.host.is_some().then_some("host"),
        (health.status != built_in.status).then_some("status"),
        health.body.is_some().then_some("body"),
        (!health.header.is_empty()).then_some("header"),
        health.reuse.then_some("reuse"),
        health.drain_on_404.then_some("drain_on_404"),
    ]
}
