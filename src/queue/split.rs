//! A job that is done in pieces.

use super::{JobSubmission, Lease, Queue, QueueError, State};

impl Queue {
    /// The job waits for these children, and is claimed once more when all of them are done. The
    /// claim that split it does not count as an attempt. Children that it had before are forgotten.
    /// `false`: the lease is lost, and nothing has changed.
    ///
    /// A job that is to be cancelled is cancelled instead. After an error it may have been split or
    /// not: say it again, it is split once.
    pub async fn split(
        &self,
        lease: &Lease,
        children: Vec<JobSubmission>,
    ) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else {
            let job = change.job(lease.job).await?;
            return Ok(job
                .is_some_and(|job| job.state == State::Waiting && job.lease_token == lease.token));
        };
        if job.cancel_requested {
            change.end(&mut job, State::Cancelled).await?;
            change.settle(job.parent).await?;
            change.commit().await?;
            return Ok(true);
        }
        // All of them have ended, or it would not be running.
        let forget = "DELETE FROM jobs WHERE parent = $1";
        change.transaction().execute(forget, &[job.id.into()]).await?;
        job.queue_again(change.now_ms());
        if !children.is_empty() {
            job.state = State::Waiting;
            job.attempts = job.attempts.saturating_sub(1);
        }
        change.save(&mut job).await?;
        for child in children {
            change.insert(child, Some(job.id)).await?;
        }
        change.settle(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }
}
