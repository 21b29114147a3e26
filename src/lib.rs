//! weir: a reverse-proxy load balancer.
//!
//! Read downwards: a request enters near the top and leaves at the bottom.
//! A module may use only the modules below it. `tests/house.rs` holds us to that.

// Operator: what a person touches.
pub mod cli; // the commands: run, check, explain, demo
pub mod config; // the whole TOML file: read, check, compile
pub mod runtime; // the process: workers, reload, shutdown
mod admin; // the metrics port

// Request: the path of every byte, in order.
pub mod listener; // accept; one HTTP/1 connection
pub mod proxy; // the life of a request
mod snapshot; // everything compiled that a request reads
pub mod route; // which route; where it leads
pub mod policy; // what holds for its requests; how patient weir is

// Upstream: where requests go.
pub mod pool; // the endpoints of one service, and connections to them
pub mod health; // whether they are well
pub mod balance; // which of them
pub mod endpoint; // one of them

// Ground: knows nothing of routes or pools.
pub mod kind; // how an extension point lists what it offers
pub mod telemetry; // metrics, log, access log
pub mod h2; // HTTP/2: heads to and from those of its library; frames counted; no socket, no clock
pub mod h1; // HTTP/1.1 on the wire: bytes to heads and back; no socket, no clock
pub mod message; // HTTP messages of any version: head, body, exchange, reply
pub mod tls; // certificates, and what is spoken with them
pub mod net; // addresses, sockets, the clock, deadlines
pub mod diagnostic; // an error at a place in the TOML
pub mod unit; // the small values: Name, Duration, Size
