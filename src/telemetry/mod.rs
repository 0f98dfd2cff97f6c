//! Log, metrics, request identifiers, and the hook that counts panics.

pub mod build;
pub mod escape;
pub mod line_writer;
pub mod log;
mod metrics;
pub mod panics;
mod repeat_limit;
mod request_ids;

pub use metrics::{
    BucketCacheUse, BucketUse, CacheUse, DiskPoolUse, Gauge, Histogram, JobsEnded, Metrics,
    ProcessUse, QueueDepth, RequestTimer, Route, SentBy, Snapshot,
};
pub use request_ids::RequestIds;
