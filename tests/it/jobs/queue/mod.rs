//! The queue, on both databases.

mod claims; // the order of claims; deduplication
mod crashes; // workers that are killed
mod databases; // migration, sharing, outages
mod families; // jobs with child jobs
mod identity; // whether database and artifacts belong together
mod leases; // leases, heartbeats, expiry
mod listings; // lists of jobs and artifacts
mod model; // random operations against the reference
mod outages; // a server that freezes, is down, or fails over
mod reference; // the queue as a plain list
mod shares; // the places and the turns of clients
mod throughput; // measurements, run by hand

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use headwater::{
    queue::{Class, Clock, Job, JobId, JobSubmission, Lease, NewArtifact, Progress, Queue},
    store::Database,
};

use crate::support::{folder::Folder, postgres};

/// The duration of a lease.
const LEASE: Duration = Duration::from_secs(30);

/// A queue in its own database, whose clock moves only when the test advances it.
#[derive(Clone)]
struct TestQueue {
    queue: Queue,
    clock: Clock,
    url: Option<String>,
    /// The folder of SQLite's file.
    folder: Arc<Folder>,
}

impl std::ops::Deref for TestQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

impl TestQueue {
    async fn sqlite() -> Self {
        Self::open(None).await
    }

    async fn postgres() -> Self {
        Self::open(Some(postgres::database().await)).await
    }

    async fn open(url: Option<String>) -> Self {
        let (folder, clock) = (Arc::new(Folder::new()), Clock::manual(1_000_000_000_000));
        let database = Database::open(url.as_deref(), &folder.path("data")).await;
        let queue = Queue::with_clock(database.expect("a database"), clock.clone());
        Self { queue, clock, url, folder }
    }

    /// The same database over other connections, as another process opens it.
    async fn elsewhere(&self) -> Queue {
        let database = Database::open(self.url.as_deref(), &self.folder.path("data")).await;
        Queue::with_clock(database.expect("a database"), self.clock.clone())
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn set_back(&self, seconds: i64) {
        if let Clock::Manual(now_ms) = &self.clock {
            now_ms.fetch_sub(seconds * 1000, Ordering::SeqCst);
        }
    }

    fn now_ms(&self) -> i64 {
        match &self.clock {
            Clock::Manual(now_ms) => now_ms.load(Ordering::SeqCst),
            Clock::Database => unreachable!("the test's clock is manual"),
        }
    }

    async fn add(&self, job: JobSubmission) -> Job {
        self.enqueue(job).await.expect("enqueued").0
    }

    /// Claims any due job.
    async fn take(&self) -> Option<(Job, Lease)> {
        self.claim("worker", Class::ALL, LEASE).await.expect("a database")
    }

    /// The lease of a claimed job.
    async fn taken(&self, job: JobSubmission) -> Lease {
        let job = self.add(job).await;
        let (claimed, lease) = self.take().await.expect("a job");
        assert_eq!(claimed.id, job.id);
        lease
    }

    async fn get(&self, lease: &Lease) -> Job {
        self.find(lease.job).await
    }

    async fn find(&self, id: JobId) -> Job {
        self.job(id).await.expect("a database").expect("a job")
    }
}

/// A job of a kind, with this many attempts.
fn job(kind: &str, max_attempts: u32) -> JobSubmission {
    JobSubmission {
        class: Class::Image,
        kind: kind.into(),
        title: "films/a.mp4".into(),
        payload: "{}".into(),
        priority: 0,
        dedupe_key: None,
        max_attempts,
    }
}

fn keyed(key: &str) -> JobSubmission {
    JobSubmission { dedupe_key: Some(key.into()), ..job("poster", 3) }
}

fn at(permille: u16) -> Progress {
    Progress { permille, stage: "encode".into(), note: String::new() }
}

/// An artifact of this key, of 10 bytes.
fn new_artifact(key: &str) -> NewArtifact {
    let (key, kind, title) = (key.into(), "poster".into(), "films/a.mp4".into());
    NewArtifact { key, bytes: 10, work_ms: 100, kind, title }
}

/// Tests that run on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($name:ident($bench:ident) $body:block)+) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $name() {
                super::$name($crate::jobs::queue::TestQueue::sqlite().await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test] async fn $name() {
                super::$name($crate::jobs::queue::TestQueue::postgres().await).await;
            })+
        }
        $(async fn $name($bench: $crate::jobs::queue::TestQueue) $body)+
    };
}
use on_both;
