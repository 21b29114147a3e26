//! The pools of a blueprint, from what the file says and from those that run.
//!
//! Called by `compile.rs`, and as pure. A pool that has not changed is the same object; another takes over the
//! endpoints that it still names, and all that is known of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use super::Config;
use crate::balance::Candidate;
use crate::diagnostic::{Code, Fault};
use crate::endpoint::Endpoint;
use crate::endpoint::state::Joining;
use crate::health::Initial;
use crate::net::address::Address;
use crate::pool::{self, Pool};
use crate::snapshot::Snapshot;
use crate::telemetry::http::PoolMetrics;
use crate::tls::client::Client;
use crate::unit::Name;

/// Makes all pools. `before`: what runs; `shards`: for how many workers counters are kept; `random`: a random number.
///
/// # Errors
/// A balancing algorithm refuses its options.
pub fn pools(
    config: &Config,
    before: Option<&Snapshot>,
    shards: usize,
    random: u64,
) -> Result<BTreeMap<Name, Arc<Pool>>, Fault> {
    let mut making = Making {
        config,
        before: before.map(|before| &before.pools),
        shards,
        random,
        above: Vec::new(),
        renamed: Vec::new(),
        made: BTreeMap::new(),
    };
    for name in config.pools.keys() {
        making.make(name)?;
    }
    Ok(making.made)
}

struct Making<'a> {
    config: &'a Config,
    before: Option<&'a BTreeMap<Name, Arc<Pool>>>,
    shards: usize,
    random: u64,
    /// Those that fall back to the one that is being made; a circle, which `validate` refuses, would end here.
    above: Vec<&'a Name>,
    /// Those of before that go on under another name.
    renamed: Vec<&'a Name>,
    made: BTreeMap<Name, Arc<Pool>>,
}

impl<'a> Making<'a> {
    /// Makes a pool, after the one it falls back to.
    fn make(&mut self, name: &'a Name) -> Result<(), Fault> {
        let Some(section) = self.config.pools.get(name) else { return Ok(()) };
        if self.made.contains_key(name) || self.above.contains(&name) {
            return Ok(());
        }
        if let Some(fallback) = &section.fallback {
            self.above.push(name);
            self.make(fallback)?;
            self.above.pop();
        }
        let fallback = section.fallback.as_ref().and_then(|name| self.made.get(name)).cloned();
        let old = self.former(name, section);
        let pool = self.pool(name, section, old, fallback)?;
        self.made.insert(name.clone(), pool);
        Ok(())
    }

    /// What a pool was before: the one of its name, or one that has lost its name and has its endpoints, which nobody
    /// else has taken over.
    fn former(&mut self, name: &Name, section: &pool::Config) -> Option<&'a Arc<Pool>> {
        let addresses = |pool: &pool::Config| -> BTreeSet<Address> {
            pool.endpoints.iter().map(|member| member.address).collect()
        };
        let before = self.before?;
        if let Some(old) = before.get(name) {
            return Some(old);
        }
        let own = addresses(section);
        let (old, pool) = before.iter().find(|(old, pool)| {
            !self.config.pools.contains_key(*old)
                && !self.renamed.contains(old)
                && addresses(&pool.config) == own
        })?;
        self.renamed.push(old);
        Some(pool)
    }

    fn pool(
        &self,
        name: &Name,
        config: &pool::Config,
        old: Option<&Arc<Pool>>,
        fallback: Option<Arc<Pool>>,
    ) -> Result<Arc<Pool>, Fault> {
        let same = |old: &&Arc<Pool>| {
            let (before, now) = (old.fallback.as_ref(), fallback.as_ref());
            old.name == *name
                && old.config == *config
                && before.map(Arc::as_ptr) == now.map(Arc::as_ptr)
        };
        if let Some(old) = old.filter(same) {
            return Ok(Arc::clone(old));
        }
        let metrics = old.map_or_else(
            || Arc::new(PoolMetrics::new(self.shards)),
            |old| Arc::clone(&old.metrics),
        );
        let members = old.into_iter().flat_map(|old| old.members());
        let known: HashMap<SocketAddr, &Arc<Endpoint>> =
            members.map(|known| (known.endpoint.address, &known.endpoint)).collect();
        let addresses = config.endpoints.iter().map(|member| member.address.get());
        let new = addresses.filter(|address| !known.contains_key(address)).count();
        let joining = self.joining(config, new);
        let members = config
            .endpoints
            .iter()
            .map(|member| {
                let address = member.address.get();
                let endpoint = known.get(&address).map(|known| Arc::clone(known));
                let endpoint = endpoint.unwrap_or_else(|| {
                    let endpoint = Endpoint::new(address, metrics.endpoint());
                    endpoint.state.join(joining);
                    Arc::new(endpoint)
                });
                Candidate { endpoint, weight: u32::from(member.weight) }
            })
            .collect();
        let (name, config) = (name.clone(), config.clone());
        let tls = tls(&config, old)?;
        let pool = Pool::new(name, config, members, metrics, fallback, tls, self.random)?;
        if let Some(old) = old {
            pool.take_over(old);
        }
        Ok(Arc::new(pool))
    }

    /// How so many new endpoints join.
    fn joining(&self, config: &pool::Config, new: usize) -> Joining {
        let running = self.before.is_some();
        let health = config.health.as_ref().filter(|health| health.is_on());
        Joining {
            waits: running && health.is_some_and(|one| one.initial == Initial::Unhealthy),
            // If most are new, all are alike: it would only skew.
            warms: running && new * 2 <= config.endpoints.len(),
        }
    }
}

/// What a pool speaks below HTTP; the same as before, if it is made of the same: then its connections stay good.
fn tls(config: &pool::Config, old: Option<&Arc<Pool>>) -> Result<Option<Arc<Client>>, Fault> {
    if !config.scheme.has_tls() {
        return Ok(None);
    }
    let same = old.filter(|old| old.config.tls == config.tls).and_then(|old| old.tls.clone());
    if same.is_some() {
        return Ok(same);
    }
    let made = Client::new(&config.tls);
    made.map(|client| Some(Arc::new(client))).map_err(|problem| {
        Fault::new(Code::E0105, format!("{problem}: write another"), "not usable")
    })
}
