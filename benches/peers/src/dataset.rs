//! The files that every peer serves.
//!
//! Their bytes are random, so that a range sent from the wrong place cannot compare equal, and
//! no compression anywhere can help. They end in `.mp4` because Headwater serves media only.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::cell::Work;
use crate::interrupt;
use crate::process::{Group, wait_for};
use crate::random::Random;

/// Bytes written or read at a time while making and warming files.
const CHUNK: usize = 1 << 20;

/// How long a file must have been left alone before it is served. A server may be careful with
/// one that was changed a moment ago, as Headwater is for two seconds, and that is not what
/// is measured.
const SETTLED: Duration = Duration::from_secs(3);

/// Files to be downloaded cold. Many, so that each was out of the page cache for a while when
/// it is asked for again: a server may remember for a second that a file was in.
const COLD_FILES: u64 = 16;

/// Longest time in which the kernel tells what the page cache holds, or gives files up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that may stay behind in the page cache: a page or two that somebody holds.
const STAYING: u64 = 64 << 10;

/// A folder that is deleted, with all in it, when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a new folder inside `parent`.
    pub fn create(parent: &Path) -> Result<Self> {
        let parent = parent
            .canonicalize()
            .with_context(|| format!("the scratch folder {}", parent.display()))?;
        // The count keeps tests apart, which are threads of one process.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("peers-{}-{count}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Scratch(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("! could not delete {}: {error}", self.0.display());
        }
    }
}

/// How many files there are, and how long, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub files: u64,
    pub file_length: u64,
    /// Length of the file that is downloaded whole; none is made if this is absent.
    pub whole_length: Option<u64>,
    /// Length of the files that are downloaded cold; none are made if this is absent.
    pub cold_length: Option<u64>,
}

/// One copy of the files, in one folder.
#[derive(Debug)]
pub struct Dataset {
    pub folder: PathBuf,
    pub shape: Shape,
}

impl Dataset {
    /// Name of the file that is downloaded whole.
    pub const WHOLE: &str = "whole.mp4";

    /// Writes the files into the new folder `folder`, and leaves none of them in the page cache.
    /// Equal seeds give equal bytes.
    pub fn create(folder: PathBuf, shape: Shape, seed: u64) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let dataset = Dataset { folder, shape };
        for (stream, (name, length)) in dataset.files().into_iter().enumerate() {
            write_random(&dataset.path(&name), length, Random::new(seed, stream as u64))?;
        }
        Ok(dataset)
    }

    /// Waits until no file was changed within the last three seconds.
    pub fn settle(&self) -> Result<()> {
        settle(self.names().iter().map(|name| self.path(name)))
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

    /// Name of one of the files that ranges are asked of.
    pub fn clip(index: u64) -> String {
        format!("clip-{index:03}.mp4")
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    /// Names of the files that some work asks for and that are to be in the page cache.
    pub fn hot_files(&self, work: Work) -> Vec<String> {
        match work.needs_whole_file() {
            true => vec![Self::WHOLE.to_owned()],
            false => (0..self.shape.files).map(Self::clip).collect(),
        }
    }

    /// Names of the files that are downloaded cold.
    pub fn cold_files(&self) -> Vec<String> {
        let count = self.shape.cold_length.map_or(0, |_| COLD_FILES);
        (0..count).map(|index| format!("cold-{index:03}.mp4")).collect()
    }

    /// Reads files, so that the page cache holds them. The kernel may reclaim pages between
    /// turns, even of files in use.
    pub fn warm(&self, files: &[String]) -> Result<()> {
        files.iter().try_for_each(|name| read_all(&self.path(name)))
    }

    /// Drops files from the page cache, and makes sure that they are gone. A page that is still
    /// being read or sent stays; so it is tried until a server has given up what it was doing.
    pub fn evict(&self, files: &[String]) -> Result<()> {
        let folder = self.folder.display();
        let what = format!(
            "files to leave the page cache; is {folder} on a disk? Name another by --scratch"
        );
        wait_for(&what, PATIENCE, || {
            for name in files {
                evict(&File::open(self.path(name))?)?;
            }
            Ok((self.cached(files)? <= STAYING).then_some(()))
        })
    }

    /// How much of some files the page cache holds, in bytes.
    fn cached(&self, files: &[String]) -> Result<u64> {
        let mut command = Command::new("fincore");
        command.args(["--bytes", "--noheadings", "--raw", "--output", "RES"]);
        command.args(files).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let output = Group::spawn(&mut command)?.finish(PATIENCE)?;
        let sizes = output.lines().map(|line| line.trim().parse::<u64>());
        sizes.sum::<Result<u64, _>>().with_context(|| format!("fincore printed: {output}"))
    }

    /// The folder below which every file has the path that it has in URLs.
    pub fn root(&self) -> &Path {
        self.folder.parent().expect("it was made in another folder")
    }
}

/// Waits until no file was changed within the last three seconds. Only a change of their bytes
/// counts: reading them and dropping them from the page cache are none.
pub fn settle(files: impl Iterator<Item = PathBuf>) -> Result<()> {
    for path in files {
        let metadata = fs::metadata(&path)?;
        let changed = UNIX_EPOCH
            + Duration::new(metadata.ctime().try_into()?, metadata.ctime_nsec().try_into()?);
        // A change in the future, by a clock that was set back, has no age; wait in full.
        let age = changed.elapsed().unwrap_or_default();
        interrupt::sleep(SETTLED.saturating_sub(age))?;
    }
    Ok(())
}

fn write_random(file: &Path, length: u64, mut random: Random) -> Result<()> {
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
    // Otherwise writing back would run beside the first turns.
    out.sync_all()?;
    // Writing leaves the file in the page cache in larger pieces than reading does, and from
    // those every server sends for less. A file that was read is the usual case.
    evict(&out)
}

/// Drops a file that was written back from the page cache.
pub fn evict(file: &File) -> Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

/// Reads a file to its end, so that the page cache holds it.
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
    fn files_have_their_lengths_and_go_away() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        let dataset = Dataset::create(scratch.path().join("media"), SHAPE, 7).unwrap();

        let whole = fs::read(dataset.path(Dataset::WHOLE)).unwrap();
        assert_eq!(whole.len(), 1);
        let clip = fs::read(dataset.path("clip-001.mp4")).unwrap();
        assert_eq!(clip.len(), 10_000);
        let other = fs::read(dataset.root().join("media/clip-000.mp4")).unwrap();
        assert_ne!(other[4096..4101], clip[4096..4101]);

        let folder = scratch.path().to_owned();
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn every_work_has_its_files() {
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
    fn what_was_read_is_in_the_page_cache_and_what_was_evicted_is_not() {
        // Beside the program, which lies on a disk; the folder for temporary files may not.
        let here = std::env::current_exe().unwrap();
        let scratch = Scratch::create(here.parent().unwrap()).unwrap();
        let dataset = Dataset::create(scratch.path().join("media"), SHAPE, 7).unwrap();
        let files = dataset.hot_files(Work::BesideCold);
        dataset.warm(&files).unwrap();
        assert!(dataset.cached(&files).unwrap() >= 20_000);
        dataset.evict(&files).unwrap();
        assert_eq!(dataset.cached(&files).unwrap(), 0);
    }
}
