//! Leases: reports of a worker before and after the lease expires.

use std::time::Duration;

use headwater::queue::{Heartbeat, Job, Retry, State};

use super::{LEASE, TestQueue, at, job, new_artifact, on_both};
use crate::support::wait::SLOW_POLL_INTERVAL;

on_both! {

a_job_is_claimed_reported_on_and_finished(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    let running = queue.get(&lease).await;
    assert_eq!((running.state, running.attempts), (State::Running, 1));
    assert_eq!(running.lease_owner.as_deref(), Some("worker"));
    assert_eq!(queue.report(&lease, &at(500), LEASE).await.unwrap(), Heartbeat::Go);
    assert_eq!(queue.get(&lease).await.progress, at(500));
    assert!(queue.finish(&lease, &[new_artifact("a-poster")]).await.unwrap());
    let done = queue.get(&lease).await;
    assert_eq!((done.state, done.progress.permille, done.lease_owner), (State::Done, 1000, None));
    let artifact = queue.artifact("a-poster").await.unwrap().expect("a row");
    assert_eq!((artifact.token, artifact.bytes), (lease.token, 10));
}

an_expired_lease_finishes_nothing(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    let before = queue.get(&lease).await;
    queue.wait(30);
    assert!(!queue.finish(&lease, &[new_artifact("a-poster")]).await.unwrap());
    assert!(!queue.fail(&lease, "why", Retry::Never).await.unwrap());
    assert!(!queue.release(&lease).await.unwrap());
    assert!(!queue.split(&lease, vec![job("chunk", 1)]).await.unwrap());
    assert_eq!(queue.report(&lease, &at(900), LEASE).await.unwrap(), Heartbeat::Lost);
    assert_eq!(queue.get(&lease).await, before);
    assert_eq!(queue.artifact("a-poster").await.unwrap(), None);
    assert_eq!(queue.last_change().await.unwrap(), before.changed);
}

a_lease_that_another_worker_took_over_changes_nothing(queue) {
    let lost = queue.taken(job("poster", 3)).await;
    queue.wait(31);
    let (again, lease) = queue.take().await.expect("the job, again");
    assert_eq!((again.id, again.attempts), (lost.job, 2));
    assert!(lease.token > lost.token);
    assert_eq!(queue.report(&lost, &at(900), LEASE).await.unwrap(), Heartbeat::Lost);
    assert!(!queue.finish(&lost, &[new_artifact("a-poster")]).await.unwrap());
    assert!(queue.finish(&lease, &[new_artifact("a-poster")]).await.unwrap());
    assert!(!queue.finish(&lost, &[new_artifact("a-poster")]).await.unwrap());
    assert_eq!(queue.artifact("a-poster").await.unwrap().unwrap().token, lease.token);
}

heartbeats_renew_a_lease(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    for _ in 0..10 {
        queue.wait(29);
        assert_eq!(queue.report(&lease, &at(1), LEASE).await.unwrap(), Heartbeat::Go);
        queue.wait(29);
        assert_eq!(queue.renew(&lease, LEASE).await.unwrap(), Heartbeat::Go);
    }
    assert!(queue.take().await.is_none());
    assert!(queue.finish(&lease, &[]).await.unwrap());
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap(), Heartbeat::Lost);
}

a_heartbeat_keeps_progress_and_is_no_change(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    queue.report(&lease, &at(7), LEASE).await.unwrap();
    let before = queue.get(&lease).await;
    queue.wait(20);
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap(), Heartbeat::Go);
    let after = queue.get(&lease).await;
    assert_eq!(after.lease_until_ms, Some(queue.now_ms() + 30_000));
    assert_eq!(Job { lease_until_ms: before.lease_until_ms, ..after }, before);
    assert_eq!(queue.last_change().await.unwrap(), before.changed);
    queue.cancel(lease.job).await.unwrap();
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap(), Heartbeat::Cancel);
}

a_lost_lease_is_not_renewed(queue) {
    let lost = queue.taken(job("poster", 3)).await;
    queue.wait(30);
    assert_eq!(queue.renew(&lost, LEASE).await.unwrap(), Heartbeat::Lost);
    let (_, lease) = queue.take().await.expect("the job, again");
    assert_eq!(queue.renew(&lost, LEASE).await.unwrap(), Heartbeat::Lost);
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap(), Heartbeat::Go);
}

a_heartbeat_without_progress_is_no_change(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    queue.report(&lease, &at(7), LEASE).await.unwrap();
    let before = queue.last_change().await.unwrap();
    queue.wait(20);
    queue.report(&lease, &at(7), LEASE).await.unwrap();
    assert_eq!(queue.last_change().await.unwrap(), before);
    queue.wait(20);
    assert_eq!(queue.report(&lease, &at(8), LEASE).await.unwrap(), Heartbeat::Go);
    assert_eq!(queue.last_change().await.unwrap(), before + 1);
}

