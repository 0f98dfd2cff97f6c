//! What can go wrong with a database, by what a caller does about it.

use std::{io, path::PathBuf};

use thiserror::Error;

/// A database does not do what it was asked to.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// It is down, too busy, or does not answer. The same may work later.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// It is there and refuses: asking again does not help.
    #[error("the database refuses: {0}")]
    Refused(#[source] sqlx::Error),
    /// What the configuration says is no database.
    #[error("neither sqlite:PATH nor postgres://…: the database's URL")]
    Url,
    /// A newer program has changed its tables.
    #[error("the database's tables are of version {found}, this program knows {known}")]
    TooNew {
        /// The version that it has.
        found: i64,
        /// The newest version that this program has.
        known: i64,
    },
    /// The database's file cannot be made.
    #[error("{path}: {error}")]
    File {
        /// The file, or the folder that it was to be made in.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

impl DatabaseError {
    /// That an answer took too long.
    pub(super) fn late() -> Self {
        Self::Unavailable(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let is_passing = match &error {
            E::Io(_) | E::Tls(_) | E::Protocol(_) => true,
            E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => true,
            E::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        };
        if is_passing { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

/// Whether an error of this code is one of the moment. PostgreSQL's codes have five characters
/// (appendix A of its manual), SQLite's are numbers whose lowest byte is the primary code.
fn is_passing(code: &str) -> bool {
    if code.len() == 5 {
        // Connections, resources, an operator's intervention, locks, and idling in a transaction.
        let classes = ["08", "53", "57"];
        return classes.iter().any(|class| code.starts_with(class))
            || ["25P03", "40001", "40P01", "55P03"].contains(&code);
    }
    // Busy, locked, an error of the disk, a full one, a file that cannot be opened.
    code.parse().is_ok_and(|code: u32| [5, 6, 10, 13, 14].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::is_passing;

    #[test]
    fn a_server_that_goes_down_and_a_busy_file_are_passing() {
        for code in ["57P01", "57P03", "08006", "53300", "55P03", "5", "517", "10", "3338"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["23505", "42P01", "1", "19", "2067", "", "abcdef"] {
            assert!(!is_passing(code), "{code}");
        }
    }
}
