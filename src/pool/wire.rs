//! What carries one exchange to an endpoint, whatever is spoken with it.

use super::broken::Broken;
use super::downstream::{Downstream, Patience};
use super::{http1, http2};
use crate::h1::Limits;
use crate::message::body::{Body, Upload};
use crate::message::head::Head;

/// A connection to an endpoint, or a stream of one.
pub enum Wire {
    Http1(Box<http1::Connection>),
    Http2(Box<http2::Stream>),
}

impl Wire {
    /// Whether its connection has carried an exchange before.
    pub fn is_reused(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.reused,
            Self::Http2(stream) => stream.reused,
        }
    }

    /// What is carried as it is, whatever it says.
    pub fn into_body(self) -> Body {
        match self {
            Self::Http1(connection) => Body::Stream(connection),
            Self::Http2(stream) => Body::Stream(stream),
        }
    }

    /// Sends a request and waits for the head of its answer, which is read into `into`; its body is what is returned.
    /// The upload is taken only when there is an answer; else it can be sent again, if it is whole.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(
        self,
        head: &Head,
        upload: &mut Upload,
        client: &Downstream<'_>,
        patience: &Patience<'_>,
        limits: &Limits,
        into: &mut Head,
    ) -> Result<Body, Broken> {
        match self {
            Self::Http1(connection) => {
                connection.send(head, upload, client, patience, limits, into).await
            }
            // Its future is larger: it is not carried by those of HTTP/1.
            Self::Http2(stream) => {
                Box::pin(stream.send(head, upload, client, patience, limits, into)).await
            }
        }
    }
}
