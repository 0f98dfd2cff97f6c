//! The reference: the queue as a plain list, and rules that scan all of it.

use headwater::queue::{Job, JobId, Lease, State};

/// A job, with the fields that the rules use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferenceJob {
    pub id: JobId,
    pub parent: Option<JobId>,
    pub key: Option<String>,
    pub state: State,
    pub priority: i64,
    pub attempts: u32,
    pub max_attempts: u32,
    pub run_at_ms: i64,
    pub token: i64,
    pub until_ms: Option<i64>,
    pub permille: u64,
    pub cancel: bool,
    pub finished_ms: Option<i64>,
}

impl ReferenceJob {
    pub fn from_job(job: &Job) -> Self {
        Self {
            id: job.id,
            parent: job.parent,
            key: job.dedupe_key.clone(),
            state: job.state,
            priority: job.priority,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            run_at_ms: job.run_at_ms,
            token: job.lease_token,
            until_ms: job.lease_until_ms,
            permille: job.progress.permille.into(),
            cancel: job.cancel_requested,
            finished_ms: job.finished_ms,
        }
    }

    pub fn is_live(&self) -> bool {
        !self.state.is_end()
    }
}

/// The queue.
#[derive(Debug, Default)]
pub struct ReferenceQueue {
    pub now_ms: i64,
    /// Ordered by id.
    pub jobs: Vec<ReferenceJob>,
}

impl ReferenceQueue {
    pub fn at(&mut self, id: JobId) -> &mut ReferenceJob {
        self.jobs.iter_mut().find(|job| job.id == id).expect("a job")
    }

    fn children(&self, id: JobId) -> Vec<ReferenceJob> {
        self.jobs.iter().filter(|job| job.parent == Some(id)).cloned().collect()
    }

    pub fn alive(&self, key: &str) -> Option<JobId> {
        let is_it = |job: &&ReferenceJob| job.is_live() && job.key.as_deref() == Some(key);
        self.jobs.iter().find(is_it).map(|job| job.id)
    }

    /// Whether a lease still holds.
    pub fn holds(&self, lease: Lease) -> bool {
        self.jobs.iter().any(|job| {
            job.id == lease.job
                && job.state == State::Running
                && job.token == lease.token
                && job.until_ms > Some(self.now_ms)
        })
    }

    /// The job to claim next.
    pub fn next(&self) -> Option<JobId> {
        let now_ms = self.now_ms;
        let is_due = |job: &&ReferenceJob| match job.state {
            State::Queued => job.run_at_ms <= now_ms,
            State::Running => job.until_ms <= Some(now_ms),
            _ => false,
        };
        let may_be = |job: &&ReferenceJob| job.attempts < job.max_attempts && !job.cancel;
        let due = self.jobs.iter().filter(is_due).filter(may_be);
        due.min_by_key(|job| (-job.priority, job.run_at_ms, job.id)).map(|job| job.id)
    }

    pub fn claim(&mut self, id: JobId, token: i64, until_ms: i64) {
        let job = self.at(id);
        job.state = State::Running;
        job.attempts += 1;
        (job.token, job.until_ms) = (token, Some(until_ms));
    }

    /// Ends a job, and updates its ancestors.
    pub fn end(&mut self, id: JobId, state: State) {
        let now_ms = self.now_ms;
        let job = self.at(id);
        (job.state, job.until_ms, job.finished_ms) = (state, None, Some(now_ms));
        self.update_ancestors(id);
    }

    /// Queues a job again, and updates its ancestors.
    pub fn queue(&mut self, id: JobId, run_at_ms: i64) {
        let job = self.at(id);
        (job.state, job.until_ms, job.permille) = (State::Queued, None, 0);
        job.run_at_ms = run_at_ms;
        self.update_ancestors(id);
    }

    pub fn split(&mut self, id: JobId, children: Vec<ReferenceJob>) {
        let mut gone = vec![id];
        while let Some(above) = gone.pop() {
            gone.extend(self.children(above).iter().map(|child| child.id));
            self.jobs.retain(|job| job.parent != Some(above));
        }
        let now_ms = self.now_ms;
        let job = self.at(id);
        (job.until_ms, job.permille, job.run_at_ms) = (None, 0, now_ms);
        job.state = State::Queued;
        if !children.is_empty() {
            job.state = State::Waiting;
            job.attempts -= 1;
        }
        self.jobs.extend(children);
        self.update_ancestors(id);
    }

