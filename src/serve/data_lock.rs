//! One server for each data folder with a database of its own.
//!
//! Workers share the folder with their server, and SQLite and the artifacts are made for that. Two servers are
//! not: each would run the other's jobs without its titles, so that they fail, and would delete what the other
//! knows of titles. With PostgreSQL servers share database and artifacts on purpose, and serve the same titles.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::StartError;
use crate::store::DatabaseLocation;

const NAME: &str = "server.lock";

/// The longest number of a process.
const PROCESS_BYTES_MAX: u64 = 16;

/// The lock of a data folder, which ends with the process.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: Option<File>,
}

impl DataLock {
    /// Locks a data folder, if its database is there.
    pub(super) fn take(data: &Path, database: &DatabaseLocation) -> Result<Self, StartError> {
        if let DatabaseLocation::Postgres(_) = database {
            return Ok(Self { _file: None });
        }
        let failed = |error| StartError::Data { dir: data.to_owned(), error };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(data.join(NAME)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => note_process(&mut file).map_err(failed)?,
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // The number is for people: without it the message is true, too.
                let _ = file.take(PROCESS_BYTES_MAX).read_to_string(&mut process);
                let process = process.trim().to_owned();
                return Err(StartError::DataInUse { dir: data.to_owned(), process });
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(
                    folder = %data.display(), %error,
                    "cannot lock the data folder: no second server must use it"
                );
            }
        }
        Ok(Self { _file: Some(file) })
    }
}

fn note_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
