//! What weir promises, one file per promise.

#![cfg(test)]

mod access_log;
mod balancing;
mod cli;
mod clients_that_leave;
mod demo;
mod diagnostics;
mod drain;
mod forwarded;
mod fuzz;
mod harness;
mod health;
mod health_schedule;
mod health_words;
mod hop_by_hop;
mod hostile;
mod house;
mod http1;
mod http2;
mod http2_endpoints;
mod http2_hostile;
mod interim;
mod language;
mod limits;
mod log;
mod lying_endpoints;
mod metrics;
mod no_side_effects;
mod policies;
mod proxy_protocol;
mod reference;
mod reload;
mod retries;
mod routing;
mod schema;
mod sessions;
mod sizes;
mod smuggling;
mod timeouts;
mod tls;
mod tls_endpoints;
mod trailers;
mod tunnels;
mod unread_bodies;
mod watch;
