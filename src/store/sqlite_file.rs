//! The file of SQLite, and whether its path still leads to it.
//!
//! An open connection goes on with a file that has lost its name. After a user deleted the data folder or put
//! a backup in place, server and worker would write to files that the other does not see, and that end with the
//! process.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex as SyncMutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, task::spawn_blocking, time::timeout};

use super::DatabaseError;

/// Interval between two looks at the path.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Timeout of a look: a disk may hang.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Device and inode.
type Identity = (u64, u64);

/// The file at a path.
#[derive(Debug)]
pub struct SqliteFile {
    path: PathBuf,
    /// The file with the tables, and the time of the last look.
    checked: Mutex<(Identity, Instant)>,
    /// The time of the last replacement: older connections have another file.
    replaced: SyncMutex<Option<Instant>>,
}

impl SqliteFile {
    /// The file at a path. Creates it if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let identity = find_or_create(path)?;
        let checked = Mutex::new((identity, Instant::now()));
        Ok(Self { path: path.to_owned(), checked, replaced: SyncMutex::default() })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a connection of this age has the file at the path.
    pub(super) fn is_open_in(&self, age: Duration) -> bool {
        let replaced = *self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.is_none_or(|replaced| age < replaced.elapsed())
    }

    /// Looks at the path, at most once a second. If it leads to another file, creates the tables in it by
    /// `create_tables`, while others wait. From then on no older connection [counts](Self::is_open_in).
    pub(super) async fn check(
        &self,
        create_tables: impl AsyncFnOnce() -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let mut checked = self.checked.lock().await;
        let (identity, time) = *checked;
        if time.elapsed() < CHECK_INTERVAL {
            return Ok(());
        }
        let path = self.path.clone();
        let look = timeout(CHECK_TIMEOUT, spawn_blocking(move || find_or_create(&path)));
        let look = look.await.map_err(|_| DatabaseError::timed_out())?;
        let found = look.map_err(|error| self.error(io::Error::other(error)))??;
        if found != identity {
            tracing::warn!(path = %self.path.display(), "another database file: opening it");
            let now = Some(Instant::now());
            *self.replaced.lock().unwrap_or_else(PoisonError::into_inner) = now;
            create_tables().await?;
        }
        *checked = (found, Instant::now());
        Ok(())
    }

    fn error(&self, error: io::Error) -> DatabaseError {
        DatabaseError::File { path: self.path.clone(), error }
    }
}

/// The file at a path, which is created with access for its owner only; SQLite gives the same mode to the
/// WAL files. An existing file is not opened: its close would end the locks that SQLite holds (POSIX).
fn find_or_create(path: &Path) -> Result<Identity, DatabaseError> {
    let error = |path: &Path, error| DatabaseError::File { path: path.to_owned(), error };
    let identity = |status: fs::Metadata| (status.dev(), status.ino());
    if let Ok(status) = fs::metadata(path) {
        return Ok(identity(status));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        created.map_err(|why| error(folder, why))?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.and_then(|file| file.metadata()).map(identity).map_err(|why| error(path, why))
}
