//! A local copy of an object of a bucket, for programs that need a file.
//!
//! The bytes of an object are in the cache, in parts that come and go. ffmpeg opens one file and seeks in it, so
//! it gets a copy. The last one is kept: the chunks of a rendition read the same title.

use std::{
    fs::{self, File as LocalFile},
    io,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    path::Path,
    sync::Arc,
};

use tokio::{sync::Mutex, task::spawn_blocking};

use super::Failure;
use crate::{
    extent::{File, ReadAt as _, ReadError, disk::Identity},
    store::artifacts::ArtifactStore,
};

/// The name of a copy for the moment until it is opened.
const NAME: &str = "source.copy";

/// The bytes that are copied at a time.
const STEP_BYTES: u64 = 1 << 20;

/// The copy of the object that was used last. Its file has no name, and its disk space is free when nothing has
/// it open.
#[derive(Debug, Default)]
pub struct LocalCopies {
    /// Held while a copy is made, so that jobs of one title share it.
    last: Mutex<Option<(Identity, OwnedFd)>>,
}

impl LocalCopies {
    /// A copy of an object, made in `folder` if it is not the last one.
    pub(super) async fn copy_of(
        &self,
        file: &Arc<File>,
        folder: &Path,
        artifacts: &ArtifactStore,
    ) -> Result<OwnedFd, Failure> {
        let mut last = self.last.lock().await;
        if let Some((identity, copy)) = &*last
            && identity == file.identity()
        {
            return copy.try_clone().map_err(Failure::transient);
        }
        // Its space is free for the next one.
        *last = None;
        let (size, artifacts) = (file.identity().size, artifacts.clone());
        let available = spawn_blocking(move || artifacts.available_bytes()).await;
        let available = available.map_err(Failure::transient)?.map_err(Failure::unavailable)?;
        if available < size {
            let (left, needed) = (available >> 20, size >> 20);
            return Err(Failure::unavailable(format!(
                "the disk of the data folder has {left} MiB left, and a copy of the file needs {needed} \
                 MiB; free some space"
            )));
        }
        let copy = copy(file, folder).await?;
        let shared = copy.try_clone().map_err(Failure::transient)?;
        *last = Some((*file.identity(), copy));
        Ok(shared)
    }
}

/// Copies a file into one without a name, and returns a descriptor that can only be read.
async fn copy(file: &Arc<File>, folder: &Path) -> Result<OwnedFd, Failure> {
    let path = folder.join(NAME);
    let create = move || {
        let written = LocalFile::create_new(&path)?;
        let read = LocalFile::open(&path);
        fs::remove_file(&path)?;
        Ok::<_, io::Error>((Arc::new(written), OwnedFd::from(read?)))
    };
    let created = spawn_blocking(create).await.map_err(Failure::transient)?;
    let (written, read) = created.map_err(Failure::unavailable)?;
    let size = file.identity().size;
    let mut at = 0;
    while at < size {
        let (file, written) = (Arc::clone(file), Arc::clone(&written));
        let end = size.min(at + STEP_BYTES);
        let step = move || {
            file.expect(&(end..size));
            let mut bytes = vec![0; usize::try_from(end - at).unwrap_or(0)];
            file.blocking_reader().read_exact_at(at, &mut bytes)?;
            written.write_all_at(&bytes, at).map_err(ReadError::from)
        };
        // A job that is cancelled ends between two steps.
        spawn_blocking(step).await.map_err(Failure::transient)??;
        at = end;
    }
    Ok(read)
}
