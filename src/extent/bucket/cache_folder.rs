//! The folder of the cache: names, its lock, and what it holds.
//!
//! ```text
//! lock                            held by the one process that uses the folder
//! <2 hex>/<hash>/<number>         shelves: the hash of the object, and the place in it
//! ```
//!
//! Every name is resolved from the directory above it, which is open, and no symbolic link is followed. So
//! nothing outside of the folder is ever written, whatever is put into it. What is not a shelf by its
//! name stays untouched.

use std::{
    fs::DirBuilder,
    io,
    ops::ControlFlow,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
};

use super::{
    shelf::SHELF_FILE_BYTES,
    shelf_key::{ObjectHash, ShelfKey},
};
use crate::sys::file;

/// The file whose lock means that the folder is in use.
const LOCK: &str = "lock";

/// For directories and files: others must not read what a bucket keeps private.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);

/// How a directory on the way to a shelf is opened.
const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How a file is opened. A pipe must not wait for its writer.
const FILE: OFlags =
    OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The most attempts to create a file in a directory that another thread removes because it is empty.
const CREATE_TRIES: usize = 8;

/// The folder of a cache, which this process alone uses.
#[derive(Debug)]
pub(super) struct CacheFolder {
    path: PathBuf,
    directory: OwnedFd,
    /// Open as long as the folder is in use.
    _lock: OwnedFd,
    is_nonblocking: bool,
}

