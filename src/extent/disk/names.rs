//! The names in directories, cached so that a request need not read a directory.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use quick_cache::{Weighter, sync::Cache};
use rustix::fs::{self, Dir, OFlags};

use super::{Identity, OpenError, Root};
use crate::{shares::ClientKey, sys::file::Links};

/// Memory for the names of all directories of a root together, in bytes. A larger directory is read for
/// each request.
pub const NAMES_BUDGET_BYTES: u64 = 8 << 20;

/// The time without a change after which a directory's names are cached: file systems count time in ticks
/// of some milliseconds, and a name may be added in the tick in which the names were read.
const QUIET_PERIOD: Duration = Duration::from_secs(2);

/// The visible names in a directory, sorted as bytes.
#[derive(Debug, Default)]
pub struct Names {
    directory: Option<Identity>,
    names: Vec<Box<[u8]>>,
}

impl Names {
    /// The names of an iterator.
    pub fn from_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut names: Vec<Box<[u8]>> = names.map(Into::into).collect();
        names.sort_unstable();
        Self { directory: None, names }
    }

    /// The names that begin with a prefix.
    pub fn with_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = &[u8]> {
        let first = self.names.partition_point(|name| **name < *prefix);
        let names = self.names[first..].iter().map(|name| &**name);
        names.take_while(move |name| name.starts_with(prefix))
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }
}

/// Weighs the names of a directory by their memory.
#[derive(Clone, Copy, Debug)]
pub struct NamesLength;

impl Weighter<PathBuf, Arc<Names>> for NamesLength {
    fn weight(&self, path: &PathBuf, names: &Arc<Names>) -> u64 {
        let lengths = names.names.iter().map(|name| name.len() + 32);
        (path.as_os_str().len() + 128 + lengths.sum::<usize>()) as u64
    }
}

/// Names by the directory's path below its root.
#[derive(Debug)]
pub(super) struct KnownNames(Cache<PathBuf, Arc<Names>, NamesLength>);

impl Default for KnownNames {
    fn default() -> Self {
        Self(Cache::with_weighter(256, NAMES_BUDGET_BYTES, NamesLength))
    }
}

impl Root {
    /// Calls `evaluate` with the visible names in a directory inside the root; `relative` is empty for the
    /// root itself. The names are read again when the directory has changed. `evaluate` runs in the disk
    /// pool: a directory may hold a hundred thousand names.
    pub async fn names<T: Send + 'static>(
        self: &Arc<Self>,
        relative: &Path,
        evaluate: impl FnOnce(&Names) -> T + Send + 'static,
    ) -> Result<T, OpenError> {
        let (root, directory) = (Arc::clone(self), relative.to_owned());
        let call = move || root.names_blocking(&directory).map(|names| evaluate(&names));
        self.pool
            .run(ClientKey::current(), call)
            .await?
            .map_err(|error| self.open_error(relative, error))
    }

    fn names_blocking(&self, relative: &Path) -> io::Result<Arc<Names>> {
        let opened =
            self.open_beneath(relative, OFlags::RDONLY | OFlags::DIRECTORY, Links::Followed)?;
        let directory = Identity::from_stat(&fs::fstat(&opened)?);
        let known = self.names.0.get(relative);
        if let Some(known) = known.filter(|known| known.directory == Some(directory)) {
            return Ok(known);
        }
        let mut listed = Vec::new();
        let mut entries = Dir::new(opened)?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !name.starts_with(b".") {
                listed.push(name.into());
            }
        }
        listed.sort_unstable();
        let names = Arc::new(Names { directory: Some(directory), names: listed });
        if directory.is_quiet_for(QUIET_PERIOD) {
            self.names.0.insert(relative.to_owned(), Arc::clone(&names));
        }
        Ok(names)
    }
}

/// The directory of a path, below the same root.
pub fn parent_directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Splits a file's name into the stem and the extension without the dot.
pub fn split_stem(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 => (&name[..dot], &name[dot + 1..]),
        _ => (name, b""),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn names_with_a_prefix_are_found() {
        let listed = ["a.mp4", "film.720p.mp4", "film.en.srt", "film.mp4", "films", "z"];
        let names = Names::from_names(listed.iter().map(|name| name.as_bytes()));
        let found: Vec<_> = names.with_prefix(b"film.").collect();
        assert_eq!(found, [&b"film.720p.mp4"[..], b"film.en.srt", b"film.mp4"]);
        assert_eq!(names.with_prefix(b"zz").count(), 0);
    }

    #[test]
    fn a_name_is_cut_at_its_last_dot() {
        assert_eq!(split_stem(b"a.b.mp4"), (&b"a.b"[..], &b"mp4"[..]));
        assert_eq!(split_stem(b"a"), (&b"a"[..], &b""[..]));
        assert_eq!(split_stem(b".a"), (&b".a"[..], &b""[..]));
    }

    #[test]
    fn the_directory_of_a_name_is_the_root() {
        assert_eq!(parent_directory(Path::new("a.mp4")), Path::new(""));
        assert_eq!(parent_directory(Path::new("b/a.mp4")).as_os_str().as_bytes(), b"b");
    }
}
