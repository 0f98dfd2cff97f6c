//! A library root: a directory below which files are opened, and never anything outside.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::{
    Buffers, DiskPool, DiskPoolSettings, Unavailable, names::KnownNames, open_files::OpenFiles,
};
use crate::sys::file;

/// What a root needs to know.
#[derive(Clone, Copy, Debug)]
pub struct RootSettings {
    /// The threads for its disk.
    pub lane: DiskPoolSettings,
    /// How many files are kept open for the next request.
    pub open_files: usize,
    /// For how long an open file is taken to be still the one under its name.
    pub trust: Duration,
    /// How long a file must have been left alone before it is sent from the page cache; `None` if
    /// it never is, because its files are overwritten in place.
    pub settle: Option<Duration>,
}

/// A directory below which everything is reached by `openat2(RESOLVE_BENEATH)`, or name by name where
/// there is no such call: neither `..`, nor an absolute path, nor a symbolic link can lead out of it,
/// whatever a path looks like.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    /// Replaced when the directory under `path` has become another one (a mount, a rename).
    directory: RwLock<Arc<OwnedFd>>,
    pub(super) lane: Arc<DiskPool>,
    pub(super) buffers: Buffers,
    pub(super) open_files: OpenFiles,
    pub(super) names: KnownNames,
    pub(super) settle: Option<Duration>,
}

/// One thing in a directory, links resolved.
#[derive(Debug)]
pub struct Entry {
    /// Its name in the directory.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is, as far as a library cares.
#[derive(Debug)]
pub enum EntryKind {
    /// A regular file, or a relative link to one inside the root.
    File(super::Identity),
    /// A directory itself. Links to directories are not followed: they could make a loop.
    Directory,
}

impl Root {
    /// Opens the directory. The call is made in the root's own lane, so that a disk that hangs is
    /// an error after the deadline.
    pub async fn open(
        name: &str,
        path: &Path,
        buffers: Buffers,
        settings: RootSettings,
    ) -> io::Result<Arc<Self>> {
        let lane = Arc::new(DiskPool::new(name, settings.lane));
        let asked = path.to_owned();
        let opened = lane.run(move || {
            let path = std::fs::canonicalize(asked)?;
            let directory = open_directory(&path)?;
            io::Result::Ok((path, directory))
        });
        let (path, directory) = opened.await.map_err(io::Error::other)??;
        Ok(Arc::new(Self {
            path,
            directory: RwLock::new(Arc::new(directory)),
            lane,
            buffers,
            open_files: OpenFiles::new(settings.open_files, settings.trust),
            names: KnownNames::default(),
            settle: settings.settle,
        }))
    }

    /// The directory's own absolute path. For the log and for watching; it never reaches a client.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root's threads. Whatever may wait for its disk is done there.
    pub fn pool(&self) -> &DiskPool {
        &self.lane
    }

    /// What a directory inside the root holds. Hidden entries are left out, and whatever is
    /// neither a directory nor a regular file; `relative` is empty for the root itself.
    pub async fn list(
        self: &Arc<Self>,
        relative: &Path,
    ) -> Result<io::Result<Vec<Entry>>, Unavailable> {
        let (root, relative) = (Arc::clone(self), relative.to_owned());
        self.lane.run_without_deadline(move || root.list_blocking(&relative)).await
    }

    /// What is under a name now: a file, a directory, or an error (nothing: `NotFound`).
    pub async fn look_up(
        self: &Arc<Self>,
        relative: &Path,
    ) -> Result<io::Result<EntryKind>, Unavailable> {
        let (root, relative) = (Arc::clone(self), relative.to_owned());
        self.lane.run(move || root.look_up_blocking(&relative)).await
    }

    /// Forgets the open file of this path, because it was said to have changed.
    pub fn forget(&self, relative: &Path) {
        self.open_files.forget(relative);
    }

    /// Forgets all open files below this path, because it is a directory, or nothing any more.
    pub fn forget_below(&self, relative: &Path) {
        self.open_files.forget_below(relative);
    }

    /// Opens the directory anew if another one stands under the root's path now, and returns
    /// whether that is so.
    pub async fn reopen(self: &Arc<Self>) -> Result<io::Result<bool>, Unavailable> {
        let root = Arc::clone(self);
        self.lane.run(move || root.reopen_blocking()).await
    }

    /// Opens something below the root. Blocks: for disk threads only.
    pub(super) fn open_beneath(&self, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(file::open_beneath(self.directory().as_fd(), relative, flags)?)
    }

    pub(super) fn look_up_blocking(&self, relative: &Path) -> io::Result<EntryKind> {
        let found = file::status_beneath(self.directory().as_fd(), relative)?;
        kind_of(&found).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn directory(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reopen_blocking(&self) -> io::Result<bool> {
        let fresh = open_directory(&self.path)?;
        let (old, new) = (fs::fstat(self.directory())?, fs::fstat(&fresh)?);
        let is_another = (old.st_dev, old.st_ino) != (new.st_dev, new.st_ino);
        if is_another {
            tracing::info!(root = %self.path.display(), "the root is another directory now");
            *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
            self.open_files.forget_below(Path::new(""));
        }
        Ok(is_another)
    }

    fn list_blocking(&self, relative: &Path) -> io::Result<Vec<Entry>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut directory = Dir::new(self.open_beneath(relative, flags)?)?;
        let mut entries = Vec::new();
        while let Some(entry) = directory.read() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name.as_bytes().starts_with(b".") {
                continue;
            }
            let found = match entry.file_type() {
                FileType::Symlink => self.follow(&relative.join(name)),
                _ => {
                    let status = fs::statat(directory.fd()?, name, AtFlags::SYMLINK_NOFOLLOW);
                    status.ok().as_ref().and_then(kind_of)
                }
            };
            // What vanished or may not be looked at is not there.
            entries.extend(found.map(|kind| Entry { name: name.to_owned(), kind }));
        }
        Ok(entries)
    }

    fn follow(&self, link: &Path) -> Option<EntryKind> {
        let target = self.look_up_blocking(link).ok();
        target.filter(|kind| matches!(kind, EntryKind::File(_)))
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    // Not O_PATH: the root must be readable, and that is better known at the start.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::open(path, flags, Mode::empty())?)
}

fn kind_of(status: &Stat) -> Option<EntryKind> {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Some(EntryKind::File(super::Identity::from_stat(status))),
        FileType::Directory => Some(EntryKind::Directory),
        _ => None,
    }
}
