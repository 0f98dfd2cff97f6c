//! Random operations, in any order: the queue behaves like the reference, and its invariants hold.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use headwater::queue::{Heartbeat, Job, JobId, JobSubmission, Lease, Progress, Retry, State};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;

use super::{
    LEASE, TestQueue, job, new_artifact,
    reference::{ReferenceJob, ReferenceQueue},
};

/// An operation on the queue.
#[derive(Clone, Debug)]
enum Act {
    Enqueue { key: Option<u8>, max_attempts: u32, priority: i64 },
    Claim { owner: u8 },
    Heartbeat { lease: Index, permille: u16 },
    Finish { lease: Index },
    Fail { lease: Index, retry: bool },
    Release { lease: Index },
    Split { lease: Index, max_attempts: Vec<u32> },
    Cancel { job: Index },
    Retry { job: Index },
    Prioritize { job: Index, priority: i64 },
    Wait { seconds: u64 },
    Sweep { keep_seconds: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let lease = any::<Index>;
    let act = prop_oneof![
        4 => (proptest::option::of(0..3_u8), 1..4_u32, -1..2_i64).prop_map(
            |(key, max_attempts, priority)| Act::Enqueue { key, max_attempts, priority }
        ),
        8 => (0..3_u8).prop_map(|owner| Act::Claim { owner }),
        3 => (lease(), 0..=1000_u16).prop_map(|(lease, permille)| Act::Heartbeat { lease, permille }),
        4 => lease().prop_map(|lease| Act::Finish { lease }),
        3 => (lease(), any::<bool>()).prop_map(|(lease, retry)| Act::Fail { lease, retry }),
        1 => lease().prop_map(|lease| Act::Release { lease }),
        3 => (lease(), vec(1..3_u32, 0..4))
            .prop_map(|(lease, max_attempts)| Act::Split { lease, max_attempts }),
        1 => any::<Index>().prop_map(|job| Act::Cancel { job }),
        2 => any::<Index>().prop_map(|job| Act::Retry { job }),
        1 => (any::<Index>(), -2..3_i64).prop_map(|(job, priority)| Act::Prioritize { job, priority }),
        3 => (1..40_u64).prop_map(|seconds| Act::Wait { seconds }),
        1 => (0..200_u64).prop_map(|keep_seconds| Act::Sweep { keep_seconds }),
    ];
    vec(act, 1..80)
}

/// Both queues, side by side.
struct Machine {
    real: TestQueue,
    reference: ReferenceQueue,
    /// All leases of the run, most of them lost.
    leases: Vec<Lease>,
    /// The lease that each artifact belongs to.
    artifacts: BTreeMap<String, i64>,
    /// All jobs before the last operation.
    before: BTreeMap<JobId, Job>,
    last_change: i64,
}

impl Machine {
    fn new(real: TestQueue) -> Self {
        let reference = ReferenceQueue { now_ms: real.now_ms(), jobs: Vec::new() };
        let (leases, artifacts, before) = Default::default();
        Self { real, reference, leases, artifacts, before, last_change: 0 }
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Enqueue { key, max_attempts, priority } => {
                let dedupe_key = key.map(|key| format!("key {key}"));
                let new = JobSubmission {
                    priority: *priority,
                    dedupe_key,
                    ..job("poster", *max_attempts)
                };
                self.enqueue(new).await;
            }
            Act::Claim { owner } => self.claim(&format!("worker {owner}")).await,
            Act::Heartbeat { lease, permille } => self.beat(lease, *permille).await,
            Act::Finish { lease } => self.finish(lease).await,
            Act::Fail { lease, retry } => self.fail(lease, *retry).await,
            Act::Release { lease } => self.release(lease).await,
            Act::Split { lease, max_attempts } => self.split(lease, max_attempts).await,
            Act::Cancel { job } => {
                if let Some(id) = self.pick(job) {
                    self.real.cancel(id).await.unwrap().expect("a job");
                    self.reference.cancel(id);
                }
            }
            Act::Retry { job } => {
                if let Some(id) = self.pick(job) {
                    self.real.retry(id).await.unwrap().expect("a job");
                    self.reference.retry(id);
                }
            }
            Act::Prioritize { job, priority } => {
                if let Some(id) = self.pick(job) {
                    self.real.set_priority(id, *priority).await.unwrap().expect("a job");
                    self.reference.prioritize(id, *priority);
                }
            }
            Act::Wait { seconds } => {
                self.real.wait(*seconds);
                self.reference.now_ms = self.real.now_ms();
            }
            Act::Sweep { keep_seconds } => {
                self.real.sweep(Duration::from_secs(*keep_seconds)).await.unwrap();
                self.reference.sweep(i64::try_from(keep_seconds * 1000).expect("it fits"));
            }
        }
    }

