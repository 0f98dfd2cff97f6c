//! Counts the jobs that have ended, for metrics.
//!
//! Workers are other processes, and jobs are deleted after a while. So the server reads the changes of the
//! queue since it started, whenever it is asked for its metrics.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::{
    queue::{Job, Queue, QueueError},
    telemetry::{Histogram, JobsEnded, QueueDepth},
};

/// Jobs in one read of the database.
const PAGE: u32 = 500;

/// Bounds of the durations of jobs and of their waits, of which some take hours, in microseconds.
const BOUNDS_US: [u64; 10] = [
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
    7_200_000_000,
    36_000_000_000,
];

/// The jobs that ended since [`begin`](Self::begin).
#[derive(Debug, Default)]
pub struct JobCounts(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// The number of the last change that was counted.
    last: i64,
    ended: BTreeMap<(String, &'static str), u64>,
    waits: BTreeMap<String, Arc<Histogram>>,
    durations: BTreeMap<String, Arc<Histogram>>,
}

impl JobCounts {
    /// Counts the changes of the queue from now on.
    pub async fn begin(&self, queue: &Queue) {
        let mut counted = self.0.lock().await;
        // Without the database there is nothing to skip: its jobs are counted from the first one.
        counted.last = queue.last_change().await.unwrap_or_default();
    }

    /// Counts what has changed, and returns the unfinished jobs and those that have ended.
    pub async fn read(&self, queue: &Queue) -> Result<(Vec<QueueDepth>, JobsEnded), QueueError> {
        let mut counted = self.0.lock().await;
        loop {
            let jobs = queue.changed_since(counted.last, PAGE).await?;
            jobs.iter().for_each(|job| counted.count(job));
            if jobs.len() < PAGE as usize {
                break;
            }
        }
        let depths = queue.depths().await?;
        let depths = depths.into_iter().map(|(kind, state, jobs)| QueueDepth {
            kind,
            state: state.as_str(),
            jobs,
        });
        Ok((depths.collect(), counted.jobs_ended()))
    }
}

impl Counted {
    fn count(&mut self, job: &Job) {
        self.last = job.changed;
        if !job.state.is_end() {
            return;
        }
        *self.ended.entry((job.kind.clone(), job.state.as_str())).or_default() += 1;
        if let (Some(started_ms), Some(finished_ms)) = (job.started_ms, job.finished_ms) {
            // `run_at_ms` is later than the start after a failed attempt, and that of the retry after one.
            let queued_ms =
                if job.run_at_ms <= started_ms { job.run_at_ms } else { job.created_ms };
            observe(&mut self.waits, &job.kind, started_ms - queued_ms);
            observe(&mut self.durations, &job.kind, finished_ms - started_ms);
        }
    }

    fn jobs_ended(&self) -> JobsEnded {
        let counts = self.ended.iter().map(|((kind, end), count)| (kind.clone(), *end, *count));
        let by_kind = |times: &BTreeMap<String, Arc<Histogram>>| {
            times.iter().map(|(kind, times)| (kind.clone(), Arc::clone(times))).collect()
        };
        JobsEnded {
            counts: counts.collect(),
            waits: by_kind(&self.waits),
            durations: by_kind(&self.durations),
        }
    }
}

/// Counts a time of a job of a kind.
fn observe(times: &mut BTreeMap<String, Arc<Histogram>>, kind: &str, ms: i64) {
    let of_kind = times.entry(kind.to_owned());
    let of_kind = of_kind.or_insert_with(|| Arc::new(Histogram::new(&BOUNDS_US)));
    // Negative after the clock of the machine was set back.
    of_kind.observe(Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
}
