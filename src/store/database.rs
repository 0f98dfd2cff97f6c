//! The database: SQLite in the data folder, or a PostgreSQL that several machines share.

use std::{
    fs::{DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::{
    PgPool, SqlitePool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{DatabaseError, Transaction, migrate};

/// The file in the data folder.
const FILE_NAME: &str = "headwater.db";

/// How long a connection is waited for, and SQLite's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that read from SQLite at the same time; each is a thread.
const READERS: u32 = 4;

/// Connections of one process to PostgreSQL, whose default allows a hundred in all.
const CONNECTIONS: u32 = 8;

/// What a session of PostgreSQL begins with. A process that was frozen, or whose network broke, in
/// the middle of a transaction holds up everyone: the server has to end that by itself.
const SESSION: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s'";

/// An open database. A clone is the same one.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file.
    Sqlite(SqlitePools),
    /// A server.
    Postgres(PgPool),
}

/// Connections to a file: SQLite has one writer at a time, and here it waits in our queue and not
/// in a loop that tries again and again for the lock.
///
/// A process that is frozen while it writes holds up all that want to write, and nothing can end that
/// but its end. A worker that hangs is therefore killed by who started it.
#[derive(Clone, Debug)]
pub struct SqlitePools {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

/// Which database it is, for the few statements that must differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// The one of two that is for this database.
    pub fn choose<T>(self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

impl Database {
    /// Opens the database of a URL, `sqlite:PATH` or `postgres://…`, or else the file
    /// `headwater.db` in the folder `data`, and brings its tables up to date.
    ///
    /// A server that is down is an error here. Once it is open, it may come and go: each call has
    /// its own answer.
    ///
    /// Connections live in the runtime that opened them: use a database from one runtime, which
    /// outlasts it.
    pub async fn open(url: Option<&str>, data: &Path) -> Result<Self, DatabaseError> {
        let database = match url {
            None => Self::sqlite(&Self::file(data))?,
            Some(url) => match url.split_once(':') {
                Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
                    "" => return Err(DatabaseError::Url),
                    path => Self::sqlite(Path::new(path))?,
                },
                Some(("postgres" | "postgresql", _)) => Self::postgres(url)?,
                _ => return Err(DatabaseError::Url),
            },
        };
        migrate::run(&database).await?;
        Ok(database)
    }

    /// The file of a data folder's database.
    pub fn file(data: &Path) -> PathBuf {
        data.join(FILE_NAME)
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Transaction, DatabaseError> {
        Transaction::begin(self).await
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    fn sqlite(path: &Path) -> Result<Self, DatabaseError> {
        make_private(path).map_err(|(path, error)| DatabaseError::File { path, error })?;
        let options =
            SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(PATIENCE);
        // FULL: what was acknowledged is on the disk, also after the power has failed.
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = |connections| {
            PoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        Ok(Self::Sqlite(SqlitePools {
            writer: pool(1).connect_lazy_with(writer),
            readers: pool(READERS).connect_lazy_with(options.read_only(true)),
        }))
    }

    fn postgres(url: &str) -> Result<Self, DatabaseError> {
        let options = PgConnectOptions::from_str(url).map_err(|_| DatabaseError::Url)?;
        let pool = PoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .after_connect(|connection, _| {
                Box::pin(async { sqlx::raw_sql(SESSION).execute(connection).await.map(drop) })
            })
            .connect_lazy_with(options.application_name("headwater"));
        Ok(Self::Postgres(pool))
    }
}

/// Makes the file, which only its owner may read: SQLite gives its mode to the files beside it.
fn make_private(path: &Path) -> Result<(), (PathBuf, std::io::Error)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| (folder.to_owned(), error))?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map(drop).map_err(|error| (path.to_owned(), error))
}