    /// Cancels a job and all its descendants.
    pub fn cancel(&mut self, id: JobId) {
        match self.at(id).state {
            State::Queued => self.end(id, State::Cancelled),
            State::Running => self.at(id).cancel = true,
            State::Waiting => {
                self.at(id).cancel = true;
                for child in self.children(id) {
                    self.cancel(child.id);
                }
                self.update_from_children(id);
            }
            _ => {}
        }
    }

    pub fn update_ancestors(&mut self, id: JobId) {
        if let Some(parent) = self.at(id).parent {
            self.update_from_children(parent);
        }
    }

    /// Updates a waiting job by the states of its children.
    fn update_from_children(&mut self, id: JobId) {
        if self.at(id).state != State::Waiting {
            return;
        }
        let has =
            |children: &[ReferenceJob], state| children.iter().any(|child| child.state == state);
        let children = self.children(id);
        let is_broken = has(&children, State::Failed) || has(&children, State::Cancelled);
        // Marked first: the end of a child recurses into this job.
        for child in children.iter().filter(|child| is_broken && child.is_live()) {
            let is_asked = self.at(child.id).cancel;
            if !is_asked {
                self.cancel(child.id);
            }
        }
        if self.at(id).state != State::Waiting {
            return;
        }
        let children = self.children(id);
        let sum: u64 = children.iter().map(|child| child.permille).sum();
        self.at(id).permille = sum / children.len() as u64;
        if children.iter().any(ReferenceJob::is_live) {
            return self.update_ancestors(id);
        }
        if self.at(id).cancel {
            self.end(id, State::Cancelled);
        } else if has(&children, State::Failed) {
            self.end(id, State::Failed);
        } else if has(&children, State::Cancelled) {
            self.end(id, State::Cancelled);
        } else {
            let now_ms = self.now_ms;
            let job = self.at(id);
            (job.state, job.run_at_ms) = (State::Queued, now_ms);
            self.update_ancestors(id);
        }
    }

    /// Retries a family, if all of it is dead and its key is free.
    pub fn retry(&mut self, id: JobId) {
        let mut top = id;
        while let Some(parent) = self.at(top).parent {
            top = parent;
        }
        let dead = self.at(top).clone();
        let is_taken = dead.key.is_some_and(|key| self.alive(&key).is_some());
        if !is_taken && matches!(dead.state, State::Failed | State::Cancelled) {
            self.restart(top);
        }
    }

    fn restart(&mut self, id: JobId) {
        let now_ms = self.now_ms;
        let children = self.children(id);
        let dead: Vec<_> = children.iter().filter(|child| child.state != State::Done).collect();
        let job = self.at(id);
        job.state = if dead.is_empty() { State::Queued } else { State::Waiting };
        (job.attempts, job.run_at_ms, job.permille) = (0, now_ms, 0);
        (job.cancel, job.finished_ms) = (false, None);
        for child in &dead {
            self.restart(child.id);
        }
        if !dead.is_empty() {
            let sum: u64 = self.children(id).iter().map(|child| child.permille).sum();
            self.at(id).permille = sum / children.len() as u64;
        }
    }

    pub fn prioritize(&mut self, id: JobId, priority: i64) {
        let by = priority - self.at(id).priority;
        self.raise(id, by);
    }

    fn raise(&mut self, id: JobId, by: i64) {
        if self.at(id).is_live() {
            self.at(id).priority += by;
            if self.at(id).state == State::Waiting {
                for child in self.children(id) {
                    self.raise(child.id, by);
                }
            }
        }
    }

    pub fn sweep(&mut self, keep_ms: i64) {
        let now_ms = self.now_ms;
        let is_lost = |job: &&ReferenceJob| {
            let is_over = job.attempts >= job.max_attempts || job.cancel;
            job.state == State::Running && job.until_ms <= Some(now_ms) && is_over
        };
        let lost: Vec<_> = self.jobs.iter().filter(is_lost).map(|job| job.id).collect();
        for id in lost {
            let state = if self.at(id).cancel { State::Cancelled } else { State::Failed };
            self.end(id, state);
        }
        let is_old = |job: &ReferenceJob| job.finished_ms.is_some_and(|ms| ms <= now_ms - keep_ms);
        self.jobs.retain(|job| job.parent.is_some() || !is_old(job));
        loop {
            let ids: Vec<_> = self.jobs.iter().map(|job| job.id).collect();
            let before = self.jobs.len();
            self.jobs.retain(|job| job.parent.is_none_or(|parent| ids.contains(&parent)));
            if self.jobs.len() == before {
                return;
            }
        }
    }
}
