//! Titles of two hours, many and cheap: each has the whole index of one film that ffmpeg made, and
//! a hole where its samples would be. Only an index is read of them, so that the hole costs nothing.
//!
//! All have one length and one time of change, from which Headwater makes the names of what it makes
//! of a file; so the names are known without asking for a title first.

pub mod first_byte;
pub mod index_memory;

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use crate::dataset;
use crate::interrupt;
use crate::titles::film;

/// Length of a title in seconds.
const LENGTH_S: u64 = 2 * 60 * 60;

/// Segments of each track, of six seconds.
const SEGMENTS: u64 = LENGTH_S / 6;

/// Longest index that is copied, in bytes: that of two hours has about 6 MiB.
const INDEX_LIMIT: u64 = 64 << 20;

/// A library of long titles.
#[derive(Debug)]
pub struct Long {
    media: PathBuf,
}

impl Long {
    /// Makes `count` titles in the new folder `root`.
    pub fn create(root: &Path, count: u64) -> Result<Self> {
        println!("\nmaking {count} titles of {LENGTH_S} s");
        let media = root.join("media");
        fs::create_dir_all(&media)?;
        let (short, template) = (root.join("short.mp4"), root.join("template.mp4"));
        film::encode(&short)?;
        film::repeat(&short, LENGTH_S, &template)?;
        let shell = Shell::read(&template)?;
        fs::remove_file(&template)?;
        let modified = SystemTime::now() - Duration::from_secs(3600);
        let names = || (0..count).map(|index| media.join(Self::name(index)));
        for file in names() {
            interrupt::check()?;
            shell.write(&file, modified).with_context(|| file.display().to_string())?;
        }
        dataset::settle(names())?;
        Ok(Long { media })
    }

    /// Name of a title.
    pub fn name(index: u64) -> String {
        format!("long-{index:04}.mp4")
    }

    /// The folder of the titles.
    pub fn media(&self) -> &Path {
        &self.media
    }
}

/// What there is of a file of movies besides the bytes of its samples.
#[derive(Debug)]
struct Shell {
    length: u64,
    /// All up to the first sample, and what follows the last one, with its place.
    head: Vec<u8>,
    tail_at: u64,
    tail: Vec<u8>,
}

impl Shell {
    /// Reads a file whose samples are in one `mdat` with nothing but the index behind it.
    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut at = 0;
        loop {
            // ISO/IEC 14496-12 section 4.2.2: size and type, and a size of 64 bits behind them.
            let mut header = [0; 16];
            file.read_exact_at(&mut header, at).context("there is no mdat")?;
            let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &b| sum << 8 | u64::from(b));
            let (header_len, size) = match number(&header[..4]) {
                1 => (16, number(&header[8..])),
                size => (8, size),
            };
            ensure!(size >= header_len, "a box of {size} bytes at {at}");
            let end = at.checked_add(size).filter(|&end| end <= length).context("a box is cut")?;
            if &header[4..8] == b"mdat" {
                ensure!(length - end <= INDEX_LIMIT, "{} bytes behind mdat", length - end);
                let mut head = vec![0; usize::try_from(at + header_len)?];
                let mut tail = vec![0; usize::try_from(length - end)?];
                file.read_exact_at(&mut head, 0)?;
                file.read_exact_at(&mut tail, end)?;
                return Ok(Shell { length, head, tail_at: end, tail });
            }
            at = end;
        }
    }

    /// Writes it with a hole for the samples, to the disk.
    fn write(&self, path: &Path, modified: SystemTime) -> Result<()> {
        let file = File::create_new(path)?;
        file.set_len(self.length)?;
        file.write_all_at(&self.head, 0)?;
        file.write_all_at(&self.tail, self.tail_at)?;
        file.set_times(FileTimes::new().set_modified(modified))?;
        file.sync_all()?;
        dataset::evict(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Scratch;

    #[test]
    fn a_shell_has_all_but_the_bytes_of_samples() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        let (film, copy) = (scratch.path().join("film"), scratch.path().join("copy"));
        let boxes: [&[u8]; 3] =
            [b"\0\0\0\x0cftypisom", b"\0\0\0\x0dmdat12345", b"\0\0\0\x0amoovAB"];
        fs::write(&film, boxes.concat()).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        Shell::read(&film).unwrap().write(&copy, modified).unwrap();
        let expected = [boxes[0], b"\0\0\0\x0dmdat\0\0\0\0\0", boxes[2]].concat();
        assert_eq!(fs::read(&copy).unwrap(), expected);
        assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), modified);
    }

    #[test]
    fn what_is_no_movie_is_refused() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        let film = scratch.path().join("film");
        for bytes in [&b""[..], b"\0\0\0\0ftyp12345678", b"\0\0\xff\0mdat12345678"] {
            fs::write(&film, bytes).unwrap();
            assert!(Shell::read(&film).is_err());
        }
    }
}
