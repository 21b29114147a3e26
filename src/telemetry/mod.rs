//! What weir tells of itself: metrics, the process log, the access log. It knows neither routes nor
//! pools, so that all of them may speak.

pub mod access_log;
pub mod counter;
pub mod http;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod output;
pub mod scrape;
