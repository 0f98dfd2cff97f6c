//! curl again: complete downloads that need the disk, as long as something else is measured.
//!
//! Every download is one of a file that is out of the page cache, and that is dropped from it
//! again as soon as it has arrived.

use std::fs::File;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::curl::curl;
use crate::cell::COLD_DOWNLOADS;
use crate::dataset::{self, Dataset};
use crate::interrupt;
use crate::peers::Server;
use crate::process::Group;

/// How long the downloads run before the measurement begins, and at least after it.
const LEAD: Duration = Duration::from_millis(300);
const TAIL: Duration = Duration::from_millis(500);

/// Time that curl may take to end.
const GRACE: Duration = Duration::from_secs(30);

/// curl's exit code when the time that it was given is over.
const TIME_IS_OVER: i32 = 28;

/// What came from the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cold {
    pub body_bytes: u64,
    pub elapsed: Duration,
}

/// Runs `hot`, which takes about `duration`, while [`COLD_DOWNLOADS`] downloads at a time run.
pub fn beside<T>(
    server: &Server,
    dataset: &Dataset,
    duration: Duration,
    hot: impl FnOnce() -> Result<T>,
) -> Result<(T, Cold)> {
    let elapsed = LEAD + duration + TAIL;
    let deadline = Instant::now() + elapsed;
    let files = dataset.cold_files();
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..COLD_DOWNLOADS)
            .map(|lane| {
                let files = files.iter().skip(lane).step_by(COLD_DOWNLOADS).cycle();
                scope.spawn(move || download(server, dataset, files, deadline))
            })
            .collect();
        interrupt::sleep(LEAD)?;
        let result = hot()?;
        ensure!(Instant::now() < deadline, "the cold downloads ended before the hot ones");
        let mut body_bytes = 0;
        for lane in lanes {
            body_bytes += lane.join().expect("downloads return their errors")?;
        }
        Ok((result, Cold { body_bytes, elapsed }))
    })
}

/// Downloads one file after the other until the deadline; returns the bytes of all bodies.
fn download<'a>(
    server: &Server,
    dataset: &Dataset,
    files: impl Iterator<Item = &'a String>,
    deadline: Instant,
) -> Result<u64> {
    let length = dataset.shape.cold_length.context("there are no files to download cold")?;
    let mut body_bytes = 0;
    for name in files {
        let left = deadline.saturating_duration_since(Instant::now());
        // curl takes an end within no time for none at all.
        if left < Duration::from_millis(10) {
            break;
        }
        let mut command = curl(left);
        command
            .args(["--write-out", "%{http_code} %{size_download}", "--output", "/dev/null"])
            .arg(server.url(name))
            .stdout(Stdio::piped());
        // What went wrong is told by status and size; that the time is over is no news.
        command.stderr(Stdio::null());
        let output = Group::spawn(&mut command)?.finish_or(&[TIME_IS_OVER], left + GRACE)?;
        let is_over = Instant::now() >= deadline;
        body_bytes += parse(&output, length, is_over)
            .with_context(|| format!("a cold download of {name}: {output}"))?;
        dataset::evict(&File::open(dataset.path(name))?)?;
    }
    Ok(body_bytes)
}

/// Reads status and size of one download, which may be cut only if its time `is_over`.
fn parse(output: &str, length: u64, is_over: bool) -> Result<u64> {
    let fields = output.split_once(' ').context("not two fields")?;
    let size = fields.1.parse()?;
    match fields.0 {
        "200" if size == length => Ok(size),
        "200" if is_over && size < length => Ok(size),
        // Not even the head had come.
        "000" if is_over && size == 0 => Ok(0),
        status => bail!("status {status} and {size} bytes of {length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_time_may_cut_a_download() {
        assert_eq!(parse("200 10", 10, false).unwrap(), 10);
        assert_eq!(parse("200 7", 10, true).unwrap(), 7);
        assert_eq!(parse("000 0", 10, true).unwrap(), 0);
        for output in ["200 7", "000 0", "404 10", "206 10", "200", ""] {
            assert!(parse(output, 10, false).is_err(), "{output}");
        }
        assert!(parse("404 3", 10, true).is_err());
    }
}