a_second_finish_changes_nothing(queue) {
    // As when the response to the first call was lost with the connection.
    let lease = queue.taken(job("poster", 3)).await;
    assert!(queue.finish(&lease, &[new_artifact("a-poster")]).await.unwrap());
    let done = queue.get(&lease).await;
    queue.wait(60);
    assert!(queue.finish(&lease, &[new_artifact("a-poster")]).await.unwrap());
    assert_eq!(queue.get(&lease).await, done);
    assert!(!queue.fail(&lease, "why", Retry::Never).await.unwrap());
}

retries_back_off_and_end(queue) {
    queue.add(job("poster", 4)).await;
    for pause in [5, 10, 20] {
        let (_, lease) = queue.take().await.expect("the job");
        assert!(queue.fail(&lease, "no key frame", Retry::Backoff).await.unwrap());
        let failed = queue.get(&lease).await;
        assert_eq!(failed.state, State::Queued);
        assert_eq!(failed.last_error.as_deref(), Some("no key frame"));
        queue.wait(pause - 1);
        assert!(queue.take().await.is_none());
        queue.wait(1);
    }
    let (_, lease) = queue.take().await.expect("the job");
    assert!(queue.fail(&lease, "no key frame", Retry::Backoff).await.unwrap());
    let failed = queue.get(&lease).await;
    assert_eq!((failed.state, failed.attempts), (State::Failed, 4));
}

a_permanent_failure_is_not_retried(queue) {
    let lease = queue.taken(job("poster", 4)).await;
    assert!(queue.fail(&lease, "no image", Retry::Never).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Failed);
}

the_unavailable_reason_is_that_of_the_last_attempt(queue) {
    let added = queue.add(job("poster", 3)).await;
    for (retry, unavailable) in [(Retry::Unavailable, true), (Retry::Backoff, false), (Retry::Unavailable, true)] {
        let (_, lease) = queue.take().await.expect("the job");
        assert!(queue.fail(&lease, "disk full", retry).await.unwrap());
        assert_eq!(queue.get(&lease).await.unavailable, unavailable);
        queue.wait(60);
    }
    assert_eq!(queue.find(added.id).await.state, State::Failed, "it is not tried for ever");
    let again = queue.retry(added.id).await.unwrap().expect("a job");
    assert_eq!((again.state, again.unavailable), (State::Queued, false));
    let (_, lease) = queue.take().await.expect("the job");
    assert!(queue.fail(&lease, "disk full", Retry::Unavailable).await.unwrap());
    queue.wait(60);
    let (_, lease) = queue.take().await.expect("the job");
    assert!(queue.finish(&lease, &[]).await.unwrap());
    assert!(!queue.get(&lease).await.unavailable);
}

a_job_that_kills_its_workers_fails(queue) {
    let job = queue.add(job("poster", 2)).await;
    for _ in 0..2 {
        assert!(queue.take().await.is_some());
        assert_eq!(queue.sweep(Duration::MAX).await.unwrap().lost, 0);
        queue.wait(31);
    }
    assert!(queue.take().await.is_none());
    assert_eq!(queue.sweep(Duration::MAX).await.unwrap().lost, 1);
    let failed = queue.job(job.id).await.unwrap().expect("a job");
    assert_eq!((failed.state, failed.attempts), (State::Failed, 2));
    assert_eq!(failed.last_error.as_deref(), Some("worker lost"));
}

a_released_job_does_not_count_the_attempt(queue) {
    let lease = queue.taken(job("poster", 1)).await;
    assert!(queue.release(&lease).await.unwrap());
    assert!(!queue.release(&lease).await.unwrap());
    let (again, _) = queue.take().await.expect("the job, at once");
    assert_eq!((again.id, again.attempts), (lease.job, 1));
}

a_worker_learns_that_its_job_is_cancelled(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    let cancelled = queue.cancel(lease.job).await.unwrap().expect("a job");
    assert_eq!((cancelled.state, cancelled.cancel_requested), (State::Running, true));
    assert_eq!(queue.report(&lease, &at(1), LEASE).await.unwrap(), Heartbeat::Cancel);
    assert!(queue.fail(&lease, "killed", Retry::Backoff).await.unwrap());
    let cancelled = queue.get(&lease).await;
    assert_eq!((cancelled.state, cancelled.last_error), (State::Cancelled, None));
}

a_cancelled_job_of_a_lost_worker_is_not_started_again(queue) {
    let lease = queue.taken(job("poster", 3)).await;
    queue.cancel(lease.job).await.unwrap();
    queue.wait(31);
    assert!(queue.take().await.is_none());
    assert_eq!(queue.sweep(Duration::MAX).await.unwrap().lost, 1);
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
}

