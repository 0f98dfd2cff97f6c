//! Splits a job into children.

use super::{JobSubmission, Lease, Queue, QueueError, State};

impl Queue {
    /// Adds children to a job, which waits for them and is claimed again when all are done. The claim
    /// that splits it does not count as an attempt. Earlier children are deleted. `false`: the lease is
    /// lost, and nothing changed.
    ///
    /// A job with a pending cancellation is cancelled instead. After an error the outcome is
    /// unknown; a second call is safe.
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
            change.update_ancestors(job.parent).await?;
            change.commit().await?;
            return Ok(true);
        }
        // All of them have ended, or the job would not be running.
        let delete = "DELETE FROM jobs WHERE parent = $1";
        change.transaction().execute(delete, &[job.id.into()]).await?;
        job.requeue(change.now_ms());
        if !children.is_empty() {
            job.state = State::Waiting;
            job.attempts = job.attempts.saturating_sub(1);
        }
        change.save(&mut job).await?;
        for child in children {
            change.insert(child, Some(job.id), None).await?;
        }
        change.update_ancestors(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }
}
