//! Signals that rows may have changed: by this process and, with PostgreSQL, by all others.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{select, sync::watch, task::AbortHandle, time::sleep};

use super::{Database, PostgresPool};

/// Delay before listening again after an error.
const LISTEN_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// A signal, and the channel of LISTEN and NOTIFY that carries it between processes.
#[derive(Debug)]
pub struct ChangeSignal {
    channel: &'static str,
    count: watch::Sender<u64>,
    /// The task that listens; the first subscriber starts it.
    listening: Mutex<Option<AbortHandle>>,
}

impl ChangeSignal {
    /// A signal without subscribers.
    pub fn new(channel: &'static str) -> Arc<Self> {
        Arc::new(Self { channel, count: watch::Sender::default(), listening: Mutex::default() })
    }

    /// Wakes the subscribers of this process.
    pub fn wake(&self) {
        self.count.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Subscribes to changes of a database. Signals may be spurious, and one may be lost with a connection:
    /// ask the database now and then, too.
    pub fn subscribe(self: &Arc<Self>, database: &Database) -> watch::Receiver<u64> {
        if let Database::Postgres(pool) = database {
            let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
            if listening.as_ref().is_none_or(AbortHandle::is_finished) {
                let task = tokio::spawn(listen(Arc::downgrade(self), Arc::clone(pool)));
                *listening = Some(task.abort_handle());
            }
        }
        self.count.subscribe()
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

/// Listens until the signal is dropped, across restarts of the server.
async fn listen(signal: Weak<ChangeSignal>, pool: Arc<PostgresPool>) {
    loop {
        let forwarded = select! {
            forwarded = forward(&signal, &pool) => forwarded,
            // The connection may lead to a server that is gone, and be silent for ever.
            () = pool.recovered() => continue,
        };
        if let Err(error) = forwarded {
            tracing::debug!(%error, "no notifications from PostgreSQL, polling");
        }
        if signal.strong_count() == 0 {
            return;
        }
        sleep(LISTEN_RETRY_INTERVAL).await;
    }
}

/// Forwards notifications of PostgreSQL to the subscribers of this process.
async fn forward(signal: &Weak<ChangeSignal>, pool: &PostgresPool) -> Result<(), sqlx::Error> {
    let Some(channel) = signal.upgrade().map(|signal| signal.channel) else {
        return Ok(());
    };
    let mut listener = pool.listen(channel).await?;
    while let Some(signal) = signal.upgrade() {
        // Changes before the LISTEN, or during a lost connection, sent no notification here.
        signal.wake();
        drop(signal);
        listener.try_recv().await?;
    }
    Ok(())
}
