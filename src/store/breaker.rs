//! A circuit breaker for PostgreSQL: while the server does not respond, calls fail at once.
//!
//! Without one, each request waits for its own timeout during an outage. A call that fails with its
//! connection, or that waits while nothing else was answered either, makes the server suspect; then one probe
//! with a connection of its own decides. So a statement that waits for a lock opens no breaker, and a server
//! that froze, or whose machine is gone, does so within a second, unless it is far away. While the breaker is
//! open nothing but the probe asks the server, at growing intervals, and resolves its name each time.

use std::{
    fmt, io,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tokio::{
    select,
    sync::watch,
    time::{sleep, timeout},
};

use super::DatabaseError;

/// The silence of the server during a call after which it is suspect.
const SUSPICION: Duration = Duration::from_millis(400);

/// Timeout of the probe of a suspect server that is near. With [`SUSPICION`], less than a second.
const SUSPECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Timeout of the probes while the breaker is open: the server may be busy with its start.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The first interval between probes while the breaker is open; it doubles with each.
const PROBE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Maximum interval between probes.
const PROBE_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// The breaker of a server.
pub struct Breaker {
    options: PgConnectOptions,
    /// The least timeout of a probe: one that succeeded took half of it.
    patience: Duration,
    state: watch::Sender<State>,
    created: Instant,
    /// The time of the server's last response, in milliseconds after `created`.
    responded_ms: AtomicU64,
    is_probing: AtomicBool,
}

/// Whether calls pass.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    is_open: bool,
    /// The beginning of the last outage: older connections may lead to a server that is gone.
    outage: Option<Instant>,
}

/// The only task that probes; its drop lets another one start, also if its runtime ended.
struct Probing(Weak<Breaker>);

impl Breaker {
    /// `setup`: how long a first [`ask`] took. At the distance of the server, a probe takes as long.
    pub(super) fn new(options: PgConnectOptions, setup: Duration) -> Arc<Self> {
        Arc::new(Self {
            options,
            patience: setup * 2,
            state: watch::Sender::default(),
            created: Instant::now(),
            responded_ms: AtomicU64::new(0),
            is_probing: AtomicBool::new(false),
        })
    }

    /// Runs a call of the server: not at all while the breaker is open, and not on once it opens.
    pub(super) async fn guard<T>(
        self: &Arc<Self>,
        call: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, DatabaseError> {
        let mut state = self.state.subscribe();
        if state.borrow().is_open {
            // In case that the runtime of the last probe has ended.
            self.probe();
            return Err(DatabaseError::Paused);
        }
        let mut call = pin!(call);
        loop {
            select! {
                biased;
                result = &mut call => {
                    self.observe(&result);
                    return Ok(result?);
                }
                () = opened(&mut state) => return Err(DatabaseError::Paused),
                () = sleep(SUSPICION) => self.suspect_silence(),
            }
        }
    }

    /// Whether calls pass.
    pub(super) fn is_closed(&self) -> bool {
        !self.state.borrow().is_open
    }

    /// Waits until calls pass.
    pub(super) async fn closed(&self) {
        closed(&mut self.state.subscribe()).await;
    }

    /// Waits for the end of the next outage.
    pub(super) async fn recovered(&self) {
        let mut state = self.state.subscribe();
        opened(&mut state).await;
        closed(&mut state).await;
    }

    /// Whether a connection that was opened at this time leads to the server that responds now.
    pub(super) fn is_current(&self, opened: Instant) -> bool {
        self.state.borrow().outage.is_none_or(|outage| opened > outage)
    }

    /// Connections that exist now are not current any more.
    pub(super) fn distrust_connections(&self) {
        self.state.send_modify(|state| state.outage = Some(Instant::now()));
    }

    /// Notes what a result says about the server.
    fn observe<T>(self: &Arc<Self>, result: &sqlx::Result<T>) {
        match result {
            Err(error) if is_lost(error) => self.probe(),
            Err(sqlx::Error::Database(_)) => self.note_response(),
            // A call may succeed without the server, as when it takes a connection that is open.
            _ => {}
        }
    }

    /// Notes that the server has responded.
    pub(super) fn note_response(&self) {
        self.responded_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    fn suspect_silence(self: &Arc<Self>) {
        let silence_ms = self.age_ms().saturating_sub(self.responded_ms.load(Ordering::Relaxed));
        if u128::from(silence_ms) >= SUSPICION.as_millis() {
            self.probe();
        }
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Starts to probe the server until it responds, unless a task does so.
    fn probe(self: &Arc<Self>) {
        if !self.is_probing.swap(true, Ordering::AcqRel) {
            tokio::spawn(Probing(Arc::downgrade(self)).run());
        }
    }

    fn open(&self) {
        let opened = State { is_open: true, outage: Some(Instant::now()) };
        if !self.state.send_replace(opened).is_open {
            tracing::warn!("database does not respond: queries paused until it does");
        }
    }

    fn close(&self) {
        self.note_response();
        let was_open = self.state.send_if_modified(|state| std::mem::take(&mut state.is_open));
        if was_open {
            tracing::info!("database responds again");
        }
    }
}

impl fmt::Debug for Breaker {
    /// Without the options, which hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Probing {
    async fn run(self) {
        let mut limit = SUSPECT_TIMEOUT;
        let mut pause = PROBE_INTERVAL_MIN;
        while let Some(breaker) = self.0.upgrade() {
            let begun_ms = breaker.age_ms();
            let has_responded = responds(&breaker.options, limit.max(breaker.patience)).await;
            // Or to a call meanwhile.
            if has_responded || breaker.responded_ms.load(Ordering::Relaxed) > begun_ms {
                return breaker.close();
            }
            breaker.open();
            // The breaker must not outlive its database.
            drop(breaker);
            sleep(pause).await;
            limit = PROBE_TIMEOUT;
            pause = (pause * 2).min(PROBE_INTERVAL_MAX);
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        if let Some(breaker) = self.0.upgrade() {
            breaker.is_probing.store(false, Ordering::Release);
        }
    }
}

async fn opened(state: &mut watch::Receiver<State>) {
    // The sender is the breaker's own.
    let _ = state.wait_for(|state| state.is_open).await;
}

async fn closed(state: &mut watch::Receiver<State>) {
    let _ = state.wait_for(|state| !state.is_open).await;
}

/// Asks the server whether it responds, on a new connection.
pub(super) async fn ask(options: &PgConnectOptions, limit: Duration) -> sqlx::Result<()> {
    let asking = async {
        let mut connection = options.connect().await?;
        connection.ping().await?;
        connection.close().await
    };
    let late = |_elapsed| Err(io::Error::from(io::ErrorKind::TimedOut).into());
    timeout(limit, asking).await.unwrap_or_else(late)
}

/// Whether the server responds, on a new connection.
async fn responds(options: &PgConnectOptions, limit: Duration) -> bool {
    match ask(options, limit).await {
        Err(error) => {
            tracing::debug!(%error, "probe of the database failed");
            // A refusal, such as for too many connections, is a response.
            !is_lost(&error)
        }
        Ok(()) => true,
    }
}

/// Whether the error is that of a lost connection, or of a server that stops or starts.
fn is_lost(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Io(_) | E::Tls(_) | E::Protocol(_) => true,
        E::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}
