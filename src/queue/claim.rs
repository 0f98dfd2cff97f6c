//! Claims jobs for workers.

use std::time::Duration;

use super::{Class, Job, Lease, Queue, QueueError, clock::millis, row::jobs_sql};
use crate::store::Value;

/// The claimable jobs at the time $1, of the classes $2 to $6: jobs that are due, and jobs with an
/// expired lease. A job without attempts left is the sweeper's: it may be the one that kills its workers.
/// A time further ahead than any backoff or lease (two hours) was written before the clock was set back.
macro_rules! claimable {
    () => {
        "FROM jobs WHERE state IN ('queued', 'running') AND class IN ($2, $3, $4, $5, $6)
         AND attempts < max_attempts AND cancel_requested = 0
         AND ((state = 'queued' AND (run_at_ms <= $1 OR run_at_ms > $1 + 7200000))
           OR (state = 'running' AND (lease_until_ms <= $1 OR lease_until_ms > $1 + 7200000)))"
    };
}

const IS_CLAIMABLE: &str = concat!("SELECT 1 ", claimable!(), " LIMIT 1");

macro_rules! claim {
    ($lock:literal) => {
        jobs_sql!(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = $7,
                lease_owner = $8, lease_until_ms = $9, started_ms = COALESCE(started_ms, $1),
                changed = $7, client = NULL
             WHERE id = (SELECT id ", claimable!(),
            " ORDER BY priority DESC, run_at_ms, id LIMIT 1 ", $lock, ")";
            RETURNING
        )
    };
}

/// Workers hold the queue's lock and never meet. SKIP LOCKED passes over rows that an administrator's
/// transaction has locked.
const CLAIM: [&str; 2] = [claim!(""), claim!("FOR UPDATE SKIP LOCKED")];

impl Queue {
    /// Claims the most urgent job of these classes for `owner`, with a lease. Once all children of a
    /// job are done, it is claimed again, to join their results.
    ///
    /// Time makes jobs claimable too, without a [change](Self::wait_for_change): poll every second or
    /// so.
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
        // An idle worker polls often, and must not take the lock each time.
        let now_ms = self.clock.now_ms(&self.database).await?;
        let mut values = vec![now_ms.into()];
        values.extend(places);
        if self.database.row(IS_CLAIMABLE, &values).await?.is_none() {
            return Ok(None);
        }
        let mut change = self.begin().await?;
        let now_ms = change.now_ms();
        // The token is the number of the claim, unique among all claims.
        let token = change.next();
        values[0] = now_ms.into();
        values.extend([token.into(), owner.into(), (now_ms + millis(lease)).into()]);
        let claim = self.database.dialect().choose(CLAIM[0], CLAIM[1]);
        let Some(row) = change.transaction().row(claim, &values).await? else {
            // Another worker was faster. A commit keeps the connection, which a rollback closes.
            change.commit().await?;
            return Ok(None);
        };
        change.advance();
        let job = Job::from_row(&row)?;
        change.commit().await?;
        let lease = Lease { job: job.id, token };
        Ok(Some((job, lease)))
    }
}
