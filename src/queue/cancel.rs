//! Cancels jobs and changes their priority.

use super::{Change, Job, JobId, Queue, QueueError, State};

impl Queue {
    /// Cancels a job and its descendants. A running or waiting job ends once its worker or its children
    /// have stopped; an ended one does not change. Cancelling a child cancels its whole family.
    pub async fn cancel(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.job(id).await? else { return Ok(None) };
        if change.request_cancel(&mut job).await? {
            if job.state == State::Waiting {
                change.cancel_descendants(id).await?;
                change.update_ancestors(Some(id)).await?;
            } else {
                change.update_ancestors(job.parent).await?;
            }
        }
        let job = change.job(id).await?;
        change.commit().await?;
        Ok(job)
    }

    /// Sets the priority of a job, and shifts that of its live descendants by the same amount.
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
        // Descendants keep their relative order.
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
