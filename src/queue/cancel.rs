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

    /// Gives another priority to a job, and moves all below it by as much, as far as they have not
    /// ended.
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
        // Those below keep their order among each other.
        let by = priority.saturating_sub(job.priority);
        let mut waiting = Vec::new();
        self.raise(&mut job, by, &mut waiting).await?;
        while let Some(id) = waiting.pop() {
            for mut child in self.children(id).await? {
                self.raise(&mut child, by, &mut waiting).await?;
            }
        }
        Ok(job)
    }

    async fn raise(
        &mut self,
        job: &mut Job,
        by: i64,
        waiting: &mut Vec<JobId>,
    ) -> Result<(), QueueError> {
        if job.state.is_end() || by == 0 {
            return Ok(());
        }
        if job.state == State::Waiting {
            waiting.push(job.id);
        }
        job.priority = job.priority.saturating_add(by);
        self.save(job).await
    }
}
