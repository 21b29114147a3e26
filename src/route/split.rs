//! `routes.NAME.split`: requests shared out between pools.
//!
//! A request falls into one of a million buckets: by a random number, or by who sends it, so that the same client
//! always goes to the same pool. Pure.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use xxhash_rust::xxh3::Xxh3;

use crate::message::exchange::Exchange;
use crate::message::header_name::HeaderName;
use crate::message::pairs;
use crate::net::ip;
use crate::unit::Name;

/// What tells one client from another: "client-ip", "header:NAME" or "cookie:NAME".
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub enum Sticky {
    ClientIp,
    Header(HeaderName),
    Cookie(String),
}

/// Where requests may go, mostly pools, and which share of them goes to each.
pub struct Split<T> {
    arms: Vec<Arm<T>>,
    sticky: Vec<Sticky>,
    salt: Name,
}

struct Arm<T> {
    to: T,
    /// Its buckets end before this one.
    end: u64,
}

impl<T> Split<T> {
    /// Shares in proportion to weights, which are not all zero. Who is whom is told by the first of `sticky` that a
    /// request has; `salt`: so that not the same clients go first everywhere.
    pub fn new(weights: Vec<(T, u32)>, sticky: Vec<Sticky>, salt: Name) -> Self {
        let total: u128 = weights.iter().map(|(_, weight)| u128::from(*weight)).sum();
        let mut before = 0;
        let arms = weights.into_iter().map(|(to, weight)| {
            before += u128::from(weight);
            // Not more than there are buckets.
            Arm { to, end: (before * u128::from(BUCKETS) / total.max(1)) as u64 }
        });
        Self { arms: arms.collect(), sticky, salt }
    }

    /// Where a request goes, by number.
    pub fn choose(&self, x: &Exchange, random: impl FnOnce() -> u64) -> u16 {
        let key = self.sticky.iter().find_map(|sticky| sticky.hash(x, &self.salt));
        let bucket = key.unwrap_or_else(random) % BUCKETS;
        let found = self.arms.iter().position(|arm| bucket < arm.end);
        found.unwrap_or_default() as u16
    }

    /// What has this number.
    pub fn arm(&self, arm: u16) -> Option<&T> {
        self.arms.get(usize::from(arm)).map(|arm| &arm.to)
    }

    /// Everywhere it leads.
    pub fn arms(&self) -> impl Iterator<Item = &T> {
        self.arms.iter().map(|arm| &arm.to)
    }
}

impl Sticky {
    /// A number for the client, the same everywhere and always. `None`: the request does not tell.
    fn hash(&self, x: &Exchange, salt: &str) -> Option<u64> {
        let mut hash = Xxh3::new();
        hash.update(salt.as_bytes());
        hash.update(&[0x1f]);
        match self {
            Self::ClientIp => {
                let mut address = Vec::new();
                ip::write(x.client.address, &mut address);
                hash.update(&address);
            }
            Self::Header(name) => hash.update(name.first(&x.head)?),
            Self::Cookie(name) => hash.update(pairs::cookie(&x.head, name)?),
        }
        Some(hash.digest())
    }
}

impl FromStr for Sticky {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            None if text == "client-ip" => Ok(Self::ClientIp),
            Some(("header", name)) => HeaderName::new(name).map(Self::Header).ok_or(()),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientIp => f.write_str("client-ip"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Sticky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| {
            de::Error::custom(
                "E0104 what tells clients apart is \"client-ip\", \"header:NAME\" or \"cookie:NAME\": \
                 write one of them\nnone of them",
            )
        })
    }
}

/// So many shares there are.
const BUCKETS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::head::{Head, Known};

    fn split(weights: &[u32], sticky: &[&str]) -> Split<()> {
        let weights = weights.iter().map(|weight| ((), *weight)).collect();
        let sticky = sticky.iter().map(|text| text.parse().unwrap()).collect();
        Split::new(weights, sticky, "r".parse().unwrap())
    }

    #[test]
    fn shares_are_as_the_weights() {
        let split = split(&[90, 0, 10], &[]);
        let x = Exchange::bare(Head::default());
        let mut counts = [0; 3];
        for bucket in 0..1_000_000 {
            counts[usize::from(split.choose(&x, || bucket))] += 1;
        }
        assert_eq!(counts, [900_000, 0, 100_000]);
    }

    #[test]
    fn a_client_stays_where_it_is() {
        let split = split(&[1, 1], &["cookie:id", "client-ip"]);
        let arm = |cookie: Option<&str>| {
            let mut head = Head::default();
            if let Some(cookie) = cookie {
                head.add(Known::Cookie, "cookie", cookie);
            }
            split.choose(&Exchange::bare(head), || unreachable!("it is known"))
        };
        assert_eq!(arm(None), arm(Some("other=1")));
        let ids: Vec<u16> = (0..1_000).map(|id| arm(Some(&format!("id={id}")))).collect();
        let again: Vec<u16> = (0..1_000).map(|id| arm(Some(&format!("x=y; id={id}")))).collect();
        assert_eq!(ids, again);
        let ones = ids.iter().filter(|arm| **arm == 1).count();
        assert!((450..550).contains(&ones), "{ones}");
        // Another process, another version: the same.
        assert_eq!(ids[..8], [0, 0, 1, 0, 0, 1, 0, 0]);
    }
}
