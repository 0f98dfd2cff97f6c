//! The identity of a store: its database and its artifact storage belong together.
//!
//! Rows name folders of artifacts. A server with the database of others and a data folder of its own would
//! find none of their folders, and delete their rows. So both hold the same random id, which is compared at
//! the start.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{
    Database, DatabaseError,
    artifacts::ArtifactStore,
    identity_file::{create, read, replace},
};

const SELECT: &str = "SELECT id FROM store_identity";

/// The first of several servers that start at once decides.
const INSERT: &str = "INSERT INTO store_identity (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING";

/// Why a database and an artifact storage are not used together.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// They belong to different stores.
    #[error(
        "the database belongs to the store {database}, but {} to {}: use the data folder of that \
         store (--data), or another database (--database); if that folder is gone, give this one its \
         id: echo {database} > {}", folder.display(), shown(found.as_deref()), quoted(file)
    )]
    Mismatch {
        /// The id in the database.
        database: String,
        /// The id in the folder, if it has one.
        found: Option<String>,
        /// The folder of artifacts.
        folder: PathBuf,
        /// The file of its id.
        file: PathBuf,
    },
    /// The file of the id cannot be read or written.
    #[error("artifact storage: {}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn shown(found: Option<&str>) -> String {
    found.map_or("none yet".to_owned(), |id| format!("the store {id}"))
}

/// Checks that a database and an artifact storage belong together. A new database takes the id of the storage.
/// The file of SQLite in the data folder itself cannot be that of others, and the storage takes its id.
pub async fn check(database: &Database, artifacts: &ArtifactStore) -> Result<(), IdentityError> {
    let file = artifacts.identity_file();
    let folder = artifacts.published_dir().to_owned();
    // In this order: a server that starts at this moment writes the file first.
    let known = in_database(database).await?;
    let found = on_disk(&file, read).await?;
    let id = match (known, found) {
        (Some(known), Some(found)) if known == found => known,
        (Some(known), _) if folder.parent().is_some_and(|data| database.is_file_in(data)) => {
            let id = known.clone();
            on_disk(&file, move |file| replace(file, &id)).await?;
            known
        }
        (Some(known), found) => {
            return Err(IdentityError::Mismatch { database: known, found, folder, file });
        }
        (None, found) => {
            let id = match found {
                Some(found) => found,
                None => on_disk(&file, |file| create(file, &Uuid::now_v7().to_string())).await?,
            };
            database.write(INSERT, &[id.as_str().into()]).await?;
            match in_database(database).await? {
                Some(known) if known != id => {
                    let found = Some(id);
                    return Err(IdentityError::Mismatch { database: known, found, folder, file });
                }
                _ => id,
            }
        }
    };
    artifacts.keep_identity(id);
    Ok(())
}

async fn in_database(database: &Database) -> Result<Option<String>, DatabaseError> {
    database.row(SELECT, &[]).await?.map(|row| row.get("id")).transpose()
}

/// Runs a call that may block on the disk.
async fn on_disk<T: Send + 'static>(
    file: &Path,
    call: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, IdentityError> {
    let path = file.to_owned();
    let called = spawn_blocking(move || call(&path)).await.map_err(io::Error::other).flatten();
    called.map_err(|error| IdentityError::File { file: file.to_owned(), error })
}
