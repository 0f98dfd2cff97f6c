//! The durable queue: jobs, who works on them, and what they made. It knows the database only.
//!
//! **One writer.** Whoever changes jobs first locks the one row of the table `sequence`, so changes
//! happen one after another on both databases, in the order of their numbers ([`Job::changed`]).
//! That gives up throughput that nobody needs (a job takes seconds, its changes milliseconds) and
//! buys plain rules: no deadlocks, nothing read that is not true any more, and an event stream that
//! is `changed_since(n)` and needs no log.
//!
//! **Leases.** A claimed job belongs to its worker until the lease runs out; beats prolong it.
//! Every word of a worker is fenced by the lease's token, a number that no other claim has ever
//! had: a worker that was away for too long changes nothing, whether or not somebody else has the
//! job by then.
//!
//! **Families.** A job may [`split`](Queue::split): it waits until its children have ended and is
//! then claimed once more, to join what they made. A parent never ends before its children.

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

use crate::store::Database;
use wait::Hints;

/// The queue. A clone is the same one.
///
/// A future of any of its methods may be dropped: what it was to change is then either wholly so,
/// or not at all.
#[derive(Clone, Debug)]
pub struct Queue {
    database: Database,
    clock: Clock,
    hints: Arc<Hints>,
}

impl Queue {
    /// The queue in this database.
    pub fn new(database: Database) -> Self {
        Self::with_clock(database, Clock::default())
    }

    /// A queue whose time is told by `clock`.
    pub fn with_clock(database: Database, clock: Clock) -> Self {
        Self { database, clock, hints: Arc::default() }
    }

    /// The database that it is in.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
