//! Workers that are killed at any point of their work. Here time is real.

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

use super::{at, job, new_artifact};
use crate::support::{folder::Folder, postgres};

/// The variable that holds the worker's database. The worker is this program again.
const QUEUE: &str = "TEST_QUEUE";

/// Short, because the queue waits this long for each killed worker.
const LEASE: Duration = Duration::from_millis(300);

/// The numbers of changes after which workers are killed: each time at another point of their work.
const CHANGES: [i64; 12] = [1, 3, 2, 7, 4, 11, 5, 13, 6, 8, 9, 10];

/// A job with child jobs, whose workers may be killed any number of times.
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

/// Not a test: the work of the other process, until all jobs have ended.
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
    if queue.report(&lease, &at(500), LEASE).await.unwrap() != Heartbeat::Go {
        return;
    }
    if todo.kind == "ladder" && queue.children(todo.id).await.unwrap().is_empty() {
        queue.split(&lease, vec![job("chunk", 1000); 2]).await.unwrap();
    } else {
        queue.finish(&lease, &[new_artifact(&todo.id.to_string())]).await.unwrap();
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
    /// With SIGKILL.
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
        // Not by `wait_for_change`, which polls SQLite slowly: the worker would be done.
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
    assert_eq!(jobs.len(), 12 * 3, "no job was split twice");
    assert!(jobs.iter().any(|job| job.attempts > 1), "no worker was killed at work");
    for job in jobs {
        assert_eq!(job.state, State::Done, "{job:?}");
        let artifact = queue.artifact(&job.id.to_string()).await.unwrap().expect("a row");
        assert_eq!(
            artifact.token, job.lease_token,
            "the artifact is that of the attempt that finished"
        );
    }
}

#[tokio::test]
async fn on_sqlite_every_job_is_done_once_whichever_worker_is_killed() {
    let folder = Folder::new();
    let url = format!("sqlite:{}", folder.path("headwater.db").display());
    everything_is_done_once(&url).await;
}

#[tokio::test]
async fn on_postgresql_every_job_is_done_once_whichever_worker_is_killed() {
    everything_is_done_once(&postgres::database().await).await;
}
