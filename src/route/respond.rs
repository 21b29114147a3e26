//! `routes.NAME.respond`: weir answers by itself.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::body::Body;
use crate::message::head::Head;
use crate::message::reply::Reply;

/// `respond = { status = 200, body = "…", content_type = "text/plain" }`: an answer that is always the same.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The status, 200 to 599.
    pub status: u16,
    /// The body; empty by default.
    pub body: String,
    /// What the body is. Default "text/plain; charset=utf-8".
    pub content_type: String,
}

impl Default for Config {
    fn default() -> Self {
        let content_type = "text/plain; charset=utf-8".to_owned();
        Self { status: 200, body: String::new(), content_type }
    }
}

/// An answer that is always the same.
pub struct Respond {
    status: u16,
    body: Arc<[u8]>,
    content_type: String,
}

impl Respond {
    /// As the file says.
    pub fn new(config: &Config) -> Self {
        let Config { status, body, content_type } = config.clone();
        Self { status, body: body.into_bytes().into(), content_type }
    }

    /// The answer, in a head to be used again.
    pub fn reply(&self, head: Head) -> Reply {
        let body = Body::Shared(Arc::clone(&self.body));
        Reply::with(head, self.status, &self.content_type, body)
    }
}
