//! Workers that are killed in the middle of whatever they do. Here time is real.

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use headwater::{
    queue::{Class, Heartbeat, Job, JobSubmission, Lease, Queue, State},
    store::Database,
};
use tokio::time::sleep;

use super::{at, job, made};
use crate::support::{folder::Folder, postgres};

/// The worker's queue. The worker is this program once more.
const QUEUE: &str = "HEADWATER_TEST_QUEUE";

/// Short, since each worker that is killed is waited for as long.
const LEASE: Duration = Duration::from_millis(300);

/// After how many changes workers are killed: each time in the middle of something else.
const CHANGES: [i64; 12] = [1, 3, 2, 7, 4, 11, 5, 13, 6, 8, 9, 10];

/// A job that is split, and whose workers may be killed as often as it takes.
fn ladder() -> JobSubmission {
    job("ladder", 1000)
}

async fn open(url: &str) -> Queue {
    Queue::new(Database::open(Some(url), Path::new("")).await.expect("a database"))
}

async fn live(queue: &Queue) -> usize {
    let jobs = queue.changed_since(0, u32::MAX).await.unwrap();
    jobs.iter().filter(|job| !job.state.is_end()).count()
}

/// Not a test, but what the other process does until there is nothing left to do.
#[tokio::test]
async fn worker() {
    let Ok(url) = env::var(QUEUE) else { return };
    let queue = open(&url).await;
    while live(&queue).await > 0 {
        match queue.claim("worker", Class::ALL, LEASE).await.unwrap() {
            Some((job, lease)) => work(&queue, job, lease).await,
            None => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn work(queue: &Queue, todo: Job, lease: Lease) {
    if queue.renew(&lease, &at(500), LEASE).await.unwrap() != Heartbeat::Go {
        return;
    }
    if todo.kind == "ladder" && queue.children(todo.id).await.unwrap().is_empty() {
        queue.split(&lease, vec![job("piece", 1000); 2]).await.unwrap();
    } else {
        queue.finish(&lease, &[made(&todo.id.to_string())]).await.unwrap();
    }
}

struct Worker(Child);

impl Worker {
    fn start(url: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("a program"));
        command.args(["--exact", "jobs::queue::crashes::worker"]).env(QUEUE, url);
        Self(command.stdout(Stdio::null()).spawn().expect("a process"))
    }
}

impl Drop for Worker {
    /// By SIGKILL.
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("an end");
    }
}

async fn everything_is_done_once(url: &str) {
    let queue = open(url).await;
    for _ in 0..12 {
        queue.enqueue(ladder()).await.unwrap();
    }
    for changes in CHANGES {
        let worker = Worker::start(url);
        let end = queue.last_change().await.unwrap() + changes;
        // Not by `wait_for_change`, which takes its time with SQLite: the worker would be done.
        while queue.last_change().await.unwrap() < end && live(&queue).await > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        drop(worker);
    }
    let _worker = Worker::start(url);
    let mut last = 0;
    while live(&queue).await > 0 {
        last = queue.wait_for_change(last).await.unwrap();
    }
    let jobs = queue.changed_since(0, u32::MAX).await.unwrap();
    assert_eq!(jobs.len(), 12 * 3, "none was split twice");
    assert!(jobs.iter().any(|job| job.attempts > 1), "nobody was killed while at work");
    for job in jobs {
        assert_eq!(job.state, State::Done, "{job:?}");
        let artifact = queue.artifact(&job.id.to_string()).await.unwrap().expect("a row");
        assert_eq!(artifact.token, job.lease_token, "made by the one that finished it");
    }
}

#[tokio::test]
async fn on_sqlite_all_is_done_once_whoever_is_killed() {
    let folder = Folder::new();
    let url = format!("sqlite:{}", folder.path("headwater.db").display());
    everything_is_done_once(&url).await;
}

#[tokio::test]
async fn on_postgresql_all_is_done_once_whoever_is_killed() {
    everything_is_done_once(&postgres::database().await).await;
}
