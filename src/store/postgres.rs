//! Connections to PostgreSQL.
//!
//! The driver's pool asks the server before and after each use of a connection whether it is alive: three
//! round trips for one. It also waits without limit for a server that froze in between, and retries a refused
//! connection for seconds. This pool asks only after a pause, and opens new connections after an outage.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Postgres,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgListener},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    DatabaseError,
    breaker::{Breaker, ask},
    pooled::{ACQUIRE_TIMEOUT, Pooled},
};

/// Connections of one process; the server's default allows a hundred in all.
const CONNECTIONS: usize = 8;

/// A connection without a use for this long is asked whether it is alive.
const PING_AFTER: Duration = Duration::from_secs(1);

/// Timeout of that.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection without a use for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// The age at which a connection is replaced, so that the name of the server is resolved again.
const AGE_MAX: Duration = Duration::from_secs(1800);

/// Statements that begin a session. A process that freezes or loses the network in the middle of a
/// transaction blocks all others, so the server must end such a transaction.
const SESSION: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s'";

/// The connections of this process to a server.
pub struct PostgresPool {
    options: PgConnectOptions,
    pub(super) breaker: Arc<Breaker>,
    places: Arc<Semaphore>,
    /// The last one used comes last.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    opened: Instant,
    used: Instant,
}

/// A connection in use. Its drop returns it to the pool.
#[derive(Debug)]
pub struct PostgresConnection {
    /// `None` once it must be closed.
    connection: Option<PgConnection>,
    opened: Instant,
    pool: Arc<PostgresPool>,
    _place: OwnedSemaphorePermit,
}

impl PostgresPool {
    /// Connects once, for the reason if that fails.
    pub(super) async fn open(options: PgConnectOptions) -> Result<Arc<Self>, DatabaseError> {
        let options = options.application_name("headwater");
        let begun = Instant::now();
        check_connection(&options).await?;
        Ok(Arc::new(Self {
            breaker: Breaker::new(options.clone(), begun.elapsed()),
            options,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::default(),
        }))
    }

    /// Takes a connection, or opens one.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<PostgresConnection, DatabaseError> {
        let acquire = async {
            let places = Arc::clone(&self.places);
            let place = places.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let (connection, opened) = self.connection().await?;
            let connection = Some(connection);
            Ok(PostgresConnection { connection, opened, pool: Arc::clone(self), _place: place })
        };
        match timeout(ACQUIRE_TIMEOUT, self.breaker.guard(acquire)).await {
            Ok(acquired) => acquired,
            Err(_late) => Err(DatabaseError::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    async fn connection(&self) -> sqlx::Result<(PgConnection, Instant)> {
        while let Some(Idle { mut connection, opened, used }) = self.take_idle() {
            if !self.breaker.is_current(opened) || opened.elapsed() > AGE_MAX {
                continue;
            }
            if used.elapsed() < PING_AFTER {
                return Ok((connection, opened));
            }
            match timeout(PING_TIMEOUT, connection.ping()).await {
                Ok(Ok(())) => {
                    self.breaker.note_response();
                    return Ok((connection, opened));
                }
                Ok(Err(_lost)) => {}
                // The address may be another server's by now, and this one may never respond.
                Err(_late) => self.breaker.distrust_connections(),
            }
        }
        let opened = Instant::now();
        let mut connection = self.options.connect().await?;
        sqlx::raw_sql(SESSION).execute(&mut connection).await?;
        self.breaker.note_response();
        Ok((connection, opened))
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server responds, as far as is known without asking it.
    pub fn responds(&self) -> bool {
        self.breaker.is_closed()
    }

    /// A connection of its own that receives the notifications of a channel.
    pub async fn listen(&self, channel: &str) -> sqlx::Result<PgListener> {
        self.breaker.closed().await;
        let pool = PoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Waits for the end of the next outage, after which connections must be opened again.
    pub async fn recovered(&self) {
        self.breaker.recovered().await;
    }
}

impl fmt::Debug for PostgresPool {
    /// Without the options, which hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPool").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl Pooled for PostgresConnection {
    type Database = Postgres;

    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.connection.as_mut().ok_or_else(DatabaseError::uncertain)
    }

    fn close_on_drop(&mut self) {
        self.connection = None;
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let used = Instant::now();
        let mut idle = self.pool.idle();
        idle.retain(|idle| idle.used.elapsed() < IDLE_MAX);
        if let Some(connection) = self.connection.take() {
            idle.push(Idle { connection, opened: self.opened, used });
        }
    }
}

/// Connects once, for the reason if that fails.
async fn check_connection(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    ask(options, ACQUIRE_TIMEOUT).await.map_err(|error| match DatabaseError::from(error) {
        DatabaseError::Unavailable(error) => {
            DatabaseError::Unreachable { server: server(options), error }
        }
        refused => refused,
    })
}

/// The server of these options, for people: host and port, or the socket.
fn server(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}
