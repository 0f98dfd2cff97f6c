//! Jobs that are done in pieces.

use std::time::Duration;

use headwater::queue::{Job, JobId, JobSubmission, Lease, Retry, State};

use super::{Bench, LEASE, at, job, keyed, on_both};

/// A job that waits for so many pieces.
async fn split(queue: &Bench, pieces: usize) -> Lease {
    let lease = queue.taken(keyed("a-720p")).await;
    assert!(queue.split(&lease, vec![job("piece", 2); pieces]).await.unwrap());
    lease
}

async fn states(queue: &Bench, parent: JobId) -> Vec<State> {
    queue.children(parent).await.unwrap().iter().map(|child| child.state).collect()
}

async fn next(queue: &Bench) -> (Job, Lease) {
    queue.take().await.expect("a job")
}

on_both! {

a_job_waits_for_its_pieces_and_is_joined(queue) {
    let lease = split(&queue, 2).await;
    let parent = queue.get(&lease).await;
    assert_eq!((parent.state, parent.attempts, parent.lease_owner), (State::Waiting, 0, None));
    assert!(!queue.enqueue(keyed("a-720p")).await.unwrap().1, "it is alive");
    let pieces = [next(&queue).await.1, next(&queue).await.1];
    assert!(queue.take().await.is_none());
    queue.renew(&pieces[0], &at(500), LEASE).await.unwrap();
    assert_eq!(queue.get(&lease).await.progress.permille, 250);
    queue.finish(&pieces[0], &[]).await.unwrap();
    assert_eq!(queue.get(&lease).await.progress.permille, 500);
    assert!(queue.take().await.is_none());
    queue.finish(&pieces[1], &[]).await.unwrap();
    let (joining, join) = next(&queue).await;
    assert_eq!((joining.id, joining.attempts), (parent.id, 1));
    assert_eq!(states(&queue, parent.id).await, [State::Done; 2]);
    assert!(!queue.finish(&lease, &[]).await.unwrap(), "the lease that split it is over");
    assert!(queue.finish(&join, &[]).await.unwrap());
    assert_eq!(queue.find(parent.id).await.state, State::Done);
}

splitting_twice_is_splitting_once(queue) {
    let lease = split(&queue, 2).await;
    assert!(queue.split(&lease, vec![job("piece", 2); 2]).await.unwrap());
    assert_eq!(states(&queue, lease.job).await, [State::Queued; 2]);
}

a_job_of_no_pieces_is_queued_and_that_was_an_attempt(queue) {
    let lease = split(&queue, 0).await;
    let (again, _) = next(&queue).await;
    assert_eq!((again.id, again.attempts), (lease.job, 2));
}

a_failed_piece_fails_the_whole_for_its_reason_once_the_others_have_ended(queue) {
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

what_a_piece_lacked_the_whole_lacks(queue) {
    for (retry, unavailable) in [(Retry::Unavailable, true), (Retry::Never, false)] {
        let lease = split(&queue, 1).await;
        let (_, piece) = next(&queue).await;
        assert!(queue.fail(&piece, "killed", Retry::Backoff).await.unwrap());
        queue.wait(5);
        let (_, piece) = next(&queue).await;
        assert!(queue.fail(&piece, "no room", retry).await.unwrap());
        let parent = queue.get(&lease).await;
        assert_eq!((parent.state, parent.unavailable), (State::Failed, unavailable));
    }
}

a_piece_that_is_tried_again_fails_nothing(queue) {
    let lease = split(&queue, 1).await;
    let (_, piece) = next(&queue).await;
    assert!(queue.fail(&piece, "no memory", Retry::Backoff).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Waiting);
    queue.wait(5);
    let (_, piece) = next(&queue).await;
    assert!(queue.finish(&piece, &[]).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Queued);
}

a_piece_that_kills_its_workers_fails_the_whole(queue) {
    let lease = split(&queue, 1).await;
    for _ in 0..2 {
        next(&queue).await;
        queue.wait(31);
    }
    assert_eq!(queue.sweep(Duration::MAX).await.unwrap().lost, 1);
    let parent = queue.get(&lease).await;
    assert_eq!((parent.state, parent.last_error.as_deref()), (State::Failed, Some("worker lost")));
}

cancelling_the_whole_cancels_the_pieces_and_it_ends_with_the_last(queue) {
    let lease = split(&queue, 2).await;
    let (_, piece) = next(&queue).await;
    let parent = queue.cancel(lease.job).await.unwrap().expect("a job");
    assert_eq!((parent.state, parent.cancel_requested), (State::Waiting, true));
    assert_eq!(states(&queue, lease.job).await, [State::Running, State::Cancelled]);
    // It was too late to stop that one.
    assert!(queue.finish(&piece, &[]).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert!(queue.take().await.is_none());
}

cancelling_a_piece_cancels_the_whole(queue) {
    let lease = split(&queue, 3).await;
    let pieces = queue.children(lease.job).await.unwrap();
    queue.cancel(pieces[1].id).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert_eq!(states(&queue, lease.job).await, [State::Cancelled; 3]);
}

a_job_that_is_to_be_cancelled_is_not_split(queue) {
    let lease = queue.taken(job("ladder", 2)).await;
    queue.cancel(lease.job).await.unwrap();
    assert!(queue.split(&lease, vec![job("piece", 1)]).await.unwrap());
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert!(queue.children(lease.job).await.unwrap().is_empty());
}

a_second_try_does_only_what_was_not_done(queue) {
    let lease = split(&queue, 2).await;
    let (first, second) = (next(&queue).await.1, next(&queue).await.1);
    queue.finish(&first, &[]).await.unwrap();
    queue.fail(&second, "no memory", Retry::Never).await.unwrap();
    // Whichever of the family is asked for.
    queue.retry(second.job).await.unwrap();
    let parent = queue.get(&lease).await;
    assert_eq!((parent.state, parent.progress.permille), (State::Waiting, 500));
    assert_eq!(states(&queue, lease.job).await, [State::Done, State::Queued]);
    let (_, piece) = next(&queue).await;
    queue.finish(&piece, &[]).await.unwrap();
    assert_eq!(next(&queue).await.0.id, lease.job);
}

nothing_is_tried_again_while_a_part_of_it_is_alive(queue) {
    let lease = split(&queue, 2).await;
    let (first, second) = (next(&queue).await.1, next(&queue).await.1);
    queue.fail(&first, "broken", Retry::Never).await.unwrap();
    queue.retry(first.job).await.unwrap();
    assert_eq!(states(&queue, lease.job).await, [State::Failed, State::Running]);
    queue.release(&second).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Failed);
}

a_join_that_failed_may_split_anew(queue) {
    let lease = split(&queue, 2).await;
    for _ in 0..2 {
        let (_, piece) = next(&queue).await;
        queue.finish(&piece, &[]).await.unwrap();
    }
    let (_, join) = next(&queue).await;
    assert!(queue.split(&join, vec![job("piece", 2); 3]).await.unwrap());
    assert_eq!(states(&queue, lease.job).await, [State::Queued; 3]);
}

pieces_may_have_pieces(queue) {
    let lease = split(&queue, 1).await;
    let (_, rung) = next(&queue).await;
    assert!(queue.split(&rung, vec![job("piece", 1); 2]).await.unwrap());
    let (_, piece) = next(&queue).await;
    queue.renew(&piece, &at(800), LEASE).await.unwrap();
    assert_eq!(queue.get(&lease).await.progress.permille, 400);
    queue.fail(&piece, "broken", Retry::Never).await.unwrap();
    for job in [rung.job, lease.job] {
        let job = queue.find(job).await;
        assert_eq!((job.state, job.last_error.as_deref()), (State::Failed, Some("broken")));
    }
    queue.retry(lease.job).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Waiting);
    assert_eq!(queue.get(&rung).await.state, State::Waiting);
    queue.cancel(lease.job).await.unwrap();
    assert_eq!(queue.get(&lease).await.state, State::Cancelled);
    assert_eq!(states(&queue, rung.job).await, [State::Cancelled; 2]);
}

who_asks_for_the_whole_more_urgently_moves_the_pieces(queue) {
    let lease = split(&queue, 2).await;
    queue.enqueue(JobSubmission { priority: 4, ..keyed("a-720p") }).await.unwrap();
    let pieces = queue.children(lease.job).await.unwrap();
    assert!(pieces.iter().all(|piece| piece.priority == 4));
}

a_key_is_not_a_chunk_s(queue) {
    let lease = queue.taken(keyed("a-720p")).await;
    assert!(queue.split(&lease, vec![keyed("a-720p"), keyed("a-720p")]).await.unwrap());
    assert!(queue.children(lease.job).await.unwrap().iter().all(|job| job.dedupe_key.is_none()));
}

old_families_are_forgotten_as_a_whole_and_never_while_they_live(queue) {
    let lease = split(&queue, 2).await;
    let (_, first) = next(&queue).await;
    queue.finish(&first, &[]).await.unwrap();
    queue.wait(1000);
    assert_eq!(queue.sweep(Duration::from_secs(100)).await.unwrap().forgotten, 0);
    assert_eq!(states(&queue, lease.job).await, [State::Done, State::Queued]);
    queue.cancel(lease.job).await.unwrap();
    queue.wait(99);
    assert_eq!(queue.sweep(Duration::from_secs(100)).await.unwrap().forgotten, 0);
    queue.wait(1);
    assert_eq!(queue.sweep(Duration::from_secs(100)).await.unwrap().forgotten, 1);
    assert!(queue.changed_since(0, 10).await.unwrap().is_empty());
}

}