    /// Any existing job.
    fn pick(&self, job: &Index) -> Option<JobId> {
        let jobs = &self.reference.jobs;
        (!jobs.is_empty()).then(|| job.get(jobs).id)
    }

    /// Any lease of the run, mostly one of the last, and whether it holds.
    fn lease(&self, lease: &Index) -> Option<(Lease, bool)> {
        let count = self.leases.len();
        let latest = &self.leases[count.saturating_sub(6)..];
        let lease = *(count > 0).then(|| lease.get(latest))?;
        Some((lease, self.reference.holds(lease)))
    }

    async fn enqueue(&mut self, new: JobSubmission) {
        let there = new.dedupe_key.as_deref().and_then(|key| self.reference.alive(key));
        let priority = new.priority;
        let (job, is_new) = self.real.enqueue(new).await.unwrap();
        match there {
            Some(id) => {
                assert_eq!((job.id, is_new), (id, false));
                let priority = self.reference.at(id).priority.max(priority);
                self.reference.prioritize(id, priority);
            }
            None => {
                assert!(is_new);
                self.reference.jobs.push(ReferenceJob::from_job(&job));
            }
        }
    }

    async fn claim(&mut self, owner: &str) {
        let all = headwater::queue::Class::ALL;
        let claimed = self.real.claim(owner, all, LEASE).await.unwrap();
        assert_eq!(claimed.as_ref().map(|(job, _)| job.id), self.reference.next());
        if let Some((job, lease)) = claimed {
            assert_eq!(job.lease_owner.as_deref(), Some(owner));
            assert!(self.leases.iter().all(|earlier| earlier.token < lease.token));
            self.reference.claim(job.id, lease.token, self.reference.now_ms + 30_000);
            self.leases.push(lease);
        }
    }

    async fn beat(&mut self, lease: &Index, permille: u16) {
        let Some((lease, holds)) = self.lease(lease) else { return };
        let progress = Progress { permille, ..Progress::default() };
        let result = self.real.report(&lease, &progress, LEASE).await.unwrap();
        if !holds {
            return assert_eq!(result, Heartbeat::Lost);
        }
        let until_ms = self.reference.now_ms + 30_000;
        let job = self.reference.at(lease.job);
        (job.until_ms, job.permille) = (Some(until_ms), permille.into());
        assert_eq!(result, if job.cancel { Heartbeat::Cancel } else { Heartbeat::Go });
        self.reference.update_ancestors(lease.job);
    }

    async fn finish(&mut self, lease: &Index) {
        let Some((lease, holds)) = self.lease(lease) else { return };
        let key = format!("artifact {}", lease.token % 4);
        let is_done = self.real.finish(&lease, &[new_artifact(&key)]).await.unwrap();
        if holds {
            assert!(is_done);
            self.artifacts.insert(key, lease.token);
            self.reference.at(lease.job).permille = 1000;
            self.reference.end(lease.job, State::Done);
        } else if is_done {
            let job = self.reference.at(lease.job);
            assert_eq!((job.state, job.token), (State::Done, lease.token), "it was done before");
        }
    }

    async fn fail(&mut self, lease: &Index, retry: bool) {
        let Some((lease, holds)) = self.lease(lease) else { return };
        let how = if retry { Retry::Backoff } else { Retry::Never };
        assert_eq!(self.real.fail(&lease, "why", how).await.unwrap(), holds);
        if holds {
            let now_ms = self.reference.now_ms;
            let job = self.reference.at(lease.job);
            if job.cancel {
                self.reference.end(lease.job, State::Cancelled);
            } else if !retry || job.attempts == job.max_attempts {
                self.reference.end(lease.job, State::Failed);
            } else {
                let pause_ms = [5000, 10_000, 20_000][job.attempts as usize - 1];
                self.reference.queue(lease.job, now_ms + pause_ms);
            }
        }
    }

