//! A check that connects: something listens there.

use super::{Answer, Probe, Problem};
use crate::balance::Candidate;
use crate::net::socket;

/// Connects and closes again.
pub struct Tcp;

impl Probe for Tcp {
    fn ask<'a>(&'a self, endpoint: &'a Candidate) -> Answer<'a> {
        Box::pin(async {
            let stream = socket::dial(endpoint.endpoint.address).await;
            stream.map(drop).map_err(|error| Problem::connect(&error))
        })
    }
}
