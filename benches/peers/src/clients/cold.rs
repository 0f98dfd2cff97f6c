//! curl: complete downloads from the disk, beside another measurement.
//!
//! Every downloaded file is out of the page cache before, and is dropped from it again after.

use std::fs::File;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::curl::curl;
use crate::cell::COLD_DOWNLOADS;
use crate::dataset::{self, Dataset};
use crate::interrupt;
use crate::peers::Server;
use crate::process::Group;

/// Time of downloads before the measurement begins, and at least after it.
const LEAD: Duration = Duration::from_millis(300);
const TAIL: Duration = Duration::from_millis(500);

/// Time for curl to end.
const GRACE: Duration = Duration::from_secs(30);

/// curl's exit code for its time limit.
const TIMED_OUT: i32 = 28;

/// The downloads from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cold {
    pub body_bytes: u64,
    pub elapsed: Duration,
}

/// Runs `hot`, which takes about `duration`, beside `COLD_DOWNLOADS` concurrent downloads.
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
        let streams: Vec<_> = (0..COLD_DOWNLOADS)
            .map(|first| {
                let files = files.iter().skip(first).step_by(COLD_DOWNLOADS).cycle();
                scope.spawn(move || download(server, dataset, files, deadline))
            })
            .collect();
        interrupt::sleep(LEAD)?;
        let result = hot()?;
        ensure!(Instant::now() < deadline, "the cold downloads ended before the hot ones");
        let mut body_bytes = 0;
        for stream in streams {
            body_bytes += stream.join().expect("downloads return their errors")?;
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
    let length = dataset.shape.cold_length.context("there are no files for cold downloads")?;
    let mut body_bytes = 0;
    for name in files {
        let left = deadline.saturating_duration_since(Instant::now());
        // curl takes a limit of 0 for no limit.
        if left < Duration::from_millis(10) {
            break;
        }
        let mut command = curl(left);
        command
            .args(["--write-out", "%{http_code} %{size_download}", "--output", "/dev/null"])
            .arg(server.url(name))
            .stdout(Stdio::piped());
        // Status and size show an error; the time limit is none.
        command.stderr(Stdio::null());
        let output = Group::spawn(&mut command)?.finish_or(&[TIMED_OUT], left + GRACE)?;
        let is_over = Instant::now() >= deadline;
        body_bytes += parse(&output, length, is_over)
            .with_context(|| format!("a cold download of {name}: {output}"))?;
        dataset::evict(&File::open(dataset.path(name))?)?;
    }
    Ok(body_bytes)
}

/// Parses status and size of one download, which may be cut only if its time `is_over`.
fn parse(output: &str, length: u64, is_over: bool) -> Result<u64> {
    let fields = output.split_once(' ').context("not two fields")?;
    let size = fields.1.parse()?;
    match fields.0 {
        "200" if size == length => Ok(size),
        "200" if is_over && size < length => Ok(size),
        // Not even the head was complete.
        "000" if is_over && size == 0 => Ok(0),
        status => bail!("status {status} and {size} bytes of {length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_limit_may_cut_a_download() {
        assert_eq!(parse("200 10", 10, false).unwrap(), 10);
        assert_eq!(parse("200 7", 10, true).unwrap(), 7);
        assert_eq!(parse("000 0", 10, true).unwrap(), 0);
        for output in ["200 7", "000 0", "404 10", "206 10", "200", ""] {
            assert!(parse(output, 10, false).is_err(), "{output}");
        }
        assert!(parse("404 3", 10, true).is_err());
    }
}
