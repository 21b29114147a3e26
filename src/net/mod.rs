//! What the layers above need of sockets and time: addresses, listening and dialing, how many sockets there
//! may be, one socket with its buffers, the clock, deadlines. It knows no protocol.

pub mod address;
pub mod clock;
pub mod deadline;
pub mod descriptors;
pub mod ip;
pub mod leaving;
pub mod places;
pub mod proxy_protocol;
pub mod relay;
pub mod scratch;
pub mod socket;
pub mod stream;
pub mod transport;
