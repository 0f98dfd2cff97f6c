//! How a worker gets a job.

use std::time::Duration;

use super::{Class, Job, Lease, Queue, QueueError, clock::millis, row::jobs_sql};
use crate::store::Value;

/// Which jobs may be claimed, in terms of the time $1 and the classes $2 to $5: those that are due,
/// and those whose worker was not heard of. One that was begun too often is left to the sweeper: it
/// may be what kills its workers. What lies further ahead than any pause or lease (two hours) was
/// written before the clock was set back.
macro_rules! claimable {
    () => {
        "FROM jobs WHERE state IN ('queued', 'running') AND class IN ($2, $3, $4, $5)
         AND attempts < max_attempts AND cancel_requested = 0
         AND ((state = 'queued' AND (run_at_ms <= $1 OR run_at_ms > $1 + 7200000))
           OR (state = 'running' AND (lease_until_ms <= $1 OR lease_until_ms > $1 + 7200000)))"
    };
}

const LOOK: &str = concat!("SELECT 1 ", claimable!(), " LIMIT 1");

macro_rules! claim {
    ($lock:literal) => {
        jobs_sql!(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = $6,
                lease_owner = $7, lease_until_ms = $8, started_ms = COALESCE(started_ms, $1),
                changed = $6
             WHERE id = (SELECT id ", claimable!(),
            " ORDER BY priority DESC, run_at_ms, id LIMIT 1 ", $lock, ")";
            RETURNING
        )
    };
}

/// Queue workers hold the queue's lock and never meet; SKIP LOCKED is for the administrator who
/// has a look at a row in a transaction, and for what else there may be.
const CLAIM: [&str; 2] = [claim!(""), claim!("FOR UPDATE SKIP LOCKED")];

impl Queue {
    /// Gives the most urgent job of these classes to `owner`, for so long at first. If its children
    /// have all been done it is to be joined.
    ///
    /// Time makes jobs claimable too, without any [change](Self::wait_for_change): ask every second
    /// or so.
    pub async fn claim(
        &self,
        owner: &str,
        classes: &[Class],
        lease: Duration,
    ) -> Result<Option<(Job, Lease)>, QueueError> {
        let mut places = [const { Value::Text(None) }; Class::ALL.len()];
        for (place, class) in places.iter_mut().zip(Class::ALL) {
            *place = Some(class.as_str()).filter(|_| classes.contains(class)).into();
        }
        // An idle worker asks often, and must not take the lock for it.
        let now_ms = self.clock.now_ms(&self.database).await?;
        let mut values = vec![now_ms.into()];
        values.extend(places);
        if self.database.row(LOOK, &values).await?.is_none() {
            return Ok(None);
        }
        let mut change = self.begin().await?;
        let now_ms = change.now_ms();
        // A token is the number of the claim: no other claim of any job has the same.
        let token = change.next();
        values[0] = now_ms.into();
        values.extend([token.into(), owner.into(), (now_ms + millis(lease)).into()]);
        let claim = self.database.dialect().choose(CLAIM[0], CLAIM[1]);
        let Some(row) = change.transaction().row(claim, &values).await? else {
            return Ok(None);
        };
        change.took_next();
        let job = Job::of(&row)?;
        change.commit().await?;
        let lease = Lease { job: job.id, token };
        Ok(Some((job, lease)))
    }
}
