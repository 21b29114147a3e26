//! What a route asks of a request besides its host and path: method, header, query, cookie, client.
//!
//! All must hold. The same conditions tell, for `check`, whether two routes can ever want the same request.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::message::exchange::Exchange;
use crate::message::head::{Head, Method};
use crate::message::header_name::{HeaderName, is_token};
use crate::message::pairs;
use crate::policy::forwarded;
use crate::unit::{Cidr, Matcher};

/// The conditions of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    method: Vec<MethodName>,
    header: BTreeMap<HeaderName, Matcher>,
    query: BTreeMap<String, Matcher>,
    cookie: BTreeMap<String, Matcher>,
    client_ip: Vec<Cidr>,
}

/// A method, as it is spelt in requests: "GET".
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct MethodName(String);

impl Conditions {
    /// What a route of the file asks.
    pub fn new(route: &super::Config) -> Self {
        Self {
            method: route.method.to_vec(),
            header: route.header.clone(),
            query: route.query.clone(),
            cookie: route.cookie.clone(),
            client_ip: route.client_ip.to_vec(),
        }
    }

    /// How many there are: more are more specific.
    pub fn count(&self) -> usize {
        usize::from(!self.method.is_empty())
            + self.header.len()
            + self.query.len()
            + self.cookie.len()
            + usize::from(!self.client_ip.is_empty())
    }

    /// Whether a request meets all of them.
    pub fn hold(&self, x: &Exchange) -> bool {
        let head = &x.head;
        let within = |ranges: &[Cidr]| ranges.iter().any(|range| range.contains(x.client.address));
        (self.method.is_empty() || self.method.iter().any(|method| method.is_of(head)))
            && (self.client_ip.is_empty() || within(&self.client_ip))
            && self.header.iter().all(|(name, matcher)| {
                // What is said of clients is believed of proxies only.
                let believed = x.client.trusted || !forwarded::tells_of_clients(name);
                if believed { name.meets(head, matcher) } else { matcher.accepts(None) }
            })
            && self
                .query
                .iter()
                .all(|(name, matcher)| matcher.accepts(pairs::query(head, name).as_deref()))
            && self.cookie.iter().all(|(name, matcher)| matcher.accepts(pairs::cookie(head, name)))
    }

    /// Whether no request can meet these and those. `false`: perhaps one can.
    pub fn exclude(&self, other: &Self) -> bool {
        let apart = |one: &[MethodName], other: &[MethodName]| {
            !one.is_empty() && !other.is_empty() && !one.iter().any(|method| other.contains(method))
        };
        let outside = |one: &[Cidr], other: &[Cidr]| {
            let touch = |one: &Cidr| other.iter().any(|other| one.overlaps(other));
            !one.is_empty() && !other.is_empty() && !one.iter().any(touch)
        };
        apart(&self.method, &other.method)
            || outside(&self.client_ip, &other.client_ip)
            || contradict(&self.header, &other.header)
            || contradict(&self.query, &other.query)
            || contradict(&self.cookie, &other.cookie)
    }

    /// Whether every request that meets those meets these, too. `false`: perhaps not.
    pub fn cover(&self, other: &Self) -> bool {
        let methods = self.method.is_empty()
            || !other.method.is_empty() && other.method.iter().all(|one| self.method.contains(one));
        let inside = |one: &Cidr| self.client_ip.iter().any(|range| range.covers(one));
        let clients = self.client_ip.is_empty()
            || !other.client_ip.is_empty() && other.client_ip.iter().all(inside);
        methods
            && clients
            && follow(&self.header, &other.header)
            && follow(&self.query, &other.query)
            && follow(&self.cookie, &other.cookie)
    }
}

/// Whether some name must have values that are never the same.
fn contradict<K: Ord>(one: &BTreeMap<K, Matcher>, other: &BTreeMap<K, Matcher>) -> bool {
    one.iter().any(|(name, mine)| other.get(name).is_some_and(|other| mine.excludes(other)))
}

/// Whether these follow from those.
fn follow<K: Ord>(these: &BTreeMap<K, Matcher>, those: &BTreeMap<K, Matcher>) -> bool {
    these.iter().all(|(name, this)| those.get(name).is_some_and(|that| this.covers(that)))
}

impl MethodName {
    fn is_of(&self, head: &Head) -> bool {
        match Method::from_token(self.0.as_bytes()) {
            Method::Other => head.method_text() == self.0,
            known => head.method == known,
        }
    }
}

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let upper = text.to_ascii_uppercase();
        let known = Method::from_token(upper.as_bytes()) != Method::Other;
        if !is_token(&text) {
            Err(wrong("a method is one word, such as \"GET\": write that", "no method"))
        } else if matches!(&*upper, "*" | "ANY" | "ALL") {
            Err(wrong("a route without `method` takes every one: remove it", "no method"))
        } else if text != upper && known {
            let problem = format!("methods are case-sensitive: write \"{upper}\"");
            Err(wrong(&problem, "no request has it"))
        } else {
            Ok(Self(text))
        }
    }
}

fn wrong<E: de::Error>(problem: &str, label: &str) -> E {
    E::custom(format_args!("E0103 {problem}\n{label}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Config;

    fn conditions(text: &str) -> Conditions {
        Conditions::new(&toml::from_str::<Config>(&format!("pool = \"a\"\n{text}")).unwrap())
    }

    #[test]
    fn what_cannot_be_together_and_what_follows() {
        for (one, other, apart, covers) in [
            ("", "", false, true),
            ("", "method = \"GET\"", false, true),
            ("method = [\"GET\", \"PUT\"]", "method = \"GET\"", false, true),
            ("method = \"GET\"", "method = \"PUT\"", true, false),
            ("client_ip = \"10.0.0.0/8\"", "client_ip = \"10.1.0.0/16\"", false, true),
            ("client_ip = \"10.0.0.0/8\"", "client_ip = \"11.0.0.0/8\"", true, false),
            ("header.a = \"1\"", "header.A = \"2\"", true, false),
            ("header.a = \"1\"", "header.b = \"2\"", false, false),
            ("header.a = { present = true }", "header.a = \"2\"\nquery.b = \"1\"", false, true),
            ("cookie.a = { absent = true }", "cookie.a = \"2\"", true, false),
            ("query.a = \"1\"", "cookie.a = \"2\"", false, false),
        ] {
            let (this, that) = (conditions(one), conditions(other));
            assert_eq!(this.exclude(&that), apart, "{one} | {other}");
            assert_eq!(that.exclude(&this), apart, "{one} | {other}");
            assert_eq!(this.cover(&that), covers, "{one} | {other}");
        }
        assert_eq!(conditions("method = \"GET\"\nheader = { a = \"1\", b = \"2\" }").count(), 3);
    }

    #[test]
    fn names_that_no_request_has_are_refused() {
        for wrong in ["method = \"get\"", "method = \"G T\"", "header.\"a b\" = \"1\""] {
            let text = format!("pool = \"a\"\n{wrong}");
            assert!(toml::from_str::<Config>(&text).is_err(), "{wrong}");
        }
        assert_eq!(conditions("method = \"purge\"").method, [MethodName("purge".to_owned())]);
    }
}
