//! The files that every peer serves.
//!
//! Their bytes are random, so that a range sent from the wrong place cannot compare equal, and
//! no compression anywhere can help. They end in `.mp4` because Headwater serves media only.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::cell::Cell;
use crate::interrupt;
use crate::random::Random;

/// Bytes written or read at a time while making and warming files.
const CHUNK: usize = 1 << 20;

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
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub files: u64,
    pub file_length: u64,
    /// Length of the file that is downloaded whole; none is made if this is absent.
    pub whole_length: Option<u64>,
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
        for index in 0..shape.files {
            write_random(
                &folder.join(Self::clip(index)),
                shape.file_length,
                Random::new(seed, index),
            )?;
        }
        if let Some(length) = shape.whole_length {
            write_random(&folder.join(Self::WHOLE), length, Random::new(seed, shape.files))?;
        }
        Ok(Dataset { folder, shape })
    }

    /// Name of one of the files that ranges are asked of.
    pub fn clip(index: u64) -> String {
        format!("clip-{index:03}.mp4")
    }

    /// All names in the folder.
    pub fn names(&self) -> Vec<String> {
        let whole = self.shape.whole_length.map(|_| Self::WHOLE.to_owned());
        (0..self.shape.files).map(Self::clip).chain(whole).collect()
    }

    /// Reads the files that `cell` uses, so that the page cache holds them. The kernel may
    /// reclaim pages between turns, even of files in use.
    pub fn warm(&self, cell: Cell) -> Result<()> {
        match cell {
            Cell::Whole => read_all(&self.folder.join(Self::WHOLE)),
            Cell::Ranges { .. } => (0..self.shape.files)
                .try_for_each(|index| read_all(&self.folder.join(Self::clip(index)))),
        }
    }

    /// The bytes that a range of a clip must have.
    pub fn expect(&self, clip: u64, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length)?];
        File::open(self.folder.join(Self::clip(clip)))?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
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
    posix_fadvise(&out, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

fn read_all(file: &Path) -> Result<()> {
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

    #[test]
    fn files_have_their_lengths_and_go_away() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        let shape = Shape { files: 2, file_length: 10_000, whole_length: Some(1) };
        let dataset = Dataset::create(scratch.path().join("media"), shape, 7).unwrap();

        let whole = fs::read(dataset.folder.join(Dataset::WHOLE)).unwrap();
        assert_eq!(whole.len(), 1);
        assert_eq!(dataset.names().len(), 3);
        let clip = fs::read(dataset.folder.join("clip-001.mp4")).unwrap();
        assert_eq!(clip.len(), 10_000);
        assert_eq!(dataset.expect(1, 4096, 5).unwrap(), clip[4096..4101]);
        assert_ne!(dataset.expect(0, 4096, 5).unwrap(), clip[4096..4101]);
        assert!(dataset.expect(0, 9_999, 2).is_err());

        let folder = scratch.path().to_owned();
        drop(scratch);
        assert!(!folder.exists());
    }
}
