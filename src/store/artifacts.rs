//! What jobs made, on disk: posters, sheets, renditions.
//!
//! ```text
//! artifacts/made/<key>/<token>/…   published: what the database's rows name
//! artifacts/making/<token>/…       being made
//! ```
//!
//! A folder is named by the token of the lease under which it was made, so that two workers never write
//! the same file, and one that lost its lease cannot touch what another has published. A folder appears
//! under its name at once and whole, and only then a row names it: whatever has no row is nobody's, and
//! is swept away.

use std::{
    fmt, fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Letters of a key at most: it is a name on disk.
const KEY_BYTES_MAX: usize = 160;

/// Names an artifact by what decides its bytes: the version of its source and the parameters.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key(String);

impl Key {
    /// `None` if it could mean something else on disk.
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_key = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(is_plain);
        is_key.then_some(Self(key))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder of what was made of a key under one lease, below [`ArtifactStore::made`].
pub fn folder_of(key: &Key, token: i64) -> PathBuf {
    [key.as_str(), &token.to_string()].iter().collect()
}

/// The folder of artifacts.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    made: PathBuf,
    making: PathBuf,
    /// Bytes that stay free on the disk.
    spare_bytes: u64,
}

/// Why nothing can be made now.
#[derive(Debug, thiserror::Error)]
pub enum NoWorkspace {
    /// The disk is too full.
    #[error("the disk of the data folder has {free_mib} MiB left, and {needed_mib} MiB are needed")]
    Full {
        /// What is free.
        free_mib: u64,
        /// What is needed, and what is to stay free.
        needed_mib: u64,
    },
    /// The folder cannot be made.
    #[error("the folder of artifacts: {0}")]
    Io(#[from] io::Error),
}

impl ArtifactStore {
    /// Opens the folder below the data folder, and makes it if it is not there.
    pub fn open(data: &Path, spare_bytes: u64) -> io::Result<Self> {
        let folder = data.join("artifacts");
        let opened = Self { made: folder.join("made"), making: folder.join("making"), spare_bytes };
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(&opened.made)?;
        private.create(&opened.making)?;
        Ok(opened)
    }

    /// Where what was published lies.
    pub fn made(&self) -> &Path {
        &self.made
    }

    /// Where what was made of a key under one lease lies.
    pub fn folder(&self, key: &Key, token: i64) -> PathBuf {
        self.made.join(folder_of(key, token))
    }

    /// Bytes that may be written before the disk is as full as it may be.
    pub fn room_bytes(&self) -> io::Result<u64> {
        Ok(self.free_bytes()?.saturating_sub(self.spare_bytes))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.making)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// A folder to make something in, for a job that will need about so many bytes.
    pub fn workspace(&self, token: i64, needed_bytes: u64) -> Result<Workspace, NoWorkspace> {
        let free_bytes = self.free_bytes()?;
        let needed_bytes = needed_bytes.saturating_add(self.spare_bytes);
        if free_bytes < needed_bytes {
            let (free_mib, needed_mib) = (free_bytes >> 20, needed_bytes.div_ceil(1 << 20));
            return Err(NoWorkspace::Full { free_mib, needed_mib });
        }
        let folder = self.making.join(token.to_string());
        remove(&folder)?;
        fs::create_dir(&folder)?;
        Ok(Workspace { folder: Some(folder), made: self.made.clone(), token })
    }

    /// Removes what was made of a key under one lease.
    pub fn remove(&self, key: &Key, token: i64) -> io::Result<()> {
        let folder = self.made.join(key.as_str());
        remove(&folder.join(token.to_string()))?;
        // It stays if there is another in it.
        let _ = fs::remove_dir(folder);
        Ok(())
    }

    /// All that was published and is on disk, by what its folders say.
    pub fn published(&self) -> io::Result<Vec<(Key, i64)>> {
        let mut folders = Vec::new();
        for key in names(&self.made)?.into_iter().filter_map(Key::new) {
            let tokens = tokens(&self.made.join(key.as_str()))?;
            folders.extend(tokens.into_iter().map(|token| (key.clone(), token)));
        }
        Ok(folders)
    }

    /// The tokens under which something is being made, or was when whoever made it went away.
    pub fn unfinished(&self) -> io::Result<Vec<i64>> {
        tokens(&self.making)
    }

    /// Removes what was left in the making.
    pub fn remove_unfinished(&self, token: i64) -> io::Result<()> {
        remove(&self.making.join(token.to_string()))
    }
}

/// A folder in which something is being made. Dropped, it is gone.
#[derive(Debug)]
pub struct Workspace {
    /// `None` once it is published.
    folder: Option<PathBuf>,
    made: PathBuf,
    token: i64,
}

impl Workspace {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.as_deref().unwrap_or(&self.made)
    }

    /// Publishes all that is in it, once it has reached the disk. Returns how many bytes that is.
    pub fn publish(mut self, key: &Key) -> io::Result<u64> {
        let folder = self.folder.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = 0;
        for name in names(folder)? {
            let file = fs::File::open(folder.join(name))?;
            file.sync_all()?;
            bytes += file.metadata()?.len();
        }
        sync(folder)?;
        let of_key = self.made.join(key.as_str());
        let to = of_key.join(self.token.to_string());
        let publish = || fs::create_dir_all(&of_key).and_then(|()| fs::rename(folder, &to));
        match publish() {
            // Another's was removed, and the empty folder of the key with it, between the two steps.
            Err(error) if error.kind() == io::ErrorKind::NotFound => publish()?,
            published => published?,
        }
        self.folder = None;
        sync(&of_key)?;
        sync(&self.made)?;
        Ok(bytes)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.folder.as_deref().map(remove) {
            tracing::warn!(token = self.token, %error, "left behind; it is swept away later");
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names in a folder; none if it was removed just now.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

fn tokens(folder: &Path) -> io::Result<Vec<i64>> {
    Ok(names(folder)?.iter().filter_map(|name| name.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Key {
        Key::new(key).expect("a key")
    }

    #[test]
    fn a_key_is_a_plain_name() {
        assert!(Key::new("00ff-poster-w640").is_some());
        for other in ["", ".", "..", "a/b", "A", "a b", "a\0", &"a".repeat(161)] {
            assert!(Key::new(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_published_is_there_at_once_and_whole() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(data.path(), 0).expect("a folder");
        let workspace = artifacts.workspace(1, 1).expect("room");
        fs::write(workspace.path().join("a.jpg"), b"abc").expect("a file");
        assert_eq!(artifacts.unfinished().expect("a list"), [1]);
        assert_eq!(workspace.publish(&key("k")).expect("published"), 3);
        assert!(artifacts.unfinished().expect("a list").is_empty());
        assert_eq!(artifacts.published().expect("a list"), [(key("k"), 1)]);
        assert_eq!(fs::read(artifacts.made().join("k/1/a.jpg")).expect("a file"), b"abc");
        artifacts.remove(&key("k"), 1).expect("removed");
        assert!(!artifacts.made().join("k").exists());
    }

    #[test]
    fn what_was_not_published_leaves_nothing() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(data.path(), 0).expect("a folder");
        let workspace = artifacts.workspace(1, 1).expect("room");
        fs::write(workspace.path().join("a.jpg"), b"abc").expect("a file");
        drop(workspace);
        assert!(artifacts.unfinished().expect("a list").is_empty());
        assert!(artifacts.published().expect("a list").is_empty());
    }

    #[test]
    fn a_full_disk_is_told_before_anything_is_made() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(data.path(), u64::MAX).expect("a folder");
        let refused = artifacts.workspace(1, 1 << 20).expect_err("no room");
        assert!(matches!(refused, NoWorkspace::Full { .. }), "{refused}");
        assert!(artifacts.unfinished().expect("a list").is_empty());
        assert!(artifacts.published().expect("a list").is_empty());
    }
}
