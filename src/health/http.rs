//! A check that asks for a path: the service answers, and says that it is well.

use super::{Answer, Probe, Problem};
use crate::balance::Candidate;
use crate::endpoint::state::Why;
use crate::message::fetch::Fetch;

/// GETs a path over a new connection each time: a kept one proves less.
pub struct Http {
    path: String,
}

impl Http {
    /// Asks for this path.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned() }
    }
}

impl Probe for Http {
    fn ask<'a>(&'a self, endpoint: &'a Candidate) -> Answer<'a> {
        Box::pin(async {
            let path = &self.path;
            let mut fetch = Fetch::connect(endpoint.endpoint.address)
                .await
                .map_err(|error| Problem::connect(&error))?;
            let (status, _) = fetch.get(path).await.map_err(|error| {
                Problem::new(Why::Protocol, format!("no valid answer to GET {path}: {error}"))
            })?;
            if status.is_success() || status.is_redirection() {
                return Ok(());
            }
            let words = format!("GET {path} was answered {}, not 200-399", status.as_u16());
            Err(Problem::new(Why::Status, words))
        })
    }
}
