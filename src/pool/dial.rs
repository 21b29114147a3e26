//! A socket to an endpoint, with TLS if that is spoken to it; in time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::broken::Broken;
use crate::endpoint::Endpoint;
use crate::net::deadline::{Deadline, Wait};
use crate::net::descriptors::is_shortage;
use crate::net::socket;
use crate::net::stream::Stream;
use crate::tls::client::{Client, Inside};

/// A new connection to an endpoint, with TLS if that is spoken to it; all of it within the time of one step.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<&Client>,
    inside: Inside,
    deadline: &Deadline,
) -> Result<Stream, Broken> {
    let dialling = async {
        let socket = socket::dial(endpoint.address).await.map_err(|error| {
            if is_shortage(&error) {
                return Broken::NoDescriptor;
            }
            tracing::debug!(endpoint = %endpoint.name, %error, "connect failed");
            Broken::Connect { timed_out: false }
        })?;
        let Some(tls) = tls else { return Ok(Stream::Plain(socket.into())) };
        tls.secure(socket, endpoint.address.ip(), inside).await.map_err(|error| {
            tracing::debug!(endpoint = %endpoint.name, %error, "no TLS");
            Broken::Tls
        })
    };
    in_time(deadline, dialling).await?
}

/// What the work comes to within the time of a step and of all.
///
/// # Errors
/// It took too long.
pub async fn in_time<T>(deadline: &Deadline, work: impl Future<Output = T>) -> Result<T, Broken> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending if deadline.passed(Wait::End) => Poll::Ready(Err(Broken::Late)),
        Poll::Pending if deadline.passed(Wait::Step) => {
            Poll::Ready(Err(Broken::Connect { timed_out: true }))
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}
