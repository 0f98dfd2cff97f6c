//! The identity of a store: its database and its artifact storage belong together.
//!
//! Rows name folders of artifacts. A server with the database of others and an artifact storage of its own
//! would find none of their folders, and delete their rows. So both hold the same random id, which is compared at
//! the start.

use std::{fmt, io, path::Path};

use thiserror::Error;
use uuid::Uuid;

use super::{
    Database, DatabaseError, Dialect,
    artifacts::{ArtifactStore, on_disk},
    identity_file,
};

const SELECT: &str = "SELECT id FROM store_identity";

/// The first of several servers that start at once decides.
const INSERT: &str = "INSERT INTO store_identity (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING";

/// Why a database and an artifact storage are not used together.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// They belong to different stores.
    #[error(
        "the database belongs to the store {database}, but {place} to {}: {}, or another database \
         (--database); if that {kind} is gone, give this one its id: {}",
        shown(found.as_deref()), kind.advice(), kind.command(database, id_place)
    )]
    Mismatch {
        /// The id in the database.
        database: String,
        /// The id in the storage, if it has one.
        found: Option<String>,
        /// The folder or the bucket of artifacts.
        place: String,
        /// Which of both it is.
        kind: StorageKind,
        /// The file or the object of its id.
        id_place: String,
    },
    /// The id of the storage cannot be read or written.
    #[error("artifact storage: {place}: {error}")]
    Storage {
        /// The file or the object of the id.
        place: String,
        /// Why.
        error: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Where artifacts are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StorageKind {
    /// In a folder.
    Folder,
    /// In a bucket.
    Bucket,
}

impl StorageKind {
    fn advice(self) -> &'static str {
        match self {
            Self::Folder => "use the data folder of that store (--data)",
            Self::Bucket => "use the bucket of that store (--artifacts)",
        }
    }

    fn command(self, id: &str, place: &str) -> String {
        let quoted = format!("'{}'", place.replace('\'', r"'\''"));
        match self {
            Self::Folder => format!("echo {id} > {quoted}"),
            Self::Bucket => format!("echo {id} | aws s3 cp - {quoted}"),
        }
    }
}

impl fmt::Display for StorageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "folder",
            Self::Bucket => "bucket",
        })
    }
}

fn shown(found: Option<&str>) -> String {
    found.map_or("none yet".to_owned(), |id| format!("the store {id}"))
}

/// Checks that a database and an artifact storage belong together. A new database takes the id of the storage,
/// but not SQLite's file that of a bucket or of a folder elsewhere, which several programs may use: each would
/// remove what the others made. The file of SQLite in the data folder itself cannot be that of others: the folder
/// of artifacts there takes its id, and so does a storage that has none.
pub async fn check(database: &Database, artifacts: &ArtifactStore) -> Result<(), IdentityError> {
    let storage = Storage(artifacts);
    // In this order: a server that starts at this moment writes the storage's id first.
    let known = in_database(database).await?;
    let found = storage.read().await?;
    let is_own_file = database.is_file_in(artifacts.data());
    let is_own_folder = storage.kind() == StorageKind::Folder
        && artifacts.published_dir().parent() == Some(artifacts.data());
    let id = match (known, found) {
        (Some(known), Some(found)) if known == found => known,
        (Some(known), found) if is_own_file && (found.is_none() || is_own_folder) => {
            storage.replace(&known).await?;
            known
        }
        (Some(known), found) => return Err(storage.mismatch(known, found)),
        // The database of another program has the rows of that storage.
        (None, Some(found)) if !is_own_folder && database.dialect() == Dialect::Sqlite => {
            let own = Uuid::now_v7().to_string();
            database.write(INSERT, &[own.as_str().into()]).await?;
            let known = in_database(database).await?.unwrap_or(own);
            return Err(storage.mismatch(known, Some(found)));
        }
        (None, Some(found)) => register(database, &storage, found).await?,
        (None, None) => {
            let own = Uuid::now_v7().to_string();
            let created = storage.create(&own).await?;
            let is_ours = created == own;
            match register(database, &storage, created).await {
                // Where a bucket ignores preconditions, this process has replaced the id of a faster one.
                Err(IdentityError::Mismatch { database, .. })
                    if is_ours && storage.kind() == StorageKind::Bucket =>
                {
                    storage.replace(&database).await?;
                    database
                }
                registered => registered?,
            }
        }
    };
    artifacts.keep_identity(id);
    Ok(())
}

/// Gives a new database the id of the storage, unless another process gave it one.
async fn register(
    database: &Database,
    storage: &Storage<'_>,
    id: String,
) -> Result<String, IdentityError> {
    database.write(INSERT, &[id.as_str().into()]).await?;
    match in_database(database).await? {
        Some(known) if known != id => match storage.read().await? {
            // Another process has replaced it meanwhile.
            Some(found) if found == known => Ok(known),
            found => Err(storage.mismatch(known, found)),
        },
        _ => Ok(id),
    }
}

async fn in_database(database: &Database) -> Result<Option<String>, DatabaseError> {
    database.row(SELECT, &[]).await?.map(|row| row.get("id")).transpose()
}

/// The id in an artifact storage.
struct Storage<'a>(&'a ArtifactStore);

impl Storage<'_> {
    fn kind(&self) -> StorageKind {
        match self.0.bucket() {
            Some(_) => StorageKind::Bucket,
            None => StorageKind::Folder,
        }
    }

    async fn read(&self) -> Result<Option<String>, IdentityError> {
        let found = match self.0.bucket() {
            Some(bucket) => bucket.identity().await,
            None => self.on_disk(identity_file::read).await,
        };
        self.named(found)
    }

    async fn create(&self, id: &str) -> Result<String, IdentityError> {
        let owned = id.to_owned();
        let created = match self.0.bucket() {
            Some(bucket) => bucket.create_identity(id).await,
            None => self.on_disk(move |file| identity_file::create(file, &owned)).await,
        };
        self.named(created)
    }

    async fn replace(&self, id: &str) -> Result<(), IdentityError> {
        let owned = id.to_owned();
        let replaced = match self.0.bucket() {
            Some(bucket) => bucket.replace_identity(id).await,
            None => self.on_disk(move |file| identity_file::replace(file, &owned)).await,
        };
        self.named(replaced)
    }

    /// Runs a call that may block on the disk.
    async fn on_disk<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = self.0.identity_file();
        on_disk(move || call(&file)).await
    }

    /// The file or the object of the id.
    fn id_place(&self) -> String {
        match self.0.bucket() {
            Some(bucket) => bucket.identity_url(),
            None => self.0.identity_file().display().to_string(),
        }
    }

    fn named<T>(&self, result: io::Result<T>) -> Result<T, IdentityError> {
        result.map_err(|error| IdentityError::Storage { place: self.id_place(), error })
    }

    fn mismatch(&self, database: String, found: Option<String>) -> IdentityError {
        let place = match self.0.bucket() {
            Some(bucket) => bucket.to_string(),
            None => self.0.published_dir().display().to_string(),
        };
        let (kind, id_place) = (self.kind(), self.id_place());
        IdentityError::Mismatch { database, found, place, kind, id_place }
    }
}