    async fn release(&mut self, lease: &Index) {
        let Some((lease, holds)) = self.lease(lease) else { return };
        assert_eq!(self.real.release(&lease).await.unwrap(), holds);
        if holds {
            let now_ms = self.reference.now_ms;
            let job = self.reference.at(lease.job);
            if job.cancel {
                self.reference.end(lease.job, State::Cancelled);
            } else {
                job.attempts -= 1;
                self.reference.queue(lease.job, now_ms);
            }
        }
    }

    async fn split(&mut self, lease: &Index, max_attempts: &[u32]) {
        let Some((lease, holds)) = self.lease(lease) else { return };
        let children = max_attempts.iter().map(|max_attempts| job("chunk", *max_attempts));
        let is_split = self.real.split(&lease, children.collect()).await.unwrap();
        if !holds {
            let there = self.reference.jobs.iter().find(|job| job.id == lease.job);
            let is_so =
                |job: &ReferenceJob| job.state == State::Waiting && job.token == lease.token;
            return assert_eq!(is_split, there.is_some_and(is_so), "it was split before");
        }
        assert!(is_split);
        if self.reference.at(lease.job).cancel {
            return self.reference.end(lease.job, State::Cancelled);
        }
        let children = self.real.children(lease.job).await.unwrap();
        assert_eq!(children.len(), max_attempts.len());
        self.reference.split(lease.job, children.iter().map(ReferenceJob::from_job).collect());
    }

    /// Compares both queues, and checks the invariants.
    async fn check(&mut self, act: &Act) {
        let jobs = self.real.changed_since(0, u32::MAX).await.unwrap();
        let now: BTreeMap<_, _> = jobs.iter().map(|job| (job.id, job.clone())).collect();
        let real: BTreeMap<_, _> =
            jobs.iter().map(|job| (job.id, ReferenceJob::from_job(job))).collect();
        let reference = self.reference.jobs.iter().map(|job| (job.id, job.clone())).collect();
        assert_eq!(real, reference, "after {act:?}");

        let last_change = self.real.last_change().await.unwrap();
        assert!(last_change >= self.last_change);
        for job in &jobs {
            let before = self.before.get(&job.id);
            assert!(job.changed <= last_change);
            assert!(job.attempts <= job.max_attempts);
            if let Some(before) = before.filter(|before| before.changed == job.changed) {
                // Everything but the end of the lease, which is no change of the job.
                let lease_until_ms = job.lease_until_ms;
                assert_eq!(Job { lease_until_ms, ..before.clone() }, *job, "changed by {act:?}");
            } else {
                assert!(job.changed > self.last_change, "an old number, by {act:?}");
            }
            let had_ended = before.is_some_and(|before| before.state.is_end());
            if had_ended && before.map(|before| before.state) != Some(job.state) {
                assert!(matches!(act, Act::Retry { .. }), "{job:?} ended twice, by {act:?}");
            }
            let mut children = jobs.iter().filter(|child| child.parent == Some(job.id));
            let has_live = children.any(|child| !child.state.is_end());
            assert_eq!(has_live, job.state == State::Waiting, "{job:?}");
        }
        let live = jobs.iter().filter(|job| !job.state.is_end());
        let mut keys = HashSet::new();
        assert!(live.filter_map(|job| job.dedupe_key.as_ref()).all(|key| keys.insert(key)));

        let artifacts = self
            .real
            .artifacts_with_prefix("")
            .await
            .unwrap()
            .into_iter()
            .map(|artifact| (artifact.key, artifact.token));
        assert_eq!(artifacts.collect::<BTreeMap<_, _>>(), self.artifacts);
        (self.before, self.last_change) = (now, last_change);
    }
}

/// Runs random operations. A failing sequence is printed, to become a test of its own.
fn run_random_operations(cases: u32, open: impl AsyncFn() -> TestQueue) {
    let max_shrink_iters = 300;
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    let runtime = Runtime::new().expect("a runtime");
    let result = TestRunner::new(config).run(&acts(), |acts| {
        runtime.block_on(async {
            let mut machine = Machine::new(open().await);
            for act in &acts {
                machine.act(act).await;
                machine.check(act).await;
            }
        });
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn on_sqlite_the_queue_behaves_like_the_reference() {
    run_random_operations(64, TestQueue::sqlite);
}

#[test]
fn on_postgresql_the_queue_behaves_like_the_reference() {
    run_random_operations(24, TestQueue::postgres);
}
