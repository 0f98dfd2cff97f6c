//! The files that every peer serves.
//!
//! Their bytes are random, so that a range from the wrong place cannot compare equal, and compression
//! cannot help. They end in `.mp4` because Headwater serves media only.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use tempfile::TempDir;

use crate::cell::Work;
use crate::interrupt;
use crate::process::{Group, wait_for};
use crate::random::rng;

/// Bytes per write or read.
const CHUNK: usize = 1 << 20;

/// Age of a file's last change before servers start. A server may treat fresh files with more care, as
/// Headwater does for two seconds, and that is not the subject here.
const QUIET_PERIOD: Duration = Duration::from_secs(3);

/// Files for cold downloads. Many, so that each has been out of the page cache for a while before its
/// next download: a server may remember for a second that a file was in.
const COLD_FILES: u64 = 16;

/// Longest time for the kernel to report or to drop pages of the page cache.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that may stay in the page cache: a few pages that are in use.
const IN_USE: u64 = 64 << 10;

/// Creates a folder in `parent` that is deleted, with all its files, when dropped.
pub fn scratch(parent: &Path) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("peers-").tempdir_in(parent);
    folder.with_context(|| format!("cannot create a folder in {}", parent.display()))
}

/// Number and lengths of the files, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub files: u64,
    pub file_length: u64,
    /// Length of the file for whole downloads, if the run needs it.
    pub whole_length: Option<u64>,
    /// Length of the files for cold downloads, if the run needs them.
    pub cold_length: Option<u64>,
}

/// One copy of the files, in one folder.
#[derive(Debug)]
pub struct Dataset {
    pub folder: PathBuf,
    pub shape: Shape,
}

impl Dataset {
    /// Name of the file for whole downloads.
    pub const WHOLE: &str = "whole.mp4";

    /// Writes the files into the new folder `folder`, out of the page cache. Equal seeds give equal
    /// bytes.
    pub fn create(folder: PathBuf, shape: Shape, seed: u64) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let dataset = Dataset { folder, shape };
        for (stream, (name, length)) in dataset.files().into_iter().enumerate() {
            write_random(&dataset.path(&name), length, rng(seed, stream as u64))?;
        }
        Ok(dataset)
    }

    /// All files, by name and length in bytes.
    fn files(&self) -> Vec<(String, u64)> {
        let Shape { files, file_length, whole_length, .. } = self.shape;
        let clips = (0..files).map(|index| (Self::clip(index), file_length));
        let whole = whole_length.map(|length| (Self::WHOLE.to_owned(), length));
        let cold = self.cold_files();
        let cold = cold.into_iter().zip(self.shape.cold_length.into_iter().cycle());
        clips.chain(whole).chain(cold).collect()
    }

    /// Path of a file by its name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Name of one of the files for ranges.
    pub fn clip(index: u64) -> String {
        format!("clip-{index:03}.mp4")
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    /// Names of the files that some work expects in the page cache.
    pub fn hot_files(&self, work: Work) -> Vec<String> {
        match work.needs_whole_file() {
            true => vec![Self::WHOLE.to_owned()],
            false => (0..self.shape.files).map(Self::clip).collect(),
        }
    }

    /// Names of the files for cold downloads.
    pub fn cold_files(&self) -> Vec<String> {
        let count = self.shape.cold_length.map_or(0, |_| COLD_FILES);
        (0..count).map(|index| format!("cold-{index:03}.mp4")).collect()
    }

    /// Reads files into the page cache. The kernel may reclaim pages between turns, even of files in
    /// use.
    pub fn warm(&self, files: &[String]) -> Result<()> {
        files.iter().try_for_each(|name| read_all(&self.path(name)))
    }

    /// Drops files from the page cache and verifies it. A page that is being read or sent stays; so
    /// this retries until servers have released theirs.
    pub fn evict(&self, files: &[String]) -> Result<()> {
        let folder = self.folder.display();
        let what = format!(
            "files to leave the page cache; is {folder} on a disk? Choose another with --scratch"
        );
        wait_for(&what, TIMEOUT, || {
            for name in files {
                evict(&File::open(self.path(name))?)?;
            }
            Ok((self.cached(files)? <= IN_USE).then_some(()))
        })
    }

    /// Bytes of some files in the page cache.
    fn cached(&self, files: &[String]) -> Result<u64> {
        let mut command = Command::new("fincore");
        command.args(["--bytes", "--noheadings", "--raw", "--output", "RES"]);
        command.args(files).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let output = Group::spawn(&mut command)?.finish(TIMEOUT)?;
        let sizes = output.lines().map(|line| line.trim().parse::<u64>());
        sizes.sum::<Result<u64, _>>().with_context(|| format!("fincore printed: {output}"))
    }

    /// The folder below which every file has the path that it has in URLs.
    pub fn root(&self) -> &Path {
        self.folder.parent().expect("it has a parent")
    }
}

