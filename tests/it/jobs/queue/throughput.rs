//! Measurements of the queue on a PostgreSQL that is 1 ms away. Run by hand, on a machine that does nothing else:
//!
//! ```text
//! cargo test --test it -- --ignored --nocapture throughput
//! ```
//!
//! "In steps" is what each heartbeat and each report was before: a transaction that locks the queue for as many
//! round trips as it has statements.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use headwater::{
    queue::{Class, Heartbeat, JobSubmission, Lease, Progress, Queue},
    store::{Database, Value},
};
use tokio::time::sleep;

use super::job;
use crate::support::{database_proxy::DatabaseProxy, postgres};

/// The latency of the network.
const LATENCY: Duration = Duration::from_millis(1);

/// The clients that write at the same time, and the processes that they belong to.
const CLIENTS: usize = 64;
const PROCESSES: usize = 8;

/// The time of a measurement.
const TIME: Duration = Duration::from_secs(5);

/// Longer than the measurements.
const LEASE: Duration = Duration::from_secs(3600);

/// Images that are requested while other jobs run, and these.
const IMAGES: usize = 20;
const RUNNING: usize = 200;

/// The interval between two reports of a job, as a worker makes them.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

const LOCK: &str = "SELECT last FROM sequence FOR UPDATE";

const RENEW: &str = "UPDATE jobs SET lease_until_ms = lease_until_ms, permille = $3, changed = $4
    WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING cancel_requested";

const NOTIFY: &str = "SELECT 1 FROM pg_notify('headwater_jobs', '')";

/// The queue, as several processes see it.
async fn processes(proxy: &DatabaseProxy) -> Vec<Queue> {
    let open = async |_| Database::open(Some(&proxy.url), Path::new("")).await;
    let opened = join_all((0..PROCESSES).map(open)).await;
    opened.into_iter().map(|database| Queue::new(database.expect("a database"))).collect()
}

/// A running job for each of so many clients, on an account of one of the processes.
async fn running(processes: &[Queue], jobs: usize) -> Vec<(Queue, Lease)> {
    let mut running = Vec::new();
    for number in 0..jobs {
        let queue = processes[number % processes.len()].clone();
        queue.enqueue(JobSubmission { class: Class::Encode, ..job("chunk", 3) }).await.unwrap();
        let (_, lease) =
            queue.claim("a worker", &[Class::Encode], LEASE).await.unwrap().expect("a job");
        running.push((queue, lease));
    }
    running
}

/// Calls per second of all clients together.
async fn rate(what: &str, clients: &[(Queue, Lease)], call: impl AsyncFn(&Queue, &Lease, u16)) {
    let (begun, calls) = (Instant::now(), AtomicU64::new(0));
    let clients = clients.iter().map(async |(queue, lease)| {
        for number in 1_u16.. {
            if begun.elapsed() >= TIME {
                return;
            }
            call(queue, lease, number).await;
            calls.fetch_add(1, Ordering::Relaxed);
        }
    });
    join_all(clients).await;
    let calls = calls.load(Ordering::Relaxed) as f64;
    eprintln!("{what:45} {:7.0} a second", calls / begun.elapsed().as_secs_f64());
}

/// A heartbeat or a report in steps.
async fn in_steps(queue: &Queue, lease: &Lease, permille: u16, is_change: bool) {
    let mut transaction = queue.database().begin().await.unwrap();
    let row = transaction.row(LOCK, &[]).await.unwrap().expect("a row");
    let last: i64 = row.get("last").unwrap();
    let values = [
        Value::from(lease.job.to_string().as_str()),
        lease.token.into(),
        i64::from(permille % 1000).into(),
        (last + 1).into(),
    ];
    transaction.row(RENEW, &values).await.unwrap().expect("a job");
    if is_change {
        let advance = "UPDATE sequence SET last = $1";
        transaction.execute(advance, &[(last + 1).into()]).await.unwrap();
        transaction.rows(NOTIFY, &[]).await.unwrap();
        transaction.commit().await.unwrap();
    }
    // Else the drop rolls back, so that no number is used twice.
}

fn at(number: u16) -> Progress {
    Progress {
        permille: number % 1000,
        stage: format!("round {}", number / 1000),
        note: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn heartbeats_and_changes_a_second() {
    let proxy = DatabaseProxy::start(&postgres::database().await, LATENCY);
    let processes = processes(&proxy).await;
    let clients = running(&processes, CLIENTS).await;
    rate("heartbeats in steps", &clients, async |queue, lease, number| {
        in_steps(queue, lease, number, false).await;
    })
    .await;
    rate("heartbeats", &clients, async |queue, lease, _| {
        assert_eq!(queue.renew(lease, LEASE).await.unwrap(), Heartbeat::Go);
    })
    .await;
    rate("changes in steps", &clients, async |queue, lease, number| {
        in_steps(queue, lease, number, true).await;
    })
    .await;
    rate("changes: reports of progress", &clients, async |queue, lease, number| {
        assert_eq!(queue.report(lease, &at(number), LEASE).await.unwrap(), Heartbeat::Go);
    })
    .await;
    rate("lives of jobs: enqueued, claimed, finished", &clients, async |queue, _, _| {
        queue.enqueue(job("poster", 3)).await.unwrap();
        if let Some((_, lease)) = queue.claim("a worker", &[Class::Image], LEASE).await.unwrap() {
            assert!(queue.finish(&lease, &[]).await.unwrap());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn an_image_is_claimed_while_many_jobs_run() {
    let proxy = DatabaseProxy::start(&postgres::database().await, LATENCY);
    let processes = processes(&proxy).await;
    for (place, (queue, lease)) in running(&processes, RUNNING).await.into_iter().enumerate() {
        tokio::spawn(async move {
            sleep(REPORT_INTERVAL * u32::try_from(place).expect("few") / RUNNING as u32).await;
            for number in 1_u16.. {
                queue.report(&lease, &at(number), LEASE).await.unwrap();
                sleep(REPORT_INTERVAL).await;
            }
        });
    }
    let worker = processes[1].clone();
    let (claimed, mut claims) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let seen = worker.last_change().await.unwrap();
            match worker.claim("a worker", &[Class::Image], LEASE).await.unwrap() {
                Some((job, _)) => claimed.send((job.id, Instant::now())).await.unwrap(),
                None => drop(worker.wait_for_change(seen).await),
            }
        }
    });
    let mut waits = Vec::new();
    for _ in 0..IMAGES {
        sleep(Duration::from_millis(300)).await;
        let requested = Instant::now();
        let job = processes[0].enqueue_for("a client", 256, job("poster", 3)).await;
        let job = job.unwrap().expect("a place");
        let (id, time) = claims.recv().await.expect("a claim");
        assert_eq!(id, job.id);
        waits.push(time.duration_since(requested));
    }
    waits.sort();
    eprintln!(
        "request of an image to its claim: median {:?}, most {:?}",
        waits[IMAGES / 2],
        waits[IMAGES - 1]
    );
}
