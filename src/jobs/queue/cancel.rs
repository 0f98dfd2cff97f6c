//! What people may do to a job: end it, or have it done sooner or later.

use super::{Change, Job, JobId, Queue, QueueError, State};

impl Queue {
    /// Cancels a job and all below it. One that a worker has, or that waits for children, ends as
    /// soon as these know; one that has ended stays as it is. A child's end is its family's.
    pub async fn cancel(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.job(id).await? else { return Ok(None) };
        if change.ask_to_end(&mut job).await? {
            if job.state == State::Waiting {
                change.cancel_below(id).await?;
                change.settle(Some(id)).await?;
            } else {
                change.settle(job.parent).await?;
            }
        }
        let job = change.job(id).await?;
        change.commit().await?;
        Ok(job)
    }

    /// Gives another priority to a job and to all below it, as far as they have not ended.
    pub async fn set_priority(&self, id: JobId, priority: i64) -> Result<Option<Job>, QueueError> {
        let mut change = self.begin().await?;
        let Some(job) = change.job(id).await? else { return Ok(None) };
        let job = change.prioritize(job, priority).await?;
        change.commit().await?;
        Ok(Some(job))
    }
}

impl Change {
    pub(super) async fn prioritize(
        &mut self,
        mut job: Job,
        priority: i64,
    ) -> Result<Job, QueueError> {
        let mut waiting = Vec::new();
        self.prioritize_one(&mut job, priority, &mut waiting).await?;
        while let Some(id) = waiting.pop() {
            for mut child in self.children(id).await? {
                self.prioritize_one(&mut child, priority, &mut waiting).await?;
            }
        }
        Ok(job)
    }

    async fn prioritize_one(
        &mut self,
        job: &mut Job,
        priority: i64,
        waiting: &mut Vec<JobId>,
    ) -> Result<(), QueueError> {
        if job.state == State::Waiting {
            waiting.push(job.id);
        }
        if !job.state.is_end() && job.priority != priority {
            job.priority = priority;
            self.save(job).await?;
        }
        Ok(())
    }
}
