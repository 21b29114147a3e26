//! `policies.NAME.headers`: headers set, added and removed, on the way to the endpoint and back.
//!
//! Two steps, for the two ways have different places in the order of work.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Filter, Refused};
use crate::message::exchange::Exchange;
use crate::message::head::{Head, Known};
use crate::message::header_name::HeaderName;
use crate::message::reply::Reply;
use crate::message::template::Template;
use crate::message::withheld::Withheld;
use crate::unit::OneOrMany;

/// `[policies.NAME.headers]`: headers set, added and removed. Values may use {client_ip} {host} {path} {path.NAME}
/// {query} {method} {scheme} {request_id}.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Of requests, on their way to the endpoint.
    pub request: Changes,
    /// Of answers, weir's own among them.
    pub response: Changes,
}

/// What is changed: removed first, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// Headers that are there once, with this value: { x-region = "eu" }.
    pub set: BTreeMap<HeaderName, Template>,
    /// Headers of which there is one more.
    pub add: BTreeMap<HeaderName, Template>,
    /// Names of headers, or one name.
    pub remove: Option<OneOrMany<HeaderName>>,
}

impl Config {
    /// What a later one says wins, header by header.
    pub fn merge(&mut self, later: &Self) {
        for (mine, theirs) in
            [(&mut self.request, &later.request), (&mut self.response, &later.response)]
        {
            let entries = |all: &BTreeMap<HeaderName, Template>| all.clone().into_iter();
            mine.set.extend(entries(&theirs.set));
            mine.add.extend(entries(&theirs.add));
            super::replace(&mut mine.remove, &theirs.remove);
        }
    }

    /// All values, with where they stand.
    pub fn templates(&self) -> impl Iterator<Item = ([&str; 3], &Template)> {
        let ways = [("request", &self.request), ("response", &self.response)];
        ways.into_iter().flat_map(|(way, changes)| {
            let all = [("set", &changes.set), ("add", &changes.add)];
            all.into_iter().flat_map(move |(key, values)| {
                values.iter().map(move |(name, value)| ([way, key, name.as_str()], value))
            })
        })
    }

    /// All names, with where they stand; of those removed, the list.
    pub fn names(&self) -> impl Iterator<Item = (Vec<&str>, &HeaderName)> {
        let ways = [("request", &self.request), ("response", &self.response)];
        ways.into_iter().flat_map(|(way, changes)| {
            let named = [("set", &changes.set), ("add", &changes.add)];
            let named = named.into_iter().flat_map(move |(key, values)| {
                values.keys().map(move |name| (vec![way, key, name.as_str()], name))
            });
            let removed = changes.remove.iter().flat_map(|names| names.iter());
            let removed = removed.map(move |name| (vec![way, "remove"], name));
            named.chain(removed)
        })
    }
}

/// What trailers must not bring back.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    /// Those of requests.
    pub request: Withheld,
    /// Those of answers.
    pub response: Withheld,
}

impl Trailers {
    /// What a merged configuration changes in heads.
    pub fn new(config: &Config) -> Self {
        Self { request: config.request.withheld(), response: config.response.withheld() }
    }
}

/// Whether weir writes this header by itself, so that nobody else may: it frames the message, or belongs to a
/// connection.
pub fn is_weirs_own(name: &HeaderName) -> bool {
    let known = name.known();
    known.is_hop_by_hop()
        || matches!(known, Known::ContentLength | Known::Expect | Known::Host | Known::Trailer)
        || name.as_str() == "via"
}

/// Changes the headers of requests.
pub struct Requests(Edit);

/// Changes the headers of answers.
pub struct Responses(Edit);

struct Edit {
    remove: Vec<HeaderName>,
    set: Vec<Value>,
    add: Vec<Value>,
}

struct Value {
    name: HeaderName,
    known: Known,
    value: Template,
}

impl Changes {
    /// What does it for a route, if there is anything to do. `segment`: which segment of the path a name is.
    fn edit(&self, segment: &dyn Fn(&str) -> Option<usize>) -> Option<Edit> {
        let values = |all: &BTreeMap<HeaderName, Template>| {
            let value = |(name, value): (&HeaderName, &Template)| Value {
                name: name.clone(),
                known: name.known(),
                value: value.within(segment),
            };
            all.iter().map(value).collect::<Vec<_>>()
        };
        let remove = self.remove.as_deref().unwrap_or_default().to_vec();
        let edit = Edit { remove, set: values(&self.set), add: values(&self.add) };
        (!edit.remove.is_empty() || !edit.set.is_empty() || !edit.add.is_empty()).then_some(edit)
    }

