//! curl: complete downloads, one after the other.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Load;
use crate::cell::DOWNLOADS;
use crate::dataset::Dataset;
use crate::peers::Server;
use crate::process::Group;

/// Longest download.
const LIMIT: Duration = Duration::from_secs(300);

/// Downloads the whole file `DOWNLOADS` times over one connection and checks each length.
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

/// Downloads some files once, so that the server itself reads them into the page cache.
pub fn fetch(server: &Server, files: &[String]) -> Result<()> {
    let mut command = curl(LIMIT);
    for file in files {
        command.args(["--output", "/dev/null"]);
        command.arg(server.url(file));
    }
    Group::spawn(&mut command)?.finish(LIMIT)?;
    Ok(())
}

/// Compares the server's response at `path` with a file.
pub fn check_whole(server: &Server, path: &str, file: &Path) -> Result<()> {
    let mut download = curl(LIMIT);
    download.arg(format!("http://{}{path}", server.address)).stdout(Stdio::piped());
    let mut download = Group::spawn(&mut download)?;
    let body = download.take_stdout().expect("it was piped just above");
    let mut compare = Command::new("cmp");
    compare.arg("-").arg(file).stdin(body).stdout(Stdio::piped());
    let compared = Group::spawn(&mut compare)?.finish(LIMIT);
    compared.with_context(|| format!("the response at {path} differs from {}", file.display()))?;
    download.finish(LIMIT)?;
    Ok(())
}

/// curl without the user's settings and without a proxy, for `limit` at most.
pub fn curl(limit: Duration) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["--disable", "--noproxy", "*", "--fail"])
        .args(["--silent", "--show-error", "--max-time"])
        .arg(format!("{:.3}", limit.as_secs_f64()))
        .stdin(Stdio::null());
    command
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
    fn short_failed_and_missing_downloads_are_refused() {
        assert!(parse("200 10 0.5\n200 9 0.25\n200 10 0.25\n", 10).is_err());
        assert!(parse("200 10 0.5\n206 10 0.25\n200 10 0.25\n", 10).is_err());
        assert!(parse("200 10 0.5\n", 10).is_err());
    }
}
