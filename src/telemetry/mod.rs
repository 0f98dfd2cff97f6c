//! Log, metrics, request identifiers, and the hook that counts panics.

pub mod escape;
pub mod line_writer;
pub mod log;
mod metrics;
pub mod panics;
mod repeat_limit;
mod request_ids;

pub use metrics::{Gauge, Metrics};
pub use request_ids::RequestIds;
