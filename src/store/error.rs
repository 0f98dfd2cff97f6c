//! Errors of the database, by how a caller handles them.

use std::{io, path::PathBuf};

use thiserror::Error;

/// An error of the database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The database is down, busy, or does not respond. A retry may succeed.
    #[error("database unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// PostgreSQL did not respond a moment ago, so it was not asked. A retry may succeed.
    #[error("database unavailable: PostgreSQL does not respond, and is probed every few seconds")]
    Paused,
    /// The database rejects the statement. A retry would fail too.
    #[error("database error: {0}")]
    Refused(#[source] sqlx::Error),
    /// PostgreSQL does not respond. A retry may succeed.
    #[error(
        "PostgreSQL at {server}: {error}; check that it runs there, and the setting `database`"
    )]
    Unreachable {
        /// Host and port, or the socket.
        server: String,
        /// Why.
        #[source]
        error: sqlx::Error,
    },
    /// The setting `database` has no scheme, or one that is not supported. The message leaves out the rest
    /// of the value, which may hold a password.
    #[error("database = \"{0}…\" is not supported; use sqlite:FILE or postgres://user@host/name")]
    Scheme(String),
    /// The setting `database` has a scheme that is supported, and an invalid rest.
    #[error(
        "database = \"{scheme}:…\" is invalid: {why}; use sqlite:FILE or postgres://user@host/name"
    )]
    Url {
        /// The scheme.
        scheme: &'static str,
        /// What is wrong, without the value.
        why: String,
    },
    /// The tables are those of a newer program.
    #[error("database schema {found} is newer than this program's ({known}); use a newer program")]
    TooNew {
        /// The version of the tables.
        found: i64,
        /// The version of this program.
        known: i64,
    },
    /// The database file cannot be created.
    #[error("{path}: {error}")]
    File {
        /// The file, or its folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// SQLite's code of a locked file.
const SQLITE_BUSY: u32 = 5;

impl DatabaseError {
    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Paused | Self::Unreachable { .. } | Self::File { .. }
        )
    }

    /// Whether another connection has locked the file of SQLite.
    pub(super) fn is_locked(&self) -> bool {
        let Self::Unavailable(sqlx::Error::Database(error)) = self else { return false };
        error.code().and_then(|code| sqlite_code(&code)) == Some(SQLITE_BUSY)
    }

    /// A statement timed out.
    pub(super) fn timed_out() -> Self {
        Self::Unavailable(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))
    }

    /// An earlier statement on the connection failed, and its state is unknown.
    pub(super) fn uncertain() -> Self {
        let why = "an earlier statement of this transaction failed";
        Self::Unavailable(sqlx::Error::Protocol(why.into()))
    }

    /// A statement that always has a row had none.
    pub fn no_row() -> Self {
        Self::Refused(sqlx::Error::RowNotFound)
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let is_transient = match &error {
            E::Io(_) | E::Tls(_) | E::Protocol(_) => true,
            E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => true,
            E::Database(error) => error.code().is_some_and(|code| is_transient(&code)),
            _ => false,
        };
        if is_transient { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

/// Whether an error code is transient. PostgreSQL's codes have five characters (appendix A of its manual).
fn is_transient(code: &str) -> bool {
    if code.len() == 5 {
        // Connections, resources, operator intervention, the server's disk, locks, idle transactions, and
        // a server that has become a read-only replica.
        let classes = ["08", "53", "57", "58"];
        return classes.iter().any(|class| code.starts_with(class))
            || ["25006", "25P03", "40001", "40P01", "55P03"].contains(&code);
    }
    // Busy, locked, out of memory, read-only, interrupted, I/O error, disk full, cannot open, locking.
    let transient = [SQLITE_BUSY, 6, 7, 8, 9, 10, 13, 14, 15];
    sqlite_code(code).is_some_and(|code| transient.contains(&code))
}

/// The primary code of an error of SQLite: the lowest byte of the number.
fn sqlite_code(code: &str) -> Option<u32> {
    let number: u32 = code.parse().ok().filter(|_| code.len() < 5)?;
    Some(number & 0xff)
}

#[cfg(test)]
mod tests {
    use super::is_transient;

    #[test]
    fn lost_connections_and_busy_files_are_transient_errors() {
        let lost = ["57P01", "57P03", "08006", "53300", "58030", "25006", "55P03"];
        let busy = ["5", "517", "10", "3338", "13", "8", "1032"];
        for code in lost.into_iter().chain(busy) {
            assert!(is_transient(code), "{code}");
        }
        for code in ["23505", "42P01", "1", "19", "2067", "", "abcdef"] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
