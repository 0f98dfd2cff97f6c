//! Folders and file systems that a test serves, and files whose bytes hold their own offset.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A temporary folder of files.
pub struct Folder(pub(super) TempDir);

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    /// An empty folder on the file system of this directory.
    pub fn below(directory: &str) -> std::io::Result<Self> {
        TempDir::new_in(directory).map(Self)
    }

    /// Writes a file into it, and creates its parent folders.
    pub fn put(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the folders on the way");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// The path of a name in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A tmpfs of limited size; only root may mount one.
pub struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// Mounts it over a folder. Prints a line if that is not possible.
    pub fn mount(at: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", size, "headwater-test"]).arg(at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("this test did not run: nothing can be mounted here");
        None
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

/// Bytes that hold their own offset: every 8 of them.
pub fn pattern(length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).flat_map(|word| (word * 8).to_be_bytes());
    words.take(length).collect()
}
