//! Claims: the order of jobs, and deduplication.

use std::collections::HashSet;

use futures::future::join_all;
use headwater::queue::{Class, JobSubmission, Retry, State};

use super::{LEASE, job, keyed, on_both};

on_both! {

the_most_urgent_job_is_claimed_first_then_the_oldest(queue) {
    let mut added = Vec::new();
    for priority in [0, 5, 0, -5, 5] {
        added.push(queue.add(JobSubmission { priority, ..job("poster", 1) }).await.id);
        queue.wait(1);
    }
    for expected in [1, 4, 0, 2, 3] {
        let (claimed, _) = queue.take().await.expect("a job");
        assert_eq!(claimed.id, added[expected], "{expected}");
    }
    assert!(queue.take().await.is_none());
}

only_the_requested_classes_are_claimed(queue) {
    let encode = queue.add(JobSubmission { class: Class::Encode, ..job("rendition", 1) }).await;
    let poster = queue.add(job("poster", 1)).await;
    let claim = async |classes: &[Class]| {
        let claimed = queue.claim("worker", classes, LEASE).await.unwrap();
        claimed.map(|(job, _)| job.id)
    };
    assert_eq!(claim(&[]).await, None);
    assert_eq!(claim(&[Class::Remux]).await, None);
    assert_eq!(claim(&[Class::Image, Class::Remux]).await, Some(poster.id));
    assert_eq!(claim(&[Class::Image]).await, None);
    assert_eq!(claim(&[Class::Encode]).await, Some(encode.id));
}

a_priority_may_change_until_the_end(queue) {
    let first = queue.add(job("poster", 1)).await;
    let second = queue.add(job("poster", 1)).await;
    assert_eq!(queue.set_priority(second.id, 1).await.unwrap().expect("a job").priority, 1);
    let (claimed, lease) = queue.take().await.expect("a job");
    assert_eq!(claimed.id, second.id);
    queue.finish(&lease, &[]).await.unwrap();
    let done = queue.find(second.id).await;
    assert_eq!(queue.set_priority(second.id, 9).await.unwrap(), Some(done));
    queue.cancel(first.id).await.unwrap();
    assert!(queue.take().await.is_none());
}

at_most_one_job_of_a_key_is_alive(queue) {
    let (first, is_new) = queue.enqueue(keyed("a-poster")).await.unwrap();
    assert!(is_new);
    assert_eq!(queue.enqueue(keyed("a-poster")).await.unwrap(), (first.clone(), false));
    let (urgent, is_new) = queue.enqueue(JobSubmission { priority: 9, ..keyed("a-poster") }).await.unwrap();
    assert_eq!((urgent.id, urgent.priority, is_new), (first.id, 9, false));
    let (later, _) = queue.enqueue(keyed("a-poster")).await.unwrap();
    assert_eq!((later.id, later.priority), (first.id, 9), "a priority is never lowered");
    let (_, lease) = queue.take().await.expect("a job");
    assert!(!queue.enqueue(keyed("a-poster")).await.unwrap().1);
    queue.finish(&lease, &[]).await.unwrap();
    let (second, is_new) = queue.enqueue(keyed("a-poster")).await.unwrap();
    assert!(is_new && second.id > first.id);
}

a_retry_does_not_make_a_second_job_of_a_key(queue) {
    let lease = queue.taken(keyed("a-poster")).await;
    queue.fail(&lease, "no image", Retry::Never).await.unwrap();
    let other = queue.add(keyed("a-poster")).await;
    assert_eq!(queue.retry(lease.job).await.unwrap().expect("a job").state, State::Failed);
    queue.cancel(other.id).await.unwrap();
    assert_eq!(queue.retry(lease.job).await.unwrap().expect("a job").state, State::Queued);
}

concurrent_workers_never_claim_the_same_job(queue) {
    let elsewhere = [queue.elsewhere().await, queue.elsewhere().await];
    let mut added = HashSet::new();
    for _ in 0..40 {
        added.insert(queue.add(job("poster", 3)).await.id);
    }
    let claimers = (0..12).map(|number| {
        let queue = elsewhere[number % 2].clone();
        async move {
            let mut claimed = Vec::new();
            while let Some((job, lease)) = queue.claim("one", Class::ALL, LEASE).await.unwrap() {
                claimed.push((job.id, lease.token));
            }
            claimed
        }
    });
    let claimed = join_all(claimers).await.concat();
    let jobs: HashSet<_> = claimed.iter().map(|(id, _)| *id).collect();
    let tokens: HashSet<_> = claimed.iter().map(|(_, token)| *token).collect();
    assert_eq!((claimed.len(), tokens.len()), (40, 40));
    assert_eq!(jobs, added);
}

concurrent_requests_get_one_job(queue) {
    let elsewhere = [queue.elsewhere().await, queue.elsewhere().await];
    let askers = (0..12).map(|number| {
        let queue = elsewhere[number % 2].clone();
        async move { queue.enqueue(keyed("a-poster")).await.unwrap() }
    });
    let results = join_all(askers).await;
    assert_eq!(results.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert!(results.iter().all(|(job, _)| job.id == results[0].0.id));
}

}
