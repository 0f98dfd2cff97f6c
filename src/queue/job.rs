//! Jobs: their class, state and progress.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::named::named;

/// The identifier of a job, a UUID version 7: later jobs have greater ones.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId(Uuid);

impl JobId {
    pub(super) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

named! {
    /// Resource class of a job. A worker has a number of slots for each.
    Class {
        /// Images that belong to every title, such as posters: seconds.
        Image = "image",
        /// Images of times and sizes that a client chooses: seconds, and any number of them.
        Thumbnail = "thumbnail",
        /// Copies of bytes from file to file: bound by the disk.
        Remux = "remux",
        /// Encodes: minutes to hours on all cores.
        Encode = "encode",
        /// Webhook deliveries, which servers claim and workers do not.
        Webhook = "webhook",
    }
}

named! {
    /// State of a job.
    State {
        /// Waits for a worker.
        Queued = "queued",
        /// A worker runs it.
        Running = "running",
        /// Waits for its children.
        Waiting = "waiting",
        /// Succeeded.
        Done = "done",
        /// Failed for good.
        Failed = "failed",
        /// Cancelled by a client.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether the job has ended.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Progress of a job.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Thousandths, up to 1000.
    pub permille: u16,
    /// The current step, in a word.
    pub stage: String,
    /// Details for people.
    pub note: String,
}

/// A job, as of the time it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Its identifier.
    pub id: JobId,
    /// Its resource class.
    pub class: Class,
    /// Its kind, such as `rendition`.
    pub kind: String,
    /// Path of its title, for people.
    pub title: String,
    /// The job spec, as JSON.
    pub payload: String,
    /// Jobs of a higher priority run first.
    pub priority: i64,
    /// Its state.
    pub state: State,
    /// At most one job of a key is live.
    pub dedupe_key: Option<String>,
    /// Number of attempts so far.
    pub attempts: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Earliest time of the next attempt.
    pub run_at_ms: i64,
    /// Token of its last lease, which names the folder of its artifact; 0 before the first.
    pub lease_token: i64,
    /// The worker that runs it.
    pub lease_owner: Option<String>,
    /// Expiry of the lease.
    pub lease_until_ms: Option<i64>,
    /// Its progress. That of a waiting parent is the mean of its children.
    pub progress: Progress,
    /// Whether the job ends once its worker or its children have stopped.
    pub cancel_requested: bool,
    /// Error of its last failed attempt.
    pub last_error: Option<String>,
    /// Whether that error is about this machine, such as a full disk, and not about the job.
    pub unavailable: bool,
    /// The job that waits for it.
    pub parent: Option<JobId>,
    /// Time of its submission.
    pub created_ms: i64,
    /// Start of its first attempt.
    pub started_ms: Option<i64>,
    /// Time of its end.
    pub finished_ms: Option<i64>,
    /// Number of its last change, unique among all changes of all jobs.
    pub changed: i64,
}

/// A job to be enqueued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobSubmission {
    /// Its resource class.
    pub class: Class,
    /// Its kind, such as `rendition`.
    pub kind: String,
    /// Path of its title.
    pub title: String,
    /// The job spec, as JSON.
    pub payload: String,
    /// Jobs of a higher priority run first.
    pub priority: i64,
    /// At most one job of a key is live. Children have none.
    pub dedupe_key: Option<String>,
    /// Maximum number of attempts, at least 1.
    pub max_attempts: u32,
}