a_clock_set_back_delays_no_job(queue) {
    let silent = queue.taken(job("poster", 3)).await;
    let heard = queue.taken(job("sheet", 3)).await;
    queue.add(job("preview", 3)).await;
    queue.set_back(86_400);
    assert_eq!(queue.report(&heard, &at(1), LEASE).await.unwrap(), Heartbeat::Go);
    let (first, second) = (queue.take().await.expect("a job").0, queue.take().await.expect("a job").0);
    let mut kinds = [first.kind, second.kind];
    kinds.sort();
    assert_eq!(kinds, ["poster", "preview"]);
    assert!(queue.take().await.is_none());
    assert_eq!(queue.report(&silent, &at(1), LEASE).await.unwrap(), Heartbeat::Lost);
    // Nor does a job on its last attempt stay for a day.
    let last = queue.taken(job("thumbnail", 1)).await;
    queue.set_back(86_400);
    assert_eq!(queue.sweep(Duration::MAX).await.unwrap().lost, 1);
    assert_eq!(queue.get(&last).await.state, State::Failed);
}

an_artifact_replaces_its_parts_atomically(queue) {
    let parts = queue.taken(job("chunks", 3)).await;
    let artifacts_of_parts = ["a-chunk-1", "a-chunk-2", "ab", "b-chunk-1"].map(new_artifact);
    queue.finish(&parts, &artifacts_of_parts).await.unwrap();
    let keys = async || -> Vec<String> {
        let artifacts = queue.artifacts_with_prefix("").await.unwrap();
        artifacts.into_iter().map(|artifact| artifact.key).collect()
    };
    let late = queue.taken(job("rendition", 3)).await;
    queue.wait(31);
    assert!(!queue.finish_replacing(&late, &[new_artifact("a")], Some("a-chunk-")).await.unwrap());
    assert_eq!(keys().await.len(), 4, "a late worker removes nothing");
    let (_, lease) = queue.take().await.expect("the job");
    for _ in 0..2 {
        assert!(queue.finish_replacing(&lease, &[new_artifact("a")], Some("a-chunk-")).await.unwrap());
        assert_eq!(keys().await, ["a", "ab", "b-chunk-1"]);
    }
}

a_failed_job_can_be_retried_with_all_its_attempts(queue) {
    let lease = queue.taken(job("poster", 1)).await;
    queue.fail(&lease, "no image", Retry::Never).await.unwrap();
    let again = queue.retry(lease.job).await.unwrap().expect("a job");
    assert_eq!((again.state, again.attempts, again.last_error), (State::Queued, 0, None));
    let (_, lease) = queue.take().await.expect("the job");
    queue.finish(&lease, &[]).await.unwrap();
    assert_eq!(queue.retry(lease.job).await.unwrap().expect("a job").state, State::Done);
}

texts_that_exceed_their_column_are_truncated(queue) {
    let lease = queue.taken(job("poster", 1)).await;
    let printed = format!("\0{}", "ü".repeat(100_000));
    assert!(queue.fail(&lease, &printed, Retry::Never).await.unwrap());
    let failed = queue.get(&lease).await.last_error.expect("a reason");
    assert!(failed.starts_with("\u{fffd}ü") && failed.chars().count() == 4000);
}

}

#[tokio::test]
async fn a_heartbeat_on_postgresql_does_not_wait_for_a_change() {
    let queue = TestQueue::postgres().await;
    let lease = queue.taken(job("poster", 3)).await;
    let change = queue.begin().await.unwrap();
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap(), Heartbeat::Go);
    change.commit().await.unwrap();
}

/// The change has read the job, and waits to write it; the heartbeat is not committed yet.
#[tokio::test]
async fn a_change_does_not_undo_a_heartbeat_at_the_same_time() {
    let queue = TestQueue::postgres().await;
    let lease = queue.taken(job("poster", 3)).await;
    let mut heartbeat = queue.database().begin().await.unwrap();
    let renew = "UPDATE jobs SET lease_until_ms = lease_until_ms + 1000";
    heartbeat.execute(renew, &[]).await.unwrap();
    let until_ms = queue.get(&lease).await.lease_until_ms.expect("a lease");
    let change = {
        let queue = queue.clone();
        tokio::spawn(async move { queue.set_priority(lease.job, 5).await })
    };
    let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND datname = current_database()";
    while queue.database().row(waiting, &[]).await.unwrap().is_none() {
        assert!(!change.is_finished(), "it waits for the row");
        tokio::time::sleep(SLOW_POLL_INTERVAL).await;
    }
    heartbeat.commit().await.unwrap();
    change.await.expect("a task").expect("changed");
    let job = queue.get(&lease).await;
    assert_eq!((job.priority, job.lease_until_ms), (5, Some(until_ms + 1000)));
}
