//! A job: what is to be done, and how far it is.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The name of a job. Later jobs have greater ones.
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

/// An enum whose values have names, in the database and for people.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text { $($text => Ok(Self::$value),)+ _ => Err(UnknownName) }
            }
        }
    };
}

/// There is nothing of this name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such name")]
pub struct UnknownName;

named! {
    /// What a job takes of the machine. A worker has so many slots of each.
    Class {
        /// Some pictures: seconds.
        Image = "image",
        /// Bytes from one file into another: the disk's time.
        Remux = "remux",
        /// An encoder: minutes to hours of all cores.
        Encode = "encode",
        /// Somebody is told: the server's own, no worker's.
        Webhook = "webhook",
    }
}

named! {
    /// Where a job is in its life.
    State {
        /// It waits for a worker.
        Queued = "queued",
        /// A worker has it.
        Running = "running",
        /// It waits for its children.
        Waiting = "waiting",
        /// It was done.
        Done = "done",
        /// It was given up.
        Failed = "failed",
        /// Somebody did not want it any more.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether there is nothing more to come.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// How far a job is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Thousandths, up to 1000.
    pub permille: u16,
    /// What is being done, in a word.
    pub stage: String,
    /// What there is to say of it, for people.
    pub note: String,
}

/// A job as it was when it was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it takes of the machine.
    pub class: Class,
    /// What is to be done.
    pub kind: String,
    /// The path of the title that it is for, shown to people.
    pub title: String,
    /// The particulars, as JSON.
    pub payload: String,
    /// Jobs of a higher one are done first.
    pub priority: i64,
    /// Where it is in its life.
    pub state: State,
    /// Only one job of a key is alive.
    pub dedupe_key: Option<String>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it may be.
    pub max_attempts: u32,
    /// It is not begun before.
    pub run_at_ms: i64,
    /// The token of its last lease, which names what it made; 0 before the first.
    pub lease_token: i64,
    /// Who works on it.
    pub lease_owner: Option<String>,
    /// Until when it is theirs.
    pub lease_until_ms: Option<i64>,
    /// How far it is. A parent that waits is as far as its children on average.
    pub progress: Progress,
    /// Whether it ends as soon as its worker, or its children, know that it shall.
    pub cancel_requested: bool,
    /// Why it failed, or its last attempt did.
    pub last_error: Option<String>,
    /// Whether that was for want of something here, such as room on the disk, and not because of what is
    /// to be done.
    pub lacked: bool,
    /// Which job waits for it.
    pub parent: Option<JobId>,
    /// When it was enqueued.
    pub created_ms: i64,
    /// When it was begun first.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// The number of its last change, unique among all changes of all jobs.
    pub changed: i64,
}

/// A job to be enqueued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobSubmission {
    /// What it takes of the machine.
    pub class: Class,
    /// What is to be done.
    pub kind: String,
    /// The path of the title that it is for.
    pub title: String,
    /// The particulars, as JSON.
    pub payload: String,
    /// Jobs of a higher one are done first.
    pub priority: i64,
    /// Only one job of a key is alive. Children have none: they are their parent's.
    pub dedupe_key: Option<String>,
    /// How often it may be begun, at least once.
    pub max_attempts: u32,
}
