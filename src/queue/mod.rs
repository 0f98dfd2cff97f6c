//! The durable queue: jobs, leases, and rows of artifacts. It knows only the database.
//!
//! **One writer.** A writer of jobs first locks the one row of the table `sequence`, so changes happen
//! one after another on both databases, in the order of their numbers ([`Job::changed`]). That buys
//! simple rules: no deadlocks, no stale reads, and an event stream that is `changed_since(n)` and needs no
//! log. The frequent changes are one statement each, so that PostgreSQL holds the lock for less than a
//! round trip.
//!
//! **Leases.** A claimed job belongs to its worker until the lease expires; the worker renews it, which is
//! no change, and takes neither a number nor the lock. The token of the lease, a number unique among all claims,
//! fences every report of a worker: one that was away for too long changes nothing, whether or not another
//! worker has claimed the job.
//!
//! **Families.** A job may [`split`](Queue::split): it waits until its children have ended, and is then
//! claimed again to join their results. A parent never ends before its children.

mod artifacts;
mod cancel;
mod change;
mod claim;
mod clock;
mod enqueue;
mod error;
mod family;
mod job;
mod lease;
mod listing;
mod one_statement;
mod retry;
mod row;
mod split;
mod sweep;
mod wait;

use std::sync::Arc;

pub use artifacts::{Artifact, NewArtifact};
pub use change::Change;
pub use clock::Clock;
pub use error::QueueError;
pub use job::{Class, Job, JobId, JobSubmission, Progress, State};
pub use lease::{Heartbeat, Lease, Retry};
pub use listing::Filter;
pub use sweep::Expired;

use crate::store::{ChangeSignal, Database};

/// The queue. Clones share it.
///
/// All methods are cancel safe: a dropped future has committed its whole change, or none of it.
#[derive(Clone, Debug)]
pub struct Queue {
    database: Database,
    clock: Clock,
    changes: Arc<ChangeSignal>,
}

impl Queue {
    /// The queue in a database.
    pub fn new(database: Database) -> Self {
        Self::with_clock(database, Clock::default())
    }

    /// A queue with its own clock.
    pub fn with_clock(database: Database, clock: Clock) -> Self {
        Self { database, clock, changes: ChangeSignal::new(wait::CHANNEL) }
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
