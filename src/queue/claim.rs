//! Claims jobs for workers.

use std::time::Duration;

use super::{
    Class, Job, Lease, Queue, QueueError,
    clock::{millis, postgres_now_sql},
    one_statement::{OneStatement, one_statement, postgres_statement},
    row::jobs_sql,
    wait::notify_sql,
};
use crate::store::Value;

/// The claimable jobs at a time, of the classes $2 to $6: jobs that are due, and jobs with an expired lease.
/// A job without attempts left is the sweeper's: it may be the one that kills its workers. A time further ahead
/// than any backoff or lease (two hours) was written before the clock was set back.
macro_rules! claimable {
    ($now_ms:literal) => {
        concat!(
            "FROM jobs WHERE state IN ('queued', 'running') AND class IN ($2, $3, $4, $5, $6)
             AND attempts < max_attempts AND cancel_requested = 0
             AND ((state = 'queued' AND (run_at_ms <= ",
            $now_ms,
            " OR run_at_ms > ",
            $now_ms,
            " + 7200000))
               OR (state = 'running'
                   AND (lease_until_ms <= ",
            $now_ms,
            " OR lease_until_ms > ",
            $now_ms,
            " + 7200000)))"
        )
    };
}

/// The token is the number of the claim, unique among all claims.
macro_rules! claim {
    ($lock:literal) => {
        jobs_sql!(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = number.last,
                lease_owner = $7, lease_until_ms = number.now_ms + $8,
                started_ms = COALESCE(started_ms, number.now_ms), changed = number.last, client = NULL
             FROM number WHERE id = (SELECT id ", claimable!("(SELECT now_ms FROM number)"),
            " ORDER BY priority DESC, run_at_ms, id LIMIT 1 ", $lock, ")";
            RETURNING
        )
    };
}

/// The time of the number comes before the lock of a job, as with all changes. SKIP LOCKED passes over rows
/// that a heartbeat or an administrator's transaction has locked.
const CLAIM: OneStatement = one_statement!(
    if concat!("SELECT 1 ", claimable!("(SELECT now_ms FROM clock)"));
    sqlite claim!("");
    postgres claim!("FOR UPDATE SKIP LOCKED")
);

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
        let classes = Class::ALL
            .iter()
            .map(|class| Value::from(Some(class.as_str()).filter(|_| classes.contains(class))));
        let lease = [owner.into(), millis(lease).into()];
        // No row: nothing is claimable, or others took all that was there when the statement began. What was
        // enqueued since is a change, which wakes the worker again.
        let Some(row) = self.change_one(&CLAIM, classes.chain(lease)).await? else {
            return Ok(None);
        };
        let job = Job::from_row(&row)?;
        let lease = Lease { job: job.id, token: job.lease_token };
        Ok(Some((job, lease)))
    }
}
