//! `policies.NAME.access`: which clients may come, by their address.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Filter, Refused};
use crate::message::exchange::Exchange;
use crate::unit::{Cidr, OneOrMany};

/// `[policies.NAME.access]`: which clients may come, by their address; others get 403.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// CIDR, or a list of them. If there are any, everyone else gets 403.
    pub allow: Option<OneOrMany<Cidr>>,
    /// CIDR, or a list of them, that get 403 whatever `allow` says.
    pub deny: Option<OneOrMany<Cidr>>,
}

/// Lets in whom the lists let in.
pub struct Access {
    allow: Vec<Cidr>,
    deny: Vec<Cidr>,
}

impl Config {
    /// What a later one says replaces, list by list.
    pub fn merge(&mut self, later: &Self) {
        super::replace(&mut self.allow, &later.allow);
        super::replace(&mut self.deny, &later.deny);
    }

    /// What does it, if there is anything to do.
    pub fn filter(&self) -> Option<Access> {
        let list = |given: &Option<OneOrMany<Cidr>>| given.as_deref().unwrap_or_default().to_vec();
        let access = Access { allow: list(&self.allow), deny: list(&self.deny) };
        (!access.allow.is_empty() || !access.deny.is_empty()).then_some(access)
    }
}

impl Filter for Access {
    fn on_request(&self, x: &mut Exchange, _: &dyn Fn() -> u64) -> Result<(), Refused> {
        let within = |ranges: &[Cidr]| ranges.iter().any(|range| range.contains(x.client.address));
        let may = (self.allow.is_empty() || within(&self.allow)) && !within(&self.deny);
        if may { Ok(()) } else { Err(Refused::Access) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::head::Head;

    #[test]
    fn deny_wins_over_allow() {
        let config = |text: &str| toml::from_str::<Config>(text).unwrap();
        let may = |text: &str, address: &str| {
            let mut x = Exchange::bare(Head::default());
            x.client.address = address.parse().unwrap();
            config(text).filter().is_none_or(|access| access.on_request(&mut x, &|| 0).is_ok())
        };
        let both = "allow = \"10.0.0.0/8\"\ndeny = [\"10.1.0.0/16\", \"::1\"]";
        for (text, address, expected) in [
            ("", "1.1.1.1", true),
            ("allow = []", "1.1.1.1", true),
            (both, "10.2.0.1", true),
            (both, "10.1.0.1", false),
            (both, "11.0.0.1", false),
            ("deny = \"::1\"", "::1", false),
            ("deny = \"::1\"", "::2", true),
        ] {
            assert_eq!(may(text, address), expected, "{text} {address}");
        }
        let mut merged = config(both);
        merged.merge(&config("deny = []"));
        assert_eq!(merged, config("allow = \"10.0.0.0/8\"\ndeny = []"));
    }
}
