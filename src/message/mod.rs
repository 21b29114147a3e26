//! HTTP messages, whatever version carried them: a head, the source of a body, an answer.
//!
//! The spine, the router and the access log see only these. Pure but for `fetch`, weir's own requests.

pub mod body;
pub mod exchange;
pub mod fetch;
pub mod grpc;
pub mod head;
pub mod header_name;
pub mod pairs;
pub mod reply;
pub mod target;
pub mod template;
pub mod withheld;
