//! Lists of jobs and artifacts, and waiting for changes.

use std::collections::HashMap;

use futures::{
    future::{join, join_all},
    poll,
};
use headwater::queue::{Class, Filter, JobSubmission, NewArtifact, Retry, State};

use super::{LEASE, TestQueue, at, job, new_artifact, on_both};

/// A finished job with these artifacts.
async fn finished_job(queue: &TestQueue, keys: &[&str]) -> i64 {
    let lease = queue.taken(job("poster", 1)).await;
    let artifacts: Vec<_> = keys.iter().map(|key| new_artifact(key)).collect();
    assert!(queue.finish(&lease, &artifacts).await.unwrap());
    lease.token
}

on_both! {

jobs_are_listed_newest_first_page_by_page(queue) {
    let mut added = Vec::new();
    for _ in 0..5 {
        added.push(queue.add(job("poster", 1)).await.id);
    }
    added.reverse();
    let mut before = None;
    for page in added.chunks(2) {
        let jobs = queue.jobs(&Filter::default(), 2, before).await.unwrap();
        assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), page);
        before = jobs.last().map(|job| job.id);
    }
    assert!(queue.jobs(&Filter::default(), 2, before).await.unwrap().is_empty());
}

jobs_are_listed_by_filter(queue) {
    let parent = queue.taken(JobSubmission { class: Class::Encode, ..job("ladder", 1) }).await;
    queue.split(&parent, vec![JobSubmission { title: "b.mp4".into(), ..job("chunk", 1) }]).await.unwrap();
    let count = async |filter: Filter| queue.jobs(&filter, 9, None).await.unwrap().len();
    assert_eq!(count(Filter::default()).await, 2);
    assert_eq!(count(Filter { state: Some(State::Waiting), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { state: Some(State::Done), ..Filter::default() }).await, 0);
    assert_eq!(count(Filter { class: Some(Class::Image), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { kind: Some("chunk".into()), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { title: Some("b.mp4".into()), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { only_parents: true, ..Filter::default() }).await, 1);
}

jobs_are_counted(queue) {
    assert_eq!(queue.counts().await.unwrap(), []);
    queue.taken(JobSubmission { class: Class::Encode, ..job("rendition", 1) }).await;
    queue.add(job("poster", 1)).await;
    queue.add(job("poster", 1)).await;
    let mut counts = queue.counts().await.unwrap();
    counts.sort_by_key(|(_, _, count)| *count);
    let expected = [(Class::Encode, State::Running, 1), (Class::Image, State::Queued, 2)];
    assert_eq!(counts, expected);
}

changes_are_reported_in_order_and_none_is_missed(queue) {
    let first = queue.add(job("poster", 1)).await;
    let second = queue.add(job("poster", 1)).await;
    assert_eq!([first.changed, second.changed], [1, 2]);
    let (_, lease) = queue.take().await.expect("a job");
    let changes = queue.changed_since(0, 10).await.unwrap();
    let reported: Vec<_> = changes.iter().map(|job| (job.id, job.changed)).collect();
    assert_eq!(reported, [(second.id, 2), (first.id, 3)]);
    assert_eq!(queue.changed_since(2, 10).await.unwrap().len(), 1);
    assert_eq!(queue.changed_since(0, 1).await.unwrap().len(), 1);
    queue.fail(&lease, "why", Retry::Never).await.unwrap();
    assert_eq!(queue.last_change().await.unwrap(), 4);
    assert!(queue.changed_since(4, 10).await.unwrap().is_empty());
}

a_change_wakes_waiters_here_and_in_other_processes(queue) {
    let elsewhere = queue.elsewhere().await;
    for seen in 0..3 {
        let waiting = join(queue.wait_for_change(seen), elsewhere.wait_for_change(seen));
        let change = async {
            tokio::task::yield_now().await;
            queue.add(job("poster", 1)).await
        };
        let ((here, there), job) = join(waiting, change).await;
        assert_eq!((here.unwrap(), there.unwrap()), (seen + 1, seen + 1));
        assert_eq!(job.changed, seen + 1);
    }
    assert_eq!(queue.wait_for_change(0).await.unwrap(), 3, "an earlier change returns at once");
    let mut nothing = Box::pin(queue.wait_for_change(3));
    assert!(poll!(&mut nothing).is_pending());
}

a_follower_of_changes_sees_every_end_among_concurrent_writers(queue) {
    const JOBS: usize = 60;
    let elsewhere = [queue.elsewhere().await, queue.elsewhere().await];
    let writers = (0..6).map(|number| {
        let queue = &elsewhere[number % 2];
        async move {
            for _ in 0..JOBS / 6 {
                queue.enqueue(job("poster", 1)).await.unwrap();
                // One job for each. Others may take all that were there when this claim began.
                let lease = loop {
                    let claimed = queue.claim("one", Class::ALL, LEASE).await.unwrap();
                    if let Some((_, lease)) = claimed {
                        break lease;
                    }
                };
                assert!(queue.finish(&lease, &[]).await.unwrap());
            }
        }
    });
    let follower = async {
        let (mut seen, mut states) = (0, HashMap::new());
        while states.values().filter(|state| **state == State::Done).count() < JOBS {
            queue.wait_for_change(seen).await.unwrap();
            for job in queue.changed_since(seen, 7).await.unwrap() {
                assert!(job.changed > seen);
                seen = job.changed;
                states.insert(job.id, job.state);
            }
        }
        seen
    };
    let (seen, _) = join(follower, join_all(writers)).await;
    assert_eq!(seen, queue.last_change().await.unwrap());
    // A claim that others were faster than may take a number, too.
    assert!(seen >= 3 * i64::try_from(JOBS).unwrap(), "{seen}");
}

artifacts_are_found_by_key_prefix_byte_by_byte(queue) {
    let keys = ["a", "a-", "a-B", "a-b", "a-ü", "a_b", "A-b", "ab", "b-a"];
    finished_job(&queue, &keys).await;
    let found = async |prefix: &str| {
        let artifacts = queue.artifacts_with_prefix(prefix).await.unwrap();
        artifacts.into_iter().map(|artifact| artifact.key).collect::<Vec<_>>()
    };
    assert_eq!(found("a-").await, ["a-", "a-B", "a-b", "a-ü"]);
    assert_eq!(found("a-b").await, ["a-b"]);
    assert_eq!(found("a%").await, [""; 0]);
    assert_eq!(found("").await.len(), keys.len());
}

a_later_artifact_replaces_an_earlier_one(queue) {
    let first = finished_job(&queue, &["a-poster"]).await;
    let second = finished_job(&queue, &["a-poster"]).await;
    assert!(second > first);
    assert!(!queue.delete_artifact("a-poster", first).await.unwrap());
    assert_eq!(queue.artifact("a-poster").await.unwrap().expect("a row").token, second);
    assert!(queue.delete_artifact("a-poster", second).await.unwrap());
    assert_eq!(queue.artifact("a-poster").await.unwrap(), None);
}

what_is_soon_made_again_is_evicted_first(queue) {
    let artifact = async |key: &str, bytes: u64, work_ms: u64| {
        let lease = queue.taken(job("poster", 1)).await;
        let artifact = NewArtifact { bytes, work_ms, ..new_artifact(key) };
        assert!(queue.finish(&lease, &[artifact]).await.unwrap());
    };
    const DAY_S: u64 = 86_400;
    artifact("rendition of hours", 1 << 30, 2 * 3_600_000).await;
    queue.wait(30 * DAY_S);
    artifact("old thumbnail", 30_000, 300).await;
    queue.wait(DAY_S);
    artifact("old rendition of seconds", 1 << 20, 5000).await;
    artifact("copied movie", 4 << 30, 30_000).await;
    queue.wait(60);
    artifact("thumbnail", 30_000, 300).await;
    artifact("poster", 50_000, 700).await;
    queue.wait(60);
    artifact("copied movie in use", 4 << 30, 30_000).await;
    let listed = queue.artifacts_to_evict(9, 0).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|artifact| artifact.key.as_str()).collect();
    let order = [
        "old thumbnail",
        "copied movie",
        "thumbnail",
        "poster",
        "old rendition of seconds",
        "rendition of hours",
        "copied movie in use",
    ];
    assert_eq!(keys, order);
}

the_work_of_intermediates_is_work_of_the_artifact(queue) {
    for number in 1..=3 {
        let lease = queue.taken(job("chunk", 1)).await;
        queue.finish(&lease, &[new_artifact(&format!("a-chunk-{number}"))]).await.unwrap();
    }
    let lease = queue.taken(job("rendition", 1)).await;
    let rendition = [new_artifact("a-rendition")];
    assert!(queue.finish_replacing(&lease, &rendition, Some("a-chunk-")).await.unwrap());
    let rendition = queue.artifact("a-rendition").await.unwrap().expect("a row");
    assert_eq!(rendition.work_ms, 400);
    assert!(queue.artifacts_with_prefix("a-chunk-").await.unwrap().is_empty());
}

artifacts_are_listed_by_last_use(queue) {
    for key in ["a", "b", "c"] {
        finished_job(&queue, &[key]).await;
        queue.wait(1);
    }
    queue.touch_artifacts(&["a", "nothing", "a"]).await.unwrap();
    let listed = queue.artifacts_to_evict(3, 30).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|artifact| artifact.key.as_str()).collect();
    assert_eq!(keys, ["b", "c", "a"]);
    assert_eq!(queue.artifacts_bytes().await.unwrap(), 30);
    let touched = queue.artifact("a").await.unwrap().expect("a row");
    assert_eq!(touched.used_ms - touched.created_ms, 3000);
}

a_failed_job_has_no_artifacts(queue) {
    let lease = queue.taken(job("poster", 1)).await;
    queue.report(&lease, &at(999), LEASE).await.unwrap();
    queue.fail(&lease, "disk full", Retry::Never).await.unwrap();
    assert!(!queue.finish(&lease, &[new_artifact("a")]).await.unwrap());
    assert_eq!(queue.artifacts_bytes().await.unwrap(), 0);
}

}
