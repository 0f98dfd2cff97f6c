//! Families: how children change their parent, and a parent's cancellation its children.

use super::{Change, Job, JobId, QueueError, State, row::number};

/// Summary of the children of a job.
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

/// The error of the child that failed first.
const FIRST_ERROR: &str =
    "SELECT last_error, unavailable FROM jobs WHERE parent = $1 AND state = 'failed'
    ORDER BY changed LIMIT 1";

impl Change {
    /// Updates a job from its changed children, and then its ancestors.
    pub(super) async fn update_ancestors(
        &mut self,
        mut parent: Option<JobId>,
    ) -> Result<(), QueueError> {
        while let Some(id) = parent {
            let Some(job) = self.job(id).await?.filter(|job| job.state == State::Waiting) else {
                return Ok(());
            };
            let children = self.count_children(id).await?;
            if children.live > 0 && children.failed + children.cancelled > 0 {
                // The job cannot be joined any more; the other children would run in vain.
                self.cancel_descendants(id).await?;
            }
            parent = job.parent;
            if !self.update_from_children(job).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Cancels all live descendants of a job.
    pub(super) async fn cancel_descendants(&mut self, id: JobId) -> Result<(), QueueError> {
        let mut waiting = vec![id];
        let mut visited = 0;
        while let Some(&parent) = waiting.get(visited) {
            visited += 1;
            for mut child in self.children(parent).await? {
                if self.request_cancel(&mut child).await? && child.state == State::Waiting {
                    waiting.push(child.id);
                }
            }
        }
        // From the bottom up, without the job itself.
        for id in waiting.drain(1..).rev() {
            if let Some(job) = self.job(id).await? {
                self.update_from_children(job).await?;
            }
        }
        Ok(())
    }

    /// Cancels a queued job, and requests the cancellation of a running or waiting one. Returns whether
    /// it was live.
    pub(super) async fn request_cancel(&mut self, job: &mut Job) -> Result<bool, QueueError> {
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

    /// Updates a waiting job from the states of its children. Returns whether it changed.
    pub(super) async fn update_from_children(&mut self, mut job: Job) -> Result<bool, QueueError> {
        let children = self.count_children(job.id).await?;
        let before = (job.progress.permille, job.last_error.clone());
        let mean = children.permille.checked_div(children.count).unwrap_or(0);
        job.progress.permille = u16::try_from(mean).unwrap_or(1000).min(1000);
        if children.failed > 0 {
            let row = self
                .transaction()
                .row(FIRST_ERROR, &[job.id.into()])
                .await?
                .ok_or(QueueError::LockLost)?;
            job.last_error = row.get("last_error")?;
            job.unavailable = row.get::<i64>("unavailable")? != 0;
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

    async fn count_children(&mut self, id: JobId) -> Result<Children, QueueError> {
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