/// Waits until the last change of all files is older than three seconds.
pub fn wait_for_quiet(files: impl Iterator<Item = PathBuf>) -> Result<()> {
    for path in files {
        let metadata = fs::metadata(&path)?;
        let changed = UNIX_EPOCH
            + Duration::new(metadata.ctime().try_into()?, metadata.ctime_nsec().try_into()?);
        // A time in the future, after the clock was set back, has no age; wait in full.
        let age = changed.elapsed().unwrap_or_default();
        interrupt::sleep(QUIET_PERIOD.saturating_sub(age))?;
    }
    Ok(())
}

fn write_random(file: &Path, length: u64, mut random: fastrand::Rng) -> Result<()> {
    let mut out = File::create_new(file)?;
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        interrupt::check()?;
        let part = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        random.fill(&mut chunk[..part]);
        out.write_all(&chunk[..part])
            .with_context(|| format!("cannot write {}", file.display()))?;
        left -= part as u64;
    }
    sync_and_evict(&out)
}

/// Writes a file back, and drops it from the page cache. Otherwise writeback would run beside the
/// first turns; and writing leaves larger folios in the page cache than reading does, from which every
/// server sends for less. A file that was read in is the usual case.
pub fn sync_and_evict(file: &File) -> Result<()> {
    file.sync_all()?;
    evict(file)
}

/// Drops a clean file from the page cache.
pub fn evict(file: &File) -> Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

/// Reads a file into the page cache.
pub fn read_all(file: &Path) -> Result<()> {
    let mut input = File::open(file)?;
    let mut chunk = vec![0; CHUNK];
    while input.read(&mut chunk)? > 0 {
        interrupt::check()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        Shape { files: 2, file_length: 10_000, whole_length: Some(1), cold_length: None };

    #[test]
    fn files_have_their_lengths_and_differ() {
        let scratch = tempfile::tempdir().unwrap();
        let dataset = Dataset::create(scratch.path().join("media"), SHAPE, 7).unwrap();

        let whole = fs::read(dataset.path(Dataset::WHOLE)).unwrap();
        assert_eq!(whole.len(), 1);
        let clip = fs::read(dataset.path("clip-001.mp4")).unwrap();
        assert_eq!(clip.len(), 10_000);
        let other = fs::read(dataset.root().join("media/clip-000.mp4")).unwrap();
        assert_ne!(other[4096..4101], clip[4096..4101]);
    }

    #[test]
    fn each_work_has_its_files() {
        let dataset = Dataset { folder: PathBuf::new(), shape: SHAPE };
        let clips = ["clip-000.mp4", "clip-001.mp4"];
        assert_eq!(dataset.hot_files(Work::BesideCold), clips);
        assert_eq!(dataset.hot_files(Work::Paused { viewers: 1 }), ["whole.mp4"]);
        assert_eq!(dataset.files().len(), 3);

        let shape = Shape { whole_length: None, cold_length: Some(5), ..SHAPE };
        let dataset = Dataset { shape, ..dataset };
        assert_eq!(dataset.files().len() as u64, 2 + COLD_FILES);
        assert_eq!(dataset.files()[2], ("cold-000.mp4".to_owned(), 5));
    }

    #[test]
    fn read_files_are_in_the_page_cache_and_evicted_files_are_not() {
        // Beside the program, which is on a disk; the folder for temporary files may not be.
        let here = std::env::current_exe().unwrap();
        let scratch = scratch(here.parent().unwrap()).unwrap();
        let dataset = Dataset::create(scratch.path().join("media"), SHAPE, 7).unwrap();
        let files = dataset.hot_files(Work::BesideCold);
        dataset.warm(&files).unwrap();
        assert!(dataset.cached(&files).unwrap() >= 20_000);
        dataset.evict(&files).unwrap();
        assert_eq!(dataset.cached(&files).unwrap(), 0);
    }
}
