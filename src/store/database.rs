//! The database: SQLite in the data folder, or PostgreSQL, which several machines can share.

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use futures::future::ready;
use sqlx::{
    SqlitePool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::{
    DatabaseError, Row, Transaction, migrate, pooled::ACQUIRE_TIMEOUT, postgres::PostgresPool,
    sqlite_file::SqliteFile,
};

/// The file in the data folder.
const FILE_NAME: &str = "headwater.db";

/// Delay before a SQLite file that other processes lock is opened again.
const LOCKED_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Connections that read SQLite at the same time; each is a thread.
const SQLITE_READERS: u32 = 4;

/// The location of a database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DatabaseLocation {
    /// SQLite, in this file.
    File(PathBuf),
    /// PostgreSQL, at this URL.
    Postgres(String),
}

impl DatabaseLocation {
    /// Parses the setting `database`: `sqlite:PATH`, `sqlite://PATH` or `postgres://…`; without one,
    /// the database is `headwater.db` in the data folder.
    pub fn parse(url: Option<&str>, data: &Path) -> Result<Self, DatabaseError> {
        let Some(url) = url else {
            return Ok(Self::File(data.join(FILE_NAME)));
        };
        match url.split_once(':') {
            Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(DatabaseError::Url { scheme: "sqlite", why: "no file".into() }),
                path => Ok(Self::File(path.into())),
            },
            Some(("postgres" | "postgresql", _)) => {
                postgres_options(url)?;
                Ok(Self::Postgres(url.to_owned()))
            }
            Some((scheme, _)) if is_scheme(scheme) => {
                Err(DatabaseError::Scheme(format!("{scheme}:")))
            }
            _ => Err(DatabaseError::Scheme(String::new())),
        }
    }
}

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub enum Database {
    /// SQLite.
    Sqlite(SqlitePools),
    /// PostgreSQL.
    Postgres(Arc<PostgresPool>),
}

/// Connections to a file. SQLite has one writer at a time; writers wait in our pool's queue, and not in
/// a loop that polls for the lock.
///
/// A process that freezes while it writes blocks all writers until it ends. The supervisor therefore
/// kills a worker that hangs.
#[derive(Clone, Debug)]
pub struct SqlitePools {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    file: Arc<SqliteFile>,
}

/// The dialect of SQL, for the few statements that differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Chooses the value for this dialect.
    pub fn choose<T>(self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

impl Database {
    /// Opens the database of the setting `database`, see [`DatabaseLocation::parse`], and creates its
    /// tables, or replaces those of an older version.
    ///
    /// A server that is down is an error here. Once open, it may come and go: each call has its own
    /// result.
    ///
    /// Connections belong to the runtime that opened them: use a database from one runtime, which
    /// outlives it.
    pub async fn open(url: Option<&str>, data: &Path) -> Result<Self, DatabaseError> {
        let database = match DatabaseLocation::parse(url, data)? {
            DatabaseLocation::File(path) => Self::sqlite(&path)?,
            DatabaseLocation::Postgres(url) => {
                Self::Postgres(PostgresPool::open(postgres_options(&url)?).await?)
            }
        };
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        loop {
            match migrate::run(&database).await {
                // Processes that change a new file to WAL mode at once lock each other out, and SQLite does
                // not wait then.
                Err(error) if error.is_locked() && Instant::now() < deadline => {
                    sleep(LOCKED_RETRY_INTERVAL).await;
                }
                migrated => return migrated.map(|()| database),
            }
        }
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Transaction, DatabaseError> {
        self.check_file().await?;
        Transaction::begin(self).await
    }

    /// Begins a transaction that may write, with a query in the same round trip. Returns its only row.
    pub async fn begin_with(
        &self,
        query: &'static str,
    ) -> Result<(Transaction, Option<Row>), DatabaseError> {
        self.check_file().await?;
        Transaction::begin_with(self, query).await
    }

    /// Whether it is SQLite's file in this folder.
    pub(super) fn is_file_in(&self, folder: &Path) -> bool {
        match self {
            Self::Sqlite(pools) => pools.file.path().parent() == Some(folder),
            Self::Postgres(_) => false,
        }
    }

    /// Whether the database responds, as far as is known without asking it.
    pub fn responds(&self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(pool) => pool.responds(),
        }
    }

    /// Opens another file of SQLite if the path leads to one, with new tables if it has none.
    pub(super) async fn check_file(&self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(pools) => pools.file.check(async || migrate::run(self).await).await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// The dialect of its SQL.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    fn sqlite(path: &Path) -> Result<Self, DatabaseError> {
        let file = Arc::new(SqliteFile::open(path)?);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT);
        // FULL: a committed transaction survives a power failure.
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = |connections| {
            PoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .before_acquire({
                    let file = Arc::clone(&file);
                    move |_, connection| Box::pin(ready(Ok(file.is_open_in(connection.age))))
                })
        };
        Ok(Self::Sqlite(SqlitePools {
            writer: pool(1).connect_lazy_with(writer),
            readers: pool(SQLITE_READERS).connect_lazy_with(options.read_only(true)),
            file: Arc::clone(&file),
        }))
    }
}

/// Whether a text is a URL's scheme (RFC 3986 section 3.1), and not a part of a password.
fn is_scheme(text: &str) -> bool {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "+-.".contains(it);
    text.starts_with(|it: char| it.is_ascii_alphabetic()) && text.chars().all(allowed)
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    PgConnectOptions::from_str(url).map_err(|error| {
        let why = match error {
            // The driver's messages about a URL name a part of it, and not its value.
            sqlx::Error::Configuration(error) => error.to_string(),
            _ => "not a URL".to_owned(),
        };
        DatabaseError::Url { scheme: "postgres", why }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let parsed = DatabaseLocation::parse(Some(url), Path::new("/data"));
        parsed.expect_err(url).to_string()
    }

    #[test]
    fn a_url_that_is_not_supported_is_refused_with_key_and_scheme_and_without_a_password() {
        for (url, shown) in [
            ("mysql://root:secret@db/x", "database = \"mysql:…\" is not supported"),
            ("secret", "database = \"…\" is not supported"),
            ("p@ss:secret", "database = \"…\" is not supported"),
            ("sqlite:", "database = \"sqlite:…\" is invalid: no file"),
            ("sqlite://", "database = \"sqlite:…\" is invalid: no file"),
            ("postgres://u:secret@db:port/x", "\"postgres:…\" is invalid: invalid port number"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(shown), "{refusal}");
            assert!(refusal.contains("use sqlite:FILE or postgres://"), "{refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }

    #[tokio::test]
    async fn an_unreachable_server_is_named_with_host_and_port_and_without_a_password() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = closed.local_addr().expect("an address");
        drop(closed);
        let url = format!("postgres://u:secret@{address}/x?sslmode=disable");
        let error = Database::open(Some(&url), Path::new("/data")).await.expect_err("no server");
        assert!(error.is_transient());
        let message = error.to_string();
        assert!(message.contains(&format!("PostgreSQL at {address}: ")), "{message}");
        assert!(message.contains("refused") && !message.contains("secret"), "{message}");
    }
}
