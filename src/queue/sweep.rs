//! Periodic clean-up: expired leases and old jobs.

use std::time::Duration;

use super::{Job, Queue, QueueError, State, clock::millis, row::jobs_sql};

/// Result of a sweep.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expired {
    /// Jobs that ended because their lease had expired.
    pub lost: u64,
    /// Old jobs that were deleted, not counting their children.
    pub deleted: u64,
}

macro_rules! lost {
    ($lock:literal) => {
        jobs_sql!(
            SELECT "WHERE state = 'running' AND (lease_until_ms <= $1 OR lease_until_ms > $1 + 7200000)
                AND (attempts >= max_attempts OR cancel_requested <> 0) ORDER BY id ", $lock
        )
    };
}

/// Jobs with an expired lease that no worker may claim again. Their rows are locked, since a heartbeat, which
/// takes no other lock, may be about to renew a lease.
const LOST: [&str; 2] = [lost!(""), lost!("FOR UPDATE SKIP LOCKED")];

/// Deletes some of the jobs that ended before a time, with their children.
const DELETE_ENDED: &str = "DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE finished_ms <= $1 AND parent IS NULL ORDER BY finished_ms LIMIT $2)";

/// Jobs per DELETE, during which other writers wait.
const BATCH: u64 = 500;

impl Queue {
    /// Ends jobs with expired leases that have no attempts left, and deletes jobs that ended longer than
    /// `retention` ago.
    pub async fn sweep(&self, retention: Duration) -> Result<Expired, QueueError> {
        let mut swept = Expired { lost: self.end_lost().await?, deleted: 0 };
        loop {
            let mut change = self.begin().await?;
            let before_ms = change.now_ms() - millis(retention);
            let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
            let values = [before_ms.into(), batch.into()];
            let deleted = change.transaction().execute(DELETE_ENDED, &values).await?;
            change.commit().await?;
            swept.deleted += deleted;
            if deleted < BATCH {
                return Ok(swept);
            }
        }
    }

    async fn end_lost(&self) -> Result<u64, QueueError> {
        let mut change = self.begin().await?;
        let now_ms = change.now_ms();
        let lost = self.database.dialect().choose(LOST[0], LOST[1]);
        let lost = Job::from_rows(&change.transaction().rows(lost, &[now_ms.into()]).await?)?;
        let mut ended = 0;
        for job in lost {
            // The end of a sibling in this loop may have changed it.
            let Some(mut job) = change.job(job.id).await? else { continue };
            if job.cancel_requested {
                change.end(&mut job, State::Cancelled).await?;
            } else {
                job.last_error = Some("worker lost".to_owned());
                job.unavailable = false;
                change.end(&mut job, State::Failed).await?;
            }
            ended += 1;
            change.update_ancestors(job.parent).await?;
        }
        change.commit().await?;
        Ok(ended)
    }
}
