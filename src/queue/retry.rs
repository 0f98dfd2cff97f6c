//! Retries failed and cancelled jobs.

use super::{Change, Job, JobId, Queue, QueueError, State};

impl Queue {
    /// Queues a failed or cancelled job again, with all its attempts, and with its whole family: done
    /// children stay, the others run again, and then the parent joins them.
    ///
    /// Nothing changes while one of the family is live, or if another live job has its `dedupe_key`.
    pub async fn retry(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut top) = change.job(id).await? else { return Ok(None) };
        while let Some(parent) = top.parent {
            top = change.job(parent).await?.ok_or(QueueError::LockLost)?;
        }
        let is_free = match &top.dedupe_key {
            Some(key) => change.live_job(key).await?.is_none(),
            None => true,
        };
        if is_free && matches!(top.state, State::Failed | State::Cancelled) {
            change.restart(top).await?;
        }
        let job = change.job(id).await?;
        change.commit().await?;
        Ok(job)
    }
}

impl Change {
    async fn restart(&mut self, top: Job) -> Result<(), QueueError> {
        let mut waiting = Vec::new();
        let mut ended = vec![top];
        while let Some(mut job) = ended.pop() {
            let children = self.children(job.id).await?;
            let before = ended.len();
            ended.extend(children.into_iter().filter(|child| child.state != State::Done));
            job.requeue(self.now_ms());
            if ended.len() > before {
                job.state = State::Waiting;
                waiting.push(job.id);
            }
            job.attempts = 0;
            job.cancel_requested = false;
            job.last_error = None;
            job.unavailable = false;
            job.started_ms = None;
            job.finished_ms = None;
            self.save(&mut job).await?;
        }
        // Parents come before their children in the list: update their progress from the bottom up.
        for id in waiting.into_iter().rev() {
            if let Some(job) = self.job(id).await? {
                self.update_from_children(job).await?;
            }
        }
        Ok(())
    }
}
