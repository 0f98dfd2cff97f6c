//! Waiting for a change without asking all the time.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Queue, QueueError};
use crate::store::{Database, DatabaseError, Dialect, Transaction};

/// PostgreSQL's channel.
const CHANNEL: &str = "headwater_jobs";

/// How often SQLite is asked: it tells no other process of a change. One question costs some 50 µs.
const SQLITE_POLL: Duration = Duration::from_millis(250);

/// How often PostgreSQL is asked nevertheless: a message may be lost with a connection.
const POSTGRES_POLL: Duration = Duration::from_secs(5);

/// The pause before another try to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Hints that something may have changed, from this process and, with PostgreSQL, from all others.
#[derive(Debug, Default)]
pub(super) struct Hints {
    count: watch::Sender<u64>,
    /// The task that listens; there is one as soon as somebody has waited.
    listening: Mutex<Option<AbortHandle>>,
}

impl Queue {
    /// Waits until the number of the last change is another one than `seen`; returns it.
    ///
    /// It does not tell of what time brings: jobs that become due, leases that run out. A database
    /// that is down is an error at once; pause before asking again.
    pub async fn wait_for_change(&self, seen: i64) -> Result<i64, QueueError> {
        let poll = self.database.dialect().choose(SQLITE_POLL, POSTGRES_POLL);
        if let Database::Postgres(pool) = &self.database {
            Hints::listen(&self.hints, pool);
        }
        let mut hints = self.hints.count.subscribe();
        loop {
            // Marked before it is asked: a hint that comes meanwhile is not missed.
            hints.mark_unchanged();
            let last = self.last_change().await?;
            if last != seen {
                return Ok(last);
            }
            // Late or hinted at, it is time to ask.
            timeout(poll, hints.changed()).await.ok();
        }
    }
}

impl Hints {
    /// Something has changed.
    pub(super) fn wake(&self) {
        self.count.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells all processes when this transaction has been committed.
    pub(super) async fn tell(transaction: &mut Transaction) -> Result<(), DatabaseError> {
        if transaction.dialect() == Dialect::Postgres {
            transaction.rows("SELECT 1 FROM pg_notify($1, '')", &[CHANNEL.into()]).await?;
        }
        Ok(())
    }

    fn listen(hints: &Arc<Self>, pool: &PgPool) {
        let mut listening = hints.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(listen(Arc::downgrade(hints), pool.clone()));
            *listening = Some(task.abort_handle());
        }
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        let listening = self.listening.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = listening.take() {
            task.abort();
        }
    }
}

/// Listens for as long as there is a queue, through all that happens to the server.
async fn listen(hints: Weak<Hints>, pool: PgPool) {
    loop {
        if let Err(error) = pass_on(&hints, &pool).await {
            tracing::debug!(%error, "not told of changes, asking for them");
        }
        if hints.strong_count() == 0 {
            return;
        }
        sleep(LISTEN_AGAIN).await;
    }
}

async fn pass_on(hints: &Weak<Hints>, pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    while let Some(hints) = hints.upgrade() {
        // What was told before we listened, or while the connection was broken, is unknown.
        hints.wake();
        drop(hints);
        listener.try_recv().await?;
    }
    Ok(())
}