impl CacheFolder {
    /// Opens the folder, creates it if it does not exist, and takes its lock.
    ///
    /// # Errors
    /// If that is not possible, with the folder's name; in particular if another process uses it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let name_folder = |error: io::Error| {
            let text = format!("cannot use {} as the cache: {error}", path.display());
            io::Error::new(error.kind(), text)
        };
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path)
            .and_then(|()| Self::lock(path))
            .map_err(name_folder)
    }

    fn lock(path: &Path) -> io::Result<Self> {
        // Here alone a link is followed: the operator chose this path.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let directory = fs::open(path, flags, Mode::empty())?;
        let lock = fs::openat(&directory, LOCK, FILE | OFlags::CREATE, FILE_MODE)?;
        let is_nonblocking = file::is_nonblocking(&lock)?;
        match fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // On other systems no disk is known to be local.
                if !is_nonblocking && cfg!(target_os = "linux") {
                    let folder = path.display();
                    tracing::warn!(%folder, "the cache is on no local disk: its bytes are copied, not sent by the kernel");
                }
                Ok(Self { path: path.to_owned(), directory, _lock: lock, is_nonblocking })
            }
            Err(Errno::WOULDBLOCK) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses it; give each process a cache folder of its own",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// The path of the folder, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder is on a local disk: on a network file system, I/O threads would wait for a server.
    pub fn is_nonblocking(&self) -> bool {
        self.is_nonblocking
    }

    /// The bytes that are free on the disk.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = fs::fstatvfs(&self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Opens the file of a shelf, if there is one that can be a shelf's: a regular file of the right length
    /// without a second name.
    pub fn open_shelf(&self, key: &ShelfKey) -> io::Result<Option<OwnedFd>> {
        let file = self.open_directory(&key.object).and_then(|directory| {
            fs::openat(directory, key.number.to_string(), FILE, Mode::empty())
        });
        let file = match file {
            // `LOOP`: a link. `NXIO`, `ISDIR`: a socket, a directory.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
            file => file?,
        };
        let status = fs::fstat(&file)?;
        let can_be_shelf = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
            && u64::try_from(status.st_size) == Ok(SHELF_FILE_BYTES)
            && status.st_nlink == 1;
        Ok(can_be_shelf.then_some(file))
    }

    /// Creates the file of a shelf, in place of whatever has its name.
    pub fn create_shelf(&self, key: &ShelfKey) -> io::Result<OwnedFd> {
        let create = || {
            let directory = self.create_directory(&key.object)?;
            let name = key.number.to_string();
            match fs::unlinkat(&directory, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                error => error?,
            }
            fs::openat(&directory, &name, FILE | OFlags::CREATE | OFlags::EXCL, FILE_MODE)
        };
        let is_decided = |created: &Result<_, Errno>| !matches!(created, Err(Errno::NOENT));
        Ok((1..CREATE_TRIES).map(|_| create()).find(is_decided).unwrap_or_else(create)?)
    }

    /// Removes the file of a shelf, and the directory of its object if that is empty then. Who has the file
    /// open keeps its bytes. False if there is none.
    pub fn remove_shelf(&self, key: &ShelfKey) -> io::Result<bool> {
        let removed = self.open_directory(&key.object).and_then(|directory| {
            fs::unlinkat(directory, key.number.to_string(), AtFlags::empty())
        });
        match removed {
            Err(Errno::NOENT) => return Ok(false),
            removed => removed?,
        }
        let upper = self.open_upper(&key.object)?;
        // It fails unless the directory is empty.
        let _ = fs::unlinkat(upper, key.object.to_string(), AtFlags::REMOVEDIR);
        Ok(true)
    }

    /// Calls a function with each name of a shelf in the folder, until it breaks.
    pub fn for_each_shelf(
        &self,
        mut call: impl FnMut(ShelfKey) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let is_upper = |name: &[u8]| {
            name.len() == 2 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        for upper in entries(&self.directory)?.iter().filter(|name| is_upper(name)) {
            // A directory that vanishes or that cannot be read has no shelves.
            let Ok(upper_directory) = open_below(&self.directory, upper) else { continue };
            for name in entries(&upper_directory)? {
                let Some(object) = ObjectHash::parse(&name) else { continue };
                let Ok(directory) = open_below(&upper_directory, &name) else { continue };
                if !name.starts_with(upper) {
                    continue;
                }
                for name in entries(&directory)? {
                    if let Some(number) = shelf_number(&name)
                        && call(ShelfKey { object, number }).is_break()
                    {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The directory of an object's directory.
    fn open_upper(&self, object: &ObjectHash) -> Result<OwnedFd, Errno> {
        open_below(&self.directory, upper_name(object).as_bytes())
    }

    fn open_directory(&self, object: &ObjectHash) -> Result<OwnedFd, Errno> {
        open_below(&self.open_upper(object)?, object.to_string().as_bytes())
    }

    fn create_directory(&self, object: &ObjectHash) -> Result<OwnedFd, Errno> {
        let upper = create_below(&self.directory, &upper_name(object))?;
        create_below(&upper, &object.to_string())
    }
}

/// The first two digits of an object's hash.
fn upper_name(object: &ObjectHash) -> String {
    format!("{:02x}", object.0[0])
}

fn open_below(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    fs::openat(directory, name, DIRECTORY, Mode::empty())
}

fn create_below(directory: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    match open_below(directory, name.as_bytes()) {
        Err(Errno::NOENT) => {}
        opened => return opened,
    }
    match fs::mkdirat(directory, name, Mode::from_raw_mode(DIRECTORY_MODE)) {
        Ok(()) | Err(Errno::EXIST) => open_below(directory, name.as_bytes()),
        Err(error) => Err(error),
    }
}

/// The names in a directory.
fn entries(directory: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let names = Dir::read_from(directory)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
    names.collect()
}

/// The number of a shelf from its name, as it is written and in no other way.
fn shelf_number(name: &[u8]) -> Option<u32> {
    let number: u32 = str::from_utf8(name).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    };

    use tempfile::TempDir;

    use super::*;

    const KEY: ShelfKey = ShelfKey { object: ObjectHash([0xab; 32]), number: 12 };

    fn folder() -> (TempDir, CacheFolder) {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = CacheFolder::open(&outer.path().join("new/cache")).expect("a cache folder");
        (outer, folder)
    }

    fn path(folder: &CacheFolder, key: &ShelfKey) -> PathBuf {
        let object = key.object.to_string();
        folder.path().join(&object[..2]).join(object).join(key.number.to_string())
    }

    fn create_whole(folder: &CacheFolder, key: &ShelfKey) {
        File::from(folder.create_shelf(key).expect("a file"))
            .set_len(SHELF_FILE_BYTES)
            .expect("set");
    }

    fn is_shelf(folder: &CacheFolder, key: &ShelfKey) -> bool {
        folder.open_shelf(key).expect("no error").is_some()
    }

    fn names(folder: &CacheFolder) -> Vec<ShelfKey> {
        let mut names = Vec::new();
        let each = |key| {
            names.push(key);
            ControlFlow::Continue(())
        };
        folder.for_each_shelf(each).expect("names");
        names.sort_unstable_by_key(|key| key.number);
        names
    }

    #[test]
    fn a_shelf_is_created_found_and_removed_with_its_directory() {
        let (_outer, folder) = folder();
        assert!(!is_shelf(&folder, &KEY));
        let other = ShelfKey { number: 13, ..KEY };
        create_whole(&folder, &KEY);
        create_whole(&folder, &other);
        assert!(is_shelf(&folder, &KEY));
        assert_eq!(names(&folder), [KEY, other]);
        let file = fs::metadata(path(&folder, &KEY)).expect("a file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        for key in [KEY, other] {
            assert!(folder.remove_shelf(&key).expect("removed"));
            assert!(!folder.remove_shelf(&key).expect("it is removed already"));
        }
        assert!(names(&folder).is_empty());
        assert!(!path(&folder, &KEY).parent().expect("a directory").exists());
    }

    #[test]
    fn a_folder_in_use_is_refused_by_its_name_until_it_is_free() {
        let (_outer, folder) = folder();
        let path = folder.path().to_owned();
        let error = CacheFolder::open(&path).expect_err("it is in use");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        let text = format!(
            "cannot use {} as the cache: another process uses it; give each process a cache folder of \
             its own",
            path.display()
        );
        assert_eq!(error.to_string(), text);
        drop(folder);
        CacheFolder::open(&path).expect("it is free");
    }

    #[test]
    fn a_folder_that_is_none_is_refused_by_its_name() {
        let outer = tempfile::tempdir().expect("a folder");
        let file = outer.path().join("file");
        fs::write(&file, "").expect("a file");
        let error = CacheFolder::open(&file).expect_err("no folder").to_string();
        assert!(
            error.starts_with(&format!("cannot use {} as the cache: ", file.display())),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_a_shelf_is_none_and_is_replaced() {
        let (outer, folder) = folder();
        let (at, outside) = (path(&folder, &KEY), outer.path().join("outside"));
        fs::write(&outside, "outside").expect("a file");
        File::options()
            .write(true)
            .open(&outside)
            .expect("a file")
            .set_len(SHELF_FILE_BYTES)
            .expect("set");
        let places: [(&str, &dyn Fn()); 5] = [
            ("a short file", &|| fs::write(&at, "short").expect("a file")),
            ("a long file", &|| {
                File::create(&at).expect("a file").set_len(SHELF_FILE_BYTES + 1).expect("set");
            }),
            ("a symbolic link", &|| symlink(&outside, &at).expect("a link")),
            ("a dangling link", &|| symlink("/nothing/there", &at).expect("a link")),
            ("a second name of a file", &|| fs::hard_link(&outside, &at).expect("a link")),
        ];
        for (what, place) in places {
            create_whole(&folder, &KEY);
            folder.remove_shelf(&KEY).expect("removed");
            fs::create_dir_all(at.parent().expect("a directory")).expect("a directory");
            place();
            assert!(!is_shelf(&folder, &KEY), "{what}");
            create_whole(&folder, &KEY);
            assert!(is_shelf(&folder, &KEY), "{what}");
            assert_eq!(fs::symlink_metadata(&at).expect("a file").nlink(), 1, "{what}");
            assert!(fs::read(&outside).expect("a file").starts_with(b"outside"), "{what}");
        }
    }

    #[test]
    fn directories_that_are_links_lead_nowhere() {
        let (outer, folder) = folder();
        let outside = outer.path().join("outside");
        let object = KEY.object.to_string();
        fs::create_dir_all(outside.join(&object)).expect("a directory");
        fs::write(outside.join(&object).join("12"), "outside").expect("a file");
        symlink(&outside, folder.path().join(&object[..2])).expect("a link");
        assert!(folder.open_shelf(&KEY).is_err());
        assert!(folder.create_shelf(&KEY).is_err());
        assert!(folder.remove_shelf(&KEY).is_err());
        assert!(names(&folder).is_empty());
        assert_eq!(fs::read(outside.join(object).join("12")).expect("a file"), b"outside");
    }

    #[test]
    fn foreign_names_are_no_shelves() {
        let (_outer, folder) = folder();
        create_whole(&folder, &KEY);
        let directory = path(&folder, &KEY).parent().expect("a directory").to_owned();
        for name in ["012", "-1", "4294967296", "12.tmp", "film.mp4"] {
            fs::write(directory.join(name), "foreign").expect("a file");
        }
        for name in [
            "zz",
            "abc",
            "ab/short",
            "ab/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
        ] {
            fs::create_dir_all(folder.path().join(name)).expect("a directory");
            fs::write(folder.path().join(name).join("1"), "foreign").expect("a file");
        }
        fs::write(folder.path().join("cd"), "a file").expect("a file");
        assert_eq!(names(&folder), [KEY]);
    }
}
