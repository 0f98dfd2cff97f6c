//! Folders and file systems that a test serves, and files whose bytes name their offset.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A folder of files that goes away with the test.
pub struct Folder(pub(super) TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    /// An empty one on the file system of this directory.
    pub fn below(directory: &str) -> std::io::Result<Self> {
        TempDir::new_in(directory).map(Self)
    }

    /// Puts a file into it, with the folders on the way.
    pub fn put(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the folders on the way");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Where a name in it is.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A file system of its own, as small as it is said; only root may make one.
pub struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// Mounts it over a folder. Says so if that cannot be.
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

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

/// Bytes that tell where they are: every 8 of them hold their own offset.
pub fn pattern(length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).flat_map(|word| (word * 8).to_be_bytes());
    words.take(length).collect()
}
