//! Jobs with child jobs.

use std::time::Duration;

use headwater::queue::{Job, JobId, JobSubmission, Lease, Retry, State};

use super::{LEASE, TestQueue, at, job, keyed, on_both};

/// A job that waits for this many child jobs.
async fn split(queue: &TestQueue, children: usize) -> Lease {
    let lease = queue.taken(keyed("a-720p")).await;
    assert!(queue.split(&lease, vec![job("chunk", 2); children]).await.unwrap());
    lease
}

async fn states(queue: &TestQueue, parent: JobId) -> Vec<State> {
    queue.children(parent).await.unwrap().iter().map(|child| child.state).collect()
}

async fn next(queue: &TestQueue) -> (Job, Lease) {
    queue.take().await.expect("a job")
}

on_both! {

a_job_waits_for_its_children_and_is_joined(queue) {
    let lease = split(&queue, 2).await;
    let parent = queue.get(&lease).await;
    assert_eq!((parent.state, parent.attempts, parent.lease_owner), (State::Waiting, 0, None));
    assert!(!queue.enqueue(keyed("a-720p")).await.unwrap().1, "it is alive");
    let children = [next(&queue).await.1, next(&queue).await.1];
    assert!(queue.take().await.is_none());
    queue.report(&children[0], &at(500), LEASE).await.unwrap();
    assert_eq!(queue.get(&lease).await.progress.permille, 250);
    queue.finish(&children[0], &[]).await.unwrap();
    assert_eq!(queue.get(&lease).await.progress.permille, 500);
    assert!(queue.take().await.is_none());
    queue.finish(&children[1], &[]).await.unwrap();
    let (joining, join) = next(&queue).await;
    assert_eq!((joining.id, joining.attempts), (parent.id, 1));
    assert_eq!(states(&queue, parent.id).await, [State::Done; 2]);
    assert!(!queue.finish(&lease, &[]).await.unwrap(), "the lease that split it is over");
    assert!(queue.finish(&join, &[]).await.unwrap());
    assert_eq!(queue.find(parent.id).await.state, State::Done);
}

a_second_split_changes_nothing(queue) {
    let lease = split(&queue, 2).await;
    assert!(queue.split(&lease, vec![job("chunk", 2); 2]).await.unwrap());
    assert_eq!(states(&queue, lease.job).await, [State::Queued; 2]);
}

a_split_into_no_children_requeues_the_job_and_counts_as_an_attempt(queue) {
    let lease = split(&queue, 0).await;
    let (again, _) = next(&queue).await;
    assert_eq!((again.id, again.attempts), (lease.job, 2));
}

a_failed_child_fails_its_parent_with_its_reason_once_the_others_have_ended(queue) {
    let lease = split(&queue, 3).await;
    let (first, second) = (next(&queue).await.1, next(&queue).await.1);
    assert!(queue.fail(&first, "broken at 3 s", Retry::Never).await.unwrap());
    let parent = queue.get(&lease).await;
    assert_eq!(parent.state, State::Waiting);
    assert_eq!(parent.last_error.as_deref(), Some("broken at 3 s"));
    assert!(queue.get(&second).await.cancel_requested);
    assert!(queue.fail(&second, "killed", Retry::Backoff).await.unwrap());
    let parent = queue.get(&lease).await;
    assert_eq!(parent.state, State::Failed);
    assert_eq!(parent.last_error.as_deref(), Some("broken at 3 s"));
    let expected = [State::Failed, State::Cancelled, State::Cancelled];
    assert_eq!(states(&queue, lease.job).await, expected);
}

a_parent_is_unavailable_for_the_reason_of_its_child(queue) {
    for (retry, unavailable) in [(Retry::Unavailable, true), (Retry::Never, false)] {
        let lease = split(&queue, 1).await;
        let (_, child) = next(&queue).await;
        assert!(queue.fail(&child, "killed", Retry::Backoff).await.unwrap());
        queue.wait(5);
        let (_, child) = next(&queue).await;
        assert!(queue.fail(&child, "disk full", retry).await.unwrap());
        let parent = queue.get(&lease).await;
        assert_eq!((parent.state, parent.unavailable), (State::Failed, unavailable));
    }
}

a_retried_child_does_not_fail_its_parent(queue) {
    let lease = split(&queue, 1).await;
    let (_, child) = next(&queue).await;
    assert!(queue.fail(&child, "no memory", Retry::Backoff).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Waiting);
    queue.wait(5);
    let (_, child) = next(&queue).await;
    assert!(queue.finish(&child, &[]).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Queued);
}

a_child_that_kills_its_workers_fails_its_parent(queue) {
    let lease = split(&queue, 1).await;
    for _ in 0..2 {
        next(&queue).await;
        queue.wait(31);
    }
    assert_eq!(queue.sweep(Duration::MAX).await.unwrap().lost, 1);
    let parent = queue.get(&lease).await;
    assert_eq!((parent.state, parent.last_error.as_deref()), (State::Failed, Some("worker lost")));
}

cancelling_a_parent_cancels_its_children_and_it_ends_with_the_last(queue) {
    let lease = split(&queue, 2).await;
    let (_, child) = next(&queue).await;
    let parent = queue.cancel(lease.job).await.unwrap().expect("a job");
    assert_eq!((parent.state, parent.cancel_requested), (State::Waiting, true));
    assert_eq!(states(&queue, lease.job).await, [State::Running, State::Cancelled]);
    // It was too late to stop that child.
    assert!(queue.finish(&child, &[]).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert!(queue.take().await.is_none());
}

cancelling_a_child_cancels_its_parent(queue) {
    let lease = split(&queue, 3).await;
    let children = queue.children(lease.job).await.unwrap();
    queue.cancel(children[1].id).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert_eq!(states(&queue, lease.job).await, [State::Cancelled; 3]);
}

a_job_with_a_pending_cancel_is_not_split(queue) {
    let lease = queue.taken(job("ladder", 2)).await;
    queue.cancel(lease.job).await.unwrap();
    assert!(queue.split(&lease, vec![job("chunk", 1)]).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert!(queue.children(lease.job).await.unwrap().is_empty());
}

a_retry_repeats_only_unfinished_children(queue) {
    let lease = split(&queue, 2).await;
    let (first, second) = (next(&queue).await.1, next(&queue).await.1);
    queue.finish(&first, &[]).await.unwrap();
    queue.fail(&second, "no memory", Retry::Never).await.unwrap();
    // A client may retry any job of the family.
    queue.retry(second.job).await.unwrap();
    let parent = queue.get(&lease).await;
    assert_eq!((parent.state, parent.progress.permille), (State::Waiting, 500));
    assert_eq!(states(&queue, lease.job).await, [State::Done, State::Queued]);
    let (_, child) = next(&queue).await;
    queue.finish(&child, &[]).await.unwrap();
    assert_eq!(next(&queue).await.0.id, lease.job);
}

a_family_is_not_retried_while_a_member_is_alive(queue) {
    let lease = split(&queue, 2).await;
    let (first, second) = (next(&queue).await.1, next(&queue).await.1);
    queue.fail(&first, "broken", Retry::Never).await.unwrap();
    queue.retry(first.job).await.unwrap();
    assert_eq!(states(&queue, lease.job).await, [State::Failed, State::Running]);
    queue.release(&second).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Failed);
}

a_failed_join_may_split_again(queue) {
    let lease = split(&queue, 2).await;
    for _ in 0..2 {
        let (_, child) = next(&queue).await;
        queue.finish(&child, &[]).await.unwrap();
    }
    let (_, join) = next(&queue).await;
    assert!(queue.split(&join, vec![job("chunk", 2); 3]).await.unwrap());
    assert_eq!(states(&queue, lease.job).await, [State::Queued; 3]);
}

children_may_have_children(queue) {
    let lease = split(&queue, 1).await;
    let (_, rendition) = next(&queue).await;
    assert!(queue.split(&rendition, vec![job("chunk", 1); 2]).await.unwrap());
    let (_, child) = next(&queue).await;
    queue.report(&child, &at(800), LEASE).await.unwrap();
    assert_eq!(queue.get(&lease).await.progress.permille, 400);
    queue.fail(&child, "broken", Retry::Never).await.unwrap();
    for job in [rendition.job, lease.job] {
        let job = queue.find(job).await;
        assert_eq!((job.state, job.last_error.as_deref()), (State::Failed, Some("broken")));
    }
    queue.retry(lease.job).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Waiting);
    assert_eq!(queue.get(&rendition).await.state, State::Waiting);
    queue.cancel(lease.job).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert_eq!(states(&queue, rendition.job).await, [State::Cancelled; 2]);
}

raising_the_priority_of_a_parent_raises_that_of_its_children(queue) {
    let lease = split(&queue, 2).await;
    queue.enqueue(JobSubmission { priority: 4, ..keyed("a-720p") }).await.unwrap();
    let children = queue.children(lease.job).await.unwrap();
    assert!(children.iter().all(|child| child.priority == 4));
}

a_child_has_no_key(queue) {
    let lease = queue.taken(keyed("a-720p")).await;
    assert!(queue.split(&lease, vec![keyed("a-720p"), keyed("a-720p")]).await.unwrap());
    assert!(queue.children(lease.job).await.unwrap().iter().all(|job| job.dedupe_key.is_none()));
}

old_families_are_deleted_as_a_whole_and_never_while_alive(queue) {
    let lease = split(&queue, 2).await;
    let (_, first) = next(&queue).await;
    queue.finish(&first, &[]).await.unwrap();
    queue.wait(1000);
    assert_eq!(queue.sweep(Duration::from_secs(100)).await.unwrap().deleted, 0);
    assert_eq!(states(&queue, lease.job).await, [State::Done, State::Queued]);
    queue.cancel(lease.job).await.unwrap();
    queue.wait(99);
    assert_eq!(queue.sweep(Duration::from_secs(100)).await.unwrap().deleted, 0);
    queue.wait(1);
    assert_eq!(queue.sweep(Duration::from_secs(100)).await.unwrap().deleted, 1);
    assert!(queue.changed_since(0, 10).await.unwrap().is_empty());
}

}
