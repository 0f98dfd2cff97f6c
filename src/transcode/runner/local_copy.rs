//! Local copies of objects of a bucket, for programs that need a file.
//!
//! The bytes of an object are in the cache, in parts that come and go. Where ffmpeg opens a file and seeks in
//! it, it gets a copy. A few are kept: the jobs of one title follow each other, also beside those of another.

use std::{
    fs::{self, File as LocalFile},
    io,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::OnceCell, task::spawn_blocking};

use super::Failure;
use crate::{
    extent::{File, ReadAt as _, disk::Identity},
    store::artifacts::ArtifactStore,
};

/// The name of a copy for the moment until it is opened.
const NAME: &str = "source.copy";

/// The bytes that are copied at a time.
const STEP_BYTES: u64 = 1 << 20;

/// The most copies that are kept.
const COPIES_MAX: usize = 4;

/// The time for which an unused copy is kept.
const UNUSED_MAX: Duration = Duration::from_secs(600);

/// The copies of the objects that were used last. A copy has no name, so that its disk space is free when
/// nothing has it open, however this process ends.
#[derive(Debug, Default)]
pub struct LocalCopies {
    /// In the order of their last use.
    copies: Mutex<Vec<LocalCopy>>,
}

/// The copy of an object in one state. Empty until it is made; all who need it wait for the one who makes it.
#[derive(Clone, Debug)]
struct LocalCopy {
    identity: Identity,
    used: Instant,
    fd: Arc<OnceCell<OwnedFd>>,
}

impl LocalCopies {
    /// A copy of an object, made in `folder` unless it is kept.
    pub(super) async fn copy_of(
        &self,
        file: &Arc<File>,
        folder: &Path,
        artifacts: &ArtifactStore,
    ) -> Result<OwnedFd, Failure> {
        let copy = self.find_or_add(file.identity());
        let make = async || {
            self.make_room(file.identity(), artifacts).await?;
            make_copy(file, folder, artifacts).await
        };
        let fd = copy.fd.get_or_try_init(make).await?;
        fd.try_clone().map_err(Failure::transient)
    }

    /// Drops all copies, whose space something else needs.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Drops the copies that were not used lately.
    pub fn drop_unused(&self) {
        self.lock().retain(|copy| copy.used.elapsed() < UNUSED_MAX);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LocalCopy>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a copy, which is the last that will be dropped.
    fn find_or_add(&self, identity: &Identity) -> LocalCopy {
        let mut copies = self.lock();
        let found = copies.iter().position(|copy| copy.identity == *identity);
        let fd = match found {
            Some(found) => copies.remove(found).fd,
            None => Arc::default(),
        };
        let copy = LocalCopy { identity: *identity, used: Instant::now(), fd };
        if copies.len() >= COPIES_MAX {
            copies.remove(0);
        }
        copies.push(copy.clone());
        copy
    }

    /// Checks that the disk has space for a copy, and drops the others if it has too little.
    async fn make_room(
        &self,
        identity: &Identity,
        artifacts: &ArtifactStore,
    ) -> Result<(), Failure> {
        let needed = identity.size;
        let available = available_bytes(artifacts, Vec::new()).await?;
        if available >= needed {
            return Ok(());
        }
        let others = self.lock().extract_if(.., |copy| copy.identity != *identity).collect();
        let available = available_bytes(artifacts, others).await?;
        if available >= needed {
            return Ok(());
        }
        let (left, needed) = (available >> 20, needed.div_ceil(1 << 20));
        Err(Failure::unavailable(format!(
            "the disk of the data folder has {left} MiB left, and a copy of the file needs {needed} MiB; \
             free some space"
        )))
    }
}

/// The space that a copy may take, once these copies are closed.
async fn available_bytes(
    artifacts: &ArtifactStore,
    closed: Vec<LocalCopy>,
) -> Result<u64, Failure> {
    let artifacts = artifacts.clone();
    let available = spawn_blocking(move || {
        drop(closed);
        artifacts.available_bytes()
    });
    available.await.map_err(Failure::transient)?.map_err(Failure::unavailable)
}

/// Copies a file into one without a name, and returns a descriptor that can only be read.
async fn make_copy(
    file: &Arc<File>,
    folder: &Path,
    artifacts: &ArtifactStore,
) -> Result<OwnedFd, Failure> {
    let path = folder.join(NAME);
    let create = move || {
        let written = LocalFile::create(&path)?;
        let read = LocalFile::open(&path);
        fs::remove_file(&path)?;
        Ok::<_, io::Error>((Arc::new(written), OwnedFd::from(read?)))
    };
    let created = spawn_blocking(create).await.map_err(Failure::transient)?;
    let (written, read) = created.map_err(not_written)?;
    let size = file.identity().size;
    let mut at = 0;
    while at < size {
        let (file, written, artifacts) =
            (Arc::clone(file), Arc::clone(&written), artifacts.clone());
        let end = size.min(at + STEP_BYTES);
        let step = move || -> Result<(), Failure> {
            file.expect(&(end..size));
            let mut bytes = vec![0; usize::try_from(end - at).unwrap_or(0)];
            file.blocking_reader().read_exact_at(at, &mut bytes).map_err(Failure::from)?;
            // Others write to the disk, too.
            if artifacts.available_bytes().map_err(not_written)? < end - at {
                return Err(not_written(io::ErrorKind::StorageFull.into()));
            }
            written.write_all_at(&bytes, at).map_err(not_written)
        };
        // A job that is cancelled ends between two steps.
        spawn_blocking(step).await.map_err(Failure::transient)??;
        at = end;
    }
    Ok(read)
}

/// A disk that is full or fails says nothing about the file.
fn not_written(error: io::Error) -> Failure {
    Failure::unavailable(format!("cannot write a copy of the file to the data folder: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn identity(number: u64) -> Identity {
        let modified = Some(SystemTime::UNIX_EPOCH);
        Identity::of_object("bucket", "key", "\"etag\"", number, modified)
    }

    #[test]
    fn two_titles_keep_their_copies_and_the_fifth_drops_the_one_used_longest_ago() {
        let copies = LocalCopies::default();
        let first = copies.find_or_add(&identity(1));
        let second = copies.find_or_add(&identity(2));
        assert!(Arc::ptr_eq(&first.fd, &copies.find_or_add(&identity(1)).fd));
        assert!(Arc::ptr_eq(&second.fd, &copies.find_or_add(&identity(2)).fd));
        for number in 3..=5 {
            copies.find_or_add(&identity(number));
        }
        assert_eq!(copies.lock().len(), COPIES_MAX);
        assert!(Arc::ptr_eq(&second.fd, &copies.find_or_add(&identity(2)).fd));
        assert!(!Arc::ptr_eq(&first.fd, &copies.find_or_add(&identity(1)).fd));
    }

    #[tokio::test]
    async fn a_disk_without_space_is_no_fault_of_the_file_and_costs_the_other_copies() {
        let data = tempfile::tempdir().expect("a folder");
        let full = ArtifactStore::open(data.path(), u64::MAX).expect("a folder");
        let copies = LocalCopies::default();
        copies.find_or_add(&identity(1));
        copies.find_or_add(&identity(2));
        let refused = copies.make_room(&identity(2), &full).await.expect_err("no space");
        assert_eq!(refused.retry, crate::queue::Retry::Unavailable);
        assert_eq!(
            copies.lock().iter().map(|copy| copy.identity).collect::<Vec<_>>(),
            [identity(2)]
        );
        assert_eq!(
            not_written(io::ErrorKind::StorageFull.into()).retry,
            crate::queue::Retry::Unavailable
        );
    }
}
