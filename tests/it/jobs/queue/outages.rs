//! Outages of PostgreSQL: calls fail at once, and go on after it, over new connections.

use std::{path::Path, time::Duration};

use headwater::{
    queue::{Class, Heartbeat, Queue, QueueError},
    store::{Database, DatabaseError},
};
use tokio::time::{sleep, timeout};

use super::{LEASE, TestQueue, at, job, new_artifact};
use crate::support::{
    database_proxy::DatabaseProxy,
    postgres,
    wait::{SLOW_POLL_INTERVAL, TIMEOUT},
};

async fn behind_a_proxy() -> (DatabaseProxy, Queue) {
    at_a_distance(Duration::ZERO).await
}

async fn at_a_distance(latency: Duration) -> (DatabaseProxy, Queue) {
    let proxy = DatabaseProxy::start(&postgres::database().await, latency);
    let database = Database::open(Some(&proxy.url), Path::new("")).await.expect("a database");
    (proxy, Queue::new(database))
}

/// Waits for a condition.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(SLOW_POLL_INTERVAL).await;
        }
    };
    timeout(TIMEOUT, holds).await.unwrap_or_else(|_| panic!("timed out waiting until {what}"));
}

fn is_paused<T>(result: &Result<T, QueueError>) -> bool {
    matches!(result, Err(QueueError::Database(DatabaseError::Paused)))
}

#[tokio::test]
async fn a_frozen_server_is_asked_by_one_probe_at_a_time_and_by_no_query() {
    let (proxy, queue) = behind_a_proxy().await;
    queue.enqueue(job("poster", 1)).await.unwrap();
    proxy.freeze();
    assert!(is_paused(&queue.last_change().await), "it ends although the server is silent");
    let accepted = proxy.accepted();
    for _ in 0..100 {
        assert!(is_paused(&queue.enqueue(job("poster", 1)).await));
        assert!(is_paused(&queue.claim("worker", Class::ALL, LEASE).await));
    }
    assert!(proxy.accepted() <= accepted + 1, "no query connects");
    assert!(!queue.database().responds());
    proxy.thaw();
    until("the server is used again", async || queue.enqueue(job("poster", 1)).await.is_ok()).await;
    assert!(queue.database().responds());
}

#[tokio::test]
async fn a_server_that_is_down_pauses_queries_and_jobs_go_on_after_it() {
    let (proxy, queue) = behind_a_proxy().await;
    queue.enqueue(job("poster", 1)).await.unwrap();
    let (_, lease) = queue.claim("worker", Class::ALL, LEASE).await.unwrap().expect("a job");
    proxy.freeze();
    proxy.refuse(true);
    until("queries are paused", async || is_paused(&queue.last_change().await)).await;
    assert!(queue.report(&lease, &at(500), LEASE).await.unwrap_err().is_transient());
    proxy.refuse(false);
    proxy.fail_over();
    until("the lease is renewed", async || {
        matches!(queue.renew(&lease, LEASE).await, Ok(Heartbeat::Go))
    })
    .await;
    assert!(queue.finish(&lease, &[new_artifact("a")]).await.unwrap());
}

#[tokio::test]
async fn after_a_failover_no_query_uses_a_connection_to_the_former_server() {
    let (proxy, queue) = behind_a_proxy().await;
    // Several connections, and a listener.
    let queries = (0..8).map(|_| queue.enqueue(job("poster", 1)));
    futures::future::join_all(queries).await;
    let last = queue.wait_for_change(0).await.unwrap();
    proxy.freeze();
    until("queries are paused", async || is_paused(&queue.last_change().await)).await;
    proxy.fail_over();
    until("queries go on", async || queue.database().responds()).await;
    for _ in 0..16 {
        queue.enqueue(job("poster", 1)).await.expect("a connection to the successor");
    }
    assert_eq!(queue.wait_for_change(last).await.unwrap(), last + 16);
}

#[tokio::test]
async fn a_server_that_is_far_away_pauses_no_query() {
    // A new connection takes two round trips: more than the timeout of a probe of a server that is near.
    let (_proxy, queue) = at_a_distance(Duration::from_millis(300)).await;
    let queries = (0..8).map(|_| queue.enqueue(job("poster", 1)));
    for enqueued in futures::future::join_all(queries).await {
        enqueued.expect("the server responds");
    }
    assert!(queue.database().responds());
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_pauses_no_other() {
    let queue = TestQueue::postgres().await;
    let change = queue.begin().await.unwrap();
    let waiting = {
        let queue = queue.clone();
        tokio::spawn(async move { queue.enqueue(job("poster", 1)).await })
    };
    // Longer than the silence after which the server is suspect.
    sleep(Duration::from_secs(1)).await;
    queue.last_change().await.expect("a response");
    assert!(!waiting.is_finished());
    change.commit().await.unwrap();
    waiting.await.expect("a task").expect("enqueued");
}
