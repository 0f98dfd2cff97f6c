//! curl: complete downloads of one large file, one after the other.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Load;
use crate::cell::DOWNLOADS;
use crate::dataset::Dataset;
use crate::peers::Server;
use crate::process::Group;

/// Longest time for one download or one digest.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Downloads the whole file [`DOWNLOADS`] times over one connection and checks each length.
pub fn measure(server: &Server, length: u64) -> Result<Load> {
    let mut command = curl(LIMIT);
    command
        .args(["--write-out", "%{http_code} %{size_download} %{time_total}\n"])
        .stdout(Stdio::piped());
    for _ in 0..DOWNLOADS {
        command.args(["--output", "/dev/null"]);
        command.arg(server.url(Dataset::WHOLE));
    }
    let output = Group::spawn(&mut command)?.finish(LIMIT)?;
    let elapsed = parse(&output, length).with_context(|| format!("curl printed: {output}"))?;
    Ok(Load {
        requests: DOWNLOADS as u64,
        body_bytes: DOWNLOADS as u64 * length,
        elapsed,
        latency: None,
    })
}

/// Downloads some files once, so that it is the server that brings them into the page cache.
pub fn fetch(server: &Server, files: &[String]) -> Result<()> {
    let mut command = curl(LIMIT);
    for file in files {
        command.args(["--output", "/dev/null"]);
        command.arg(server.url(file));
    }
    Group::spawn(&mut command)?.finish(LIMIT)?;
    Ok(())
}

/// Compares the SHA-256 of one download, of the path `path` of the server, with that of a file.
pub fn check_digest(server: &Server, path: &str, file: &Path) -> Result<()> {
    let mut download = curl(LIMIT);
    download.arg(format!("http://{}{path}", server.address)).stdout(Stdio::piped());
    let mut download = Group::spawn(&mut download)?;
    let body = download.take_stdout().expect("it was piped just above");
    let received = digest(Stdio::from(body), None)?;
    download.finish(LIMIT)?;

    let is = digest(Stdio::null(), Some(file))?;
    ensure!(received == is, "the download's SHA-256 is {received}, the file's {is}");
    Ok(())
}

/// curl without the user's settings, and without a proxy between it and this machine, for at
/// most `limit`.
pub fn curl(limit: Duration) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["--disable", "--noproxy", "*", "--fail"])
        .args(["--silent", "--show-error", "--max-time"])
        .arg(format!("{:.3}", limit.as_secs_f64()))
        .stdin(Stdio::null());
    command
}

/// SHA-256 of a file, or of what comes from `input`, in hexadecimal.
fn digest(input: Stdio, file: Option<&Path>) -> Result<String> {
    let mut command = Command::new("sha256sum");
    command.args(file).stdin(input).stdout(Stdio::piped());
    let output = Group::spawn(&mut command)?.finish(LIMIT)?;
    let digest = output.split_ascii_whitespace().next();
    Ok(digest.context("sha256sum printed nothing")?.to_owned())
}

/// Sums the times of all downloads, each of which must be a 200 of the right length.
fn parse(output: &str, length: u64) -> Result<Duration> {
    let mut elapsed = Duration::ZERO;
    ensure!(output.lines().count() == DOWNLOADS, "not {DOWNLOADS} downloads");
    for line in output.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [status, size, seconds] = fields[..] else {
            anyhow::bail!("not three fields: {line}");
        };
        ensure!(status == "200", "status {status}");
        ensure!(size.parse() == Ok(length), "{size} bytes, not {length}");
        elapsed += Duration::try_from_secs_f64(seconds.parse()?)?;
    }
    Ok(elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed() {
        let elapsed = parse("200 10 0.5\n200 10 0.25\n200 10 0.25\n", 10).unwrap();
        assert_eq!(elapsed, Duration::from_secs(1));
    }

    #[test]
    fn a_short_download_an_error_and_a_missing_one_are_refused() {
        assert!(parse("200 10 0.5\n200 9 0.25\n200 10 0.25\n", 10).is_err());
        assert!(parse("200 10 0.5\n206 10 0.25\n200 10 0.25\n", 10).is_err());
        assert!(parse("200 10 0.5\n", 10).is_err());
    }
}
