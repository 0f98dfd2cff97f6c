//! Waits for changes without constant polling.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    select,
    sync::watch,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Queue, QueueError};
use crate::store::{Database, PostgresPool};

/// Channel of LISTEN and NOTIFY.
const CHANNEL: &str = "headwater_jobs";

/// Notifies all processes, with PostgreSQL, once the transaction commits.
macro_rules! notify_sql {
    () => {
        "pg_notify('headwater_jobs', '')"
    };
}
pub(super) use notify_sql;

/// As one more statement.
pub(super) const NOTIFY: &str = concat!("; SELECT ", notify_sql!());

/// Poll interval with SQLite, which notifies no other process of a change. A poll costs some 50 µs.
const SQLITE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Poll interval with PostgreSQL: a lost connection may lose a notification.
const POSTGRES_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Delay before listening again after an error.
const LISTEN_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Signals possible changes, by this process and, with PostgreSQL, by all others.
#[derive(Debug, Default)]
pub(super) struct ChangeSignal {
    count: watch::Sender<u64>,
    /// The task that listens; the first waiter starts it.
    listening: Mutex<Option<AbortHandle>>,
}

impl Queue {
    /// Waits until the number of the last change differs from `seen`; returns it.
    ///
    /// Time makes no change: jobs that become due and leases that expire wake no waiter. A database that
    /// is down is an error at once; pause before the next call.
    pub async fn wait_for_change(&self, seen: i64) -> Result<i64, QueueError> {
        let poll = self.database.dialect().choose(SQLITE_POLL_INTERVAL, POSTGRES_POLL_INTERVAL);
        if let Database::Postgres(pool) = &self.database {
            ChangeSignal::listen(&self.changes, pool);
        }
        let mut changes = self.changes.count.subscribe();
        loop {
            // Before the query, so that no signal during it is missed.
            changes.mark_unchanged();
            let last = self.last_change().await?;
            if last != seen {
                return Ok(last);
            }
            // After a signal or the interval, query again.
            timeout(poll, changes.changed()).await.ok();
        }
    }
}

impl ChangeSignal {
    /// Wakes the waiters of this process.
    pub(super) fn wake(&self) {
        self.count.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn listen(changes: &Arc<Self>, pool: &Arc<PostgresPool>) {
        let mut listening = changes.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(listen(Arc::downgrade(changes), Arc::clone(pool)));
            *listening = Some(task.abort_handle());
        }
    }
}

impl Drop for ChangeSignal {
    fn drop(&mut self) {
        let listening = self.listening.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = listening.take() {
            task.abort();
        }
    }
}

/// Listens until the queue is dropped, across restarts of the server.
async fn listen(changes: Weak<ChangeSignal>, pool: Arc<PostgresPool>) {
    loop {
        let forwarded = select! {
            forwarded = forward(&changes, &pool) => forwarded,
            // The connection may lead to a server that is gone, and be silent for ever.
            () = pool.recovered() => continue,
        };
        if let Err(error) = forwarded {
            tracing::debug!(%error, "no notifications from PostgreSQL, polling");
        }
        if changes.strong_count() == 0 {
            return;
        }
        sleep(LISTEN_RETRY_INTERVAL).await;
    }
}

/// Forwards notifications of PostgreSQL to the waiters of this process.
async fn forward(changes: &Weak<ChangeSignal>, pool: &PostgresPool) -> Result<(), sqlx::Error> {
    let mut listener = pool.listen(CHANNEL).await?;
    while let Some(signal) = changes.upgrade() {
        // Changes before the LISTEN, or during a lost connection, sent no notification here.
        signal.wake();
        drop(signal);
        listener.try_recv().await?;
    }
    Ok(())
}