    /// All names that it changes.
    fn withheld(&self) -> Withheld {
        let removed = self.remove.as_deref().unwrap_or_default();
        Withheld::new(self.set.keys().chain(self.add.keys()).chain(removed).cloned().collect())
    }

    /// For requests.
    pub fn requests(&self, segment: &dyn Fn(&str) -> Option<usize>) -> Option<Requests> {
        self.edit(segment).map(Requests)
    }

    /// For answers.
    pub fn responses(&self, segment: &dyn Fn(&str) -> Option<usize>) -> Option<Responses> {
        self.edit(segment).map(Responses)
    }
}

impl Edit {
    fn remove(&self, head: &mut Head) {
        let set = self.set.iter().map(|value| &value.name);
        for name in self.remove.iter().chain(set) {
            for field in &mut head.fields {
                field.removed |= name.names(&head.bytes[field.name.range()]);
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.set.iter().chain(&self.add)
    }
}

impl Value {
    /// Adds it to a head. What is written of a request is what a parser has found to be sound.
    fn add(&self, head: &mut Head, written: Option<&[u8]>) {
        let text = written.map_or_else(
            || self.value.constant().unwrap_or_default(),
            |written| std::str::from_utf8(written).unwrap_or_default(),
        );
        head.add(self.known, self.name.as_str(), text);
    }

    /// What it says of this request; `None`: the same as of every one.
    fn write(&self, x: &Exchange) -> Option<Vec<u8>> {
        if self.value.constant().is_some() {
            return None;
        }
        let mut written = Vec::new();
        self.value.write(x, &mut written);
        Some(written)
    }
}

impl Filter for Requests {
    fn on_request(&self, x: &mut Exchange, _: &dyn Fn() -> u64) -> Result<(), Refused> {
        let Self(edit) = self;
        edit.remove(&mut x.head);
        for value in edit.values() {
            let written = value.write(x);
            value.add(&mut x.head, written.as_deref());
        }
        Ok(())
    }
}

impl Filter for Responses {
    fn on_response(&self, x: &Exchange, reply: &mut Reply) {
        let Self(edit) = self;
        edit.remove(&mut reply.head);
        for value in edit.values() {
            value.add(&mut reply.head, value.write(x).as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &Head) -> Vec<String> {
        let kept = head.fields.iter().filter(|field| !field.removed);
        kept.map(|f| format!("{}: {}", head.text(f.name), head.text(f.value))).collect()
    }

    #[test]
    fn headers_are_removed_set_and_added() {
        let text = "request.set = { X-Region = \"eu\", x-ip = \"{client_ip}\" }\n\
                    request.add.accept = \"b\"\nrequest.remove = \"COOKIE\"";
        let config: Config = toml::from_str(text).unwrap();
        let mut head = Head::default();
        head.add(Known::Cookie, "Cookie", "a=1");
        head.add(Known::Other, "X-REGION", "us");
        head.add(Known::Other, "Accept", "a");
        let mut x = Exchange::bare(head);
        config.request.requests(&|_| None).unwrap().on_request(&mut x, &|| 0).unwrap();
        let expected = ["Accept: a", "x-ip: 0.0.0.0", "x-region: eu", "accept: b"];
        assert_eq!(fields(&x.head), expected);
        assert!(config.response.responses(&|_| None).is_none(), "nothing to do");
    }

    #[test]
    fn merging_is_by_header_and_lists_are_replaced() {
        let mut config: Config =
            toml::from_str("response.set = { a = \"1\", b = \"1\" }\nresponse.remove = [\"x\"]")
                .unwrap();
        let later = "response.set.b = \"2\"\nresponse.remove = []";
        config.merge(&toml::from_str(later).unwrap());
        let mut reply = Reply::own(Head::default(), 503, "x");
        config
            .response
            .responses(&|_| None)
            .unwrap()
            .on_response(&Exchange::bare(Head::default()), &mut reply);
        assert_eq!(fields(&reply.head)[2..], ["a: 1", "b: 2"]);
    }

    #[test]
    fn what_frames_messages_is_weirs_own() {
        for name in ["Content-Length", "transfer-encoding", "Connection", "host", "Via", "TE"] {
            assert!(is_weirs_own(&HeaderName::new(name).unwrap()), "{name}");
        }
        assert!(!is_weirs_own(&HeaderName::new("date").unwrap()));
    }
}
