//! What must be done from time to time, by anybody.

use std::time::Duration;

use super::{Job, Queue, QueueError, State, clock::millis, row::jobs_sql};

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expired {
    /// Jobs that were ended because their worker was not heard of.
    pub lost: u64,
    /// Jobs that were forgotten, without their children.
    pub forgotten: u64,
}

/// Jobs whose worker was not heard of, and that nobody may claim again.
const LOST: &str = jobs_sql!(
    SELECT "WHERE state = 'running' AND (lease_until_ms <= $1 OR lease_until_ms > $1 + 7200000)
        AND (attempts >= max_attempts OR cancel_requested <> 0) ORDER BY id"
);

/// Some of the jobs that ended before a time. Children go with their parents.
const FORGET: &str = "DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE finished_ms <= $1 AND parent IS NULL ORDER BY finished_ms LIMIT $2)";

/// How many jobs are forgotten at once: others wait meanwhile.
const AT_ONCE: u64 = 500;

impl Queue {
    /// Ends the jobs whose workers are lost, unless they may be tried again, and forgets those that
    /// ended longer than `keep_done` ago.
    pub async fn sweep(&self, keep_done: Duration) -> Result<Expired, QueueError> {
        let mut swept = Expired { lost: self.end_lost().await?, forgotten: 0 };
        loop {
            let mut change = self.begin().await?;
            let before_ms = change.now_ms() - millis(keep_done);
            let at_once = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
            let values = [before_ms.into(), at_once.into()];
            let forgotten = change.transaction().execute(FORGET, &values).await?;
            change.commit().await?;
            swept.forgotten += forgotten;
            if forgotten < AT_ONCE {
                return Ok(swept);
            }
        }
    }

    async fn end_lost(&self) -> Result<u64, QueueError> {
        let mut change = self.begin().await?;
        let now_ms = change.now_ms();
        let lost = Job::all(&change.transaction().rows(LOST, &[now_ms.into()]).await?)?;
        let mut ended = 0;
        for job in lost {
            // A brother's end, just now, may have changed it.
            let Some(mut job) = change.job(job.id).await? else { continue };
            if job.cancel_requested {
                change.end(&mut job, State::Cancelled).await?;
            } else {
                job.last_error = Some("worker lost".to_owned());
                job.lacked = false;
                change.end(&mut job, State::Failed).await?;
            }
            ended += 1;
            change.settle(job.parent).await?;
        }
        change.commit().await?;
        Ok(ended)
    }
}
