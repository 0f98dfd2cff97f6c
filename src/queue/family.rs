//! What the end of a child means for its parent, and the end of a parent for its children.

use super::{Change, Job, JobId, QueueError, State, row::number};

/// How the children of a job are.
struct Children {
    count: u64,
    live: u64,
    failed: u64,
    cancelled: u64,
    permille: u64,
}

const COUNT: &str = "SELECT COUNT(*) AS count,
    CAST(COALESCE(SUM(permille), 0) AS BIGINT) AS permille,
    COUNT(CASE WHEN state IN ('queued', 'running', 'waiting') THEN 1 END) AS live,
    COUNT(CASE WHEN state = 'failed' THEN 1 END) AS failed,
    COUNT(CASE WHEN state = 'cancelled' THEN 1 END) AS cancelled
    FROM jobs WHERE parent = $1";

/// The reason of the child that failed first.
const REASON: &str = "SELECT last_error, lacked FROM jobs WHERE parent = $1 AND state = 'failed'
    ORDER BY changed LIMIT 1";

impl Change {
    /// A child of this job has changed: takes that over into the job, and into those above it.
    pub(super) async fn settle(&mut self, mut parent: Option<JobId>) -> Result<(), QueueError> {
        while let Some(id) = parent {
            let Some(job) = self.job(id).await?.filter(|job| job.state == State::Waiting) else {
                return Ok(());
            };
            let children = self.count(id).await?;
            if children.live > 0 && children.failed + children.cancelled > 0 {
                // There is nothing to join any more: the others work for nothing.
                self.cancel_below(id).await?;
            }
            parent = job.parent;
            if !self.conclude(job).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Cancels all jobs below this one that are alive, children and children's children.
    pub(super) async fn cancel_below(&mut self, id: JobId) -> Result<(), QueueError> {
        let mut waiting = vec![id];
        let mut looked_at = 0;
        while let Some(&above) = waiting.get(looked_at) {
            looked_at += 1;
            for mut child in self.children(above).await? {
                if self.ask_to_end(&mut child).await? && child.state == State::Waiting {
                    waiting.push(child.id);
                }
            }
        }
        // From the bottom up, without the one that was asked for.
        for id in waiting.drain(1..).rev() {
            if let Some(job) = self.job(id).await? {
                self.conclude(job).await?;
            }
        }
        Ok(())
    }

    /// Ends a job that nobody has begun, and tells the others that they shall end. Returns whether
    /// it was alive.
    pub(super) async fn ask_to_end(&mut self, job: &mut Job) -> Result<bool, QueueError> {
        match job.state {
            State::Done | State::Failed | State::Cancelled => return Ok(false),
            State::Queued => self.end(job, State::Cancelled).await?,
            State::Running | State::Waiting if job.cancel_requested => {}
            State::Running | State::Waiting => {
                job.cancel_requested = true;
                self.save(job).await?;
            }
        }
        Ok(true)
    }

    /// Takes the state of its children over into a job that waits for them. Returns whether that
    /// changed anything.
    pub(super) async fn conclude(&mut self, mut job: Job) -> Result<bool, QueueError> {
        let children = self.count(job.id).await?;
        let before = (job.progress.permille, job.last_error.clone());
        let mean = children.permille.checked_div(children.count).unwrap_or(0);
        job.progress.permille = u16::try_from(mean).unwrap_or(1000).min(1000);
        if children.failed > 0 {
            let row = self.transaction().row(REASON, &[job.id.into()]).await?;
            let row = row.ok_or(QueueError::LockLost)?;
            job.last_error = row.get("last_error")?;
            job.lacked = row.get::<i64>("lacked")? != 0;
        }
        if children.live > 0 {
            let has_changed = before != (job.progress.permille, job.last_error.clone());
            if has_changed {
                self.save(&mut job).await?;
            }
            return Ok(has_changed);
        }
        if job.cancel_requested || (children.cancelled > 0 && children.failed == 0) {
            self.end(&mut job, State::Cancelled).await?;
        } else if children.failed > 0 {
            self.end(&mut job, State::Failed).await?;
        } else {
            job.state = State::Queued;
            job.run_at_ms = self.now_ms();
            self.save(&mut job).await?;
        }
        Ok(true)
    }

    async fn count(&mut self, id: JobId) -> Result<Children, QueueError> {
        let row = self.transaction().row(COUNT, &[id.into()]).await?.ok_or(QueueError::LockLost)?;
        Ok(Children {
            count: number(&row, "count")?,
            live: number(&row, "live")?,
            failed: number(&row, "failed")?,
            cancelled: number(&row, "cancelled")?,
            permille: number(&row, "permille")?,
        })
    }
}
