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

use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use super::{
    Buffers, DiskPool, DiskPoolSettings, OpenError, Unavailable, names::KnownNames,
    open_files::OpenFiles, watched_directories::WatchedDirectories,
};
use crate::{
    shares::ClientKey,
    sys::file::{self, Links},
};

/// The settings of a root.
#[derive(Clone, Copy, Debug)]
pub struct RootSettings {
    /// The threads for its disk.
    pub pool: DiskPoolSettings,
    /// The most files that stay open for the next request.
    pub open_files: usize,
    /// The time between look-ups of an open file's name, if the kernel does not watch the name.
    pub revalidate_after: Duration,
    /// The time without a change after which the kernel sends a file from the page cache; `None` for
    /// never, because programs overwrite the root's files in place.
    pub quiet_period: Option<Duration>,
}

/// A directory below which every path is resolved by `openat2(RESOLVE_BENEATH)`, or name by name on
/// systems without that call: neither `..`, nor an absolute path, nor a symbolic link can lead out of it.
///
/// A root exists before its directory is open, so a disk that is mounted late or hangs at the start affects
/// its own files only. Until then every call fails with [`Unavailable::Offline`].
#[derive(Debug)]
pub struct Root {
    /// The configured path, absolute.
    configured: PathBuf,
    opened: RwLock<Option<Opened>>,
    pub(super) pool: Arc<DiskPool>,
    pub(super) compute: Arc<DiskPool>,
    pub(super) buffers: Buffers,
    pub(super) open_files: OpenFiles,
    pub(super) watched: WatchedDirectories,
    pub(super) names: KnownNames,
    pub(super) quiet_period: Option<Duration>,
}

/// The open directory. Replaced when the path leads to another one (a mount, a rename).
#[derive(Clone, Debug)]
struct Opened {
    /// The path without links.
    path: PathBuf,
    directory: Arc<OwnedFd>,
}

/// An entry of a directory, links resolved.
#[derive(Debug)]
pub struct Entry {
    /// The name in the directory.
    pub name: OsString,
    /// The type.
    pub kind: EntryKind,
}

/// The types of directory entries in a library.
#[derive(Debug)]
pub enum EntryKind {
    /// A regular file, or a relative link to one inside the root.
    File(super::Identity),
    /// A directory. Links to directories are not followed: they could form a loop.
    Directory,
}

impl Root {
    /// A root whose directory is still to be [opened](Self::reopen). Touches no disk.
    pub fn new(name: &str, path: &Path, buffers: Buffers, settings: RootSettings) -> Arc<Self> {
        Arc::new(Self {
            configured: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            opened: RwLock::default(),
            pool: Arc::new(DiskPool::new(&format!("disk-{name}"), settings.pool)),
            compute: Arc::new(DiskPool::for_computing(&format!("cpu-{name}"), settings.pool)),
            buffers,
            open_files: OpenFiles::new(settings.open_files, settings.revalidate_after),
            watched: WatchedDirectories::default(),
            names: KnownNames::default(),
            quiet_period: settings.quiet_period,
        })
    }

    /// Creates a root and opens its directory. Fails after the deadline if the disk hangs.
    pub async fn open(
        name: &str,
        path: &Path,
        buffers: Buffers,
        settings: RootSettings,
    ) -> io::Result<Arc<Self>> {
        let root = Self::new(name, path, buffers, settings);
        root.reopen().await.map_err(io::Error::other)??;
        Ok(root)
    }

    /// The directory's absolute path, without links once it is open. For logs, for watching and for
    /// programs that need a name; it never reaches a client.
    pub fn path(&self) -> PathBuf {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().map_or_else(|| self.configured.clone(), |opened| opened.path.clone())
    }

    /// Whether the directory was ever opened.
    pub fn is_open(&self) -> bool {
        self.directory().is_ok()
    }

    /// The threads for calls that may wait for the root's disk.
    pub fn pool(&self) -> &DiskPool {
        &self.pool
    }

    /// The threads for calls that read the root's files and compute much from them. They are the root's own,
    /// because a read may hang.
    pub fn compute_pool(&self) -> &DiskPool {
        &self.compute
    }

