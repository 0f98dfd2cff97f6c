//! A second life for what failed or was cancelled.

use super::{Change, Job, JobId, Queue, QueueError, State};

impl Queue {
    /// Queues a job again that failed or was cancelled, with all its attempts. Of a family it is
    /// always the whole: what was done stays, what was not is done again, then it is joined.
    ///
    /// Nothing changes while any of it is alive, or when another job has its `dedupe_key` by now.
    pub async fn retry(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut top) = change.job(id).await? else { return Ok(None) };
        while let Some(parent) = top.parent {
            top = change.job(parent).await?.ok_or(QueueError::LockLost)?;
        }
        let is_free = match &top.dedupe_key {
            Some(key) => change.alive(key).await?.is_none(),
            None => true,
        };
        if is_free && matches!(top.state, State::Failed | State::Cancelled) {
            change.revive(top).await?;
        }
        let job = change.job(id).await?;
        change.commit().await?;
        Ok(job)
    }
}

impl Change {
    async fn revive(&mut self, top: Job) -> Result<(), QueueError> {
        let mut waiting = Vec::new();
        let mut dead = vec![top];
        while let Some(mut job) = dead.pop() {
            let children = self.children(job.id).await?;
            let before = dead.len();
            dead.extend(children.into_iter().filter(|child| child.state != State::Done));
            job.queue_again(self.now_ms());
            if dead.len() > before {
                job.state = State::Waiting;
                waiting.push(job.id);
            }
            job.attempts = 0;
            job.cancel_requested = false;
            job.last_error = None;
            job.lacked = false;
            job.started_ms = None;
            job.finished_ms = None;
            self.save(&mut job).await?;
        }
        // Parents were met before their children: from the bottom up, each gets its progress.
        for id in waiting.into_iter().rev() {
            if let Some(job) = self.job(id).await? {
                self.conclude(job).await?;
            }
        }
        Ok(())
    }
}