    /// Lists a directory inside the root; `relative` is empty for the root itself. Leaves out hidden
    /// entries and everything that is neither a directory nor a regular file.
    pub async fn list(
        self: &Arc<Self>,
        relative: &Path,
    ) -> Result<io::Result<Vec<Entry>>, Unavailable> {
        let (root, relative) = (Arc::clone(self), relative.to_owned());
        self.pool.run_without_deadline(move || root.list_blocking(&relative)).await
    }

    /// Looks a name up: a file, a directory, or an error (`NotFound` if there is nothing).
    pub async fn look_up(self: &Arc<Self>, path: &Path) -> Result<EntryKind, OpenError> {
        let (root, relative) = (Arc::clone(self), path.to_owned());
        let call = move || root.look_up_blocking(&relative, Links::Followed);
        let looked_up = self.pool.run(ClientKey::current(), call).await?;
        looked_up.map_err(|error| self.open_error(path, error))
    }

    /// The error of a path. Logs one that the operator should know, with the file, which no client sees.
    pub(super) fn open_error(&self, relative: &Path, error: io::Error) -> OpenError {
        let file = || self.path().join(relative).display().to_string();
        if error.kind() == io::ErrorKind::PermissionDenied {
            tracing::warn!(
                file = file(),
                %error,
                "cannot read a file of the library; check its permissions"
            );
        }
        let error = error.into();
        if let OpenError::Io(error) = &error {
            tracing::warn!(file = file(), %error, "cannot open a file of the library");
        }
        error
    }

    /// Opens the directory if it is not open yet, or if the root's path leads to another one now. Returns
    /// whether the directory is new.
    pub async fn reopen(self: &Arc<Self>) -> Result<io::Result<bool>, Unavailable> {
        let root = Arc::clone(self);
        self.pool.run(ClientKey::current(), move || root.reopen_blocking()).await
    }

    /// Opens an entry below the root. Blocks: for disk threads only.
    pub(super) fn open_beneath(
        &self,
        relative: &Path,
        flags: OFlags,
        links: Links,
    ) -> io::Result<OwnedFd> {
        Ok(file::open_beneath(self.directory()?.as_fd(), relative, flags, links)?)
    }

    pub(super) fn look_up_blocking(&self, relative: &Path, links: Links) -> io::Result<EntryKind> {
        let found = file::status_beneath(self.directory()?.as_fd(), relative, links)?;
        entry_kind(&found).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn directory(&self) -> io::Result<Arc<OwnedFd>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let directory = opened.as_ref().map(|opened| Arc::clone(&opened.directory));
        directory.ok_or_else(|| Errno::NOTCONN.into())
    }

    fn reopen_blocking(&self) -> io::Result<bool> {
        let path = std::fs::canonicalize(&self.configured)?;
        let fresh = open_directory(&path)?;
        if let Ok(current) = self.directory() {
            let new = fs::fstat(&fresh)?;
            // If the old file system lost its server, its directory has no status and counts as another.
            let is_same = |old: Stat| (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino);
            if fs::fstat(current).is_ok_and(is_same) {
                return Ok(false);
            }
            tracing::info!(root = %path.display(), "opened a new directory under the root's path");
        }
        let opened = Opened { path, directory: Arc::new(fresh) };
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        self.watched.reset();
        self.forget_below(Path::new(""));
        Ok(true)
    }

    fn list_blocking(&self, relative: &Path) -> io::Result<Vec<Entry>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut directory = Dir::new(self.open_beneath(relative, flags, Links::Followed)?)?;
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
                    status.ok().as_ref().and_then(entry_kind)
                }
            };
            // An entry that vanished, or whose status may not be read, is left out.
            entries.extend(found.map(|kind| Entry { name: name.to_owned(), kind }));
        }
        Ok(entries)
    }

    fn follow(&self, link: &Path) -> Option<EntryKind> {
        let target = self.look_up_blocking(link, Links::Followed).ok();
        target.filter(|kind| matches!(kind, EntryKind::File(_)))
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    // Not O_PATH: the root must be readable, and the start should detect if it is not.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::open(path, flags, Mode::empty())?)
}

fn entry_kind(status: &Stat) -> Option<EntryKind> {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Some(EntryKind::File(super::Identity::from_stat(status))),
        FileType::Directory => Some(EntryKind::Directory),
        _ => None,
    }
}
