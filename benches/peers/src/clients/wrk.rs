//! wrk: as many requests as the connections can carry.
//!
//! A measured run must not burden the client, so its script only returns requests that it formatted
//! beforehand, and the checks use wrk's own counts: failed requests, error statuses, and the sum of
//! all bytes. The draining client checks every response in a short run outside the measurement.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{Latency, Load};
use crate::peers::Server;
use crate::process::Group;
use crate::requests::Requests;

/// Time for the start, the last responses, and the end.
const GRACE: Duration = Duration::from_secs(30);

/// The constant part of the script. It prints one line of JSON.
const SCRIPT: &str = include_str!("wrk.lua");

/// Lengths of heads, in bytes: wrk counts heads and bodies together.
const HEADS: Range<u64> = 64..2048;

/// Puts load on the server for `duration` and checks the sums.
pub fn measure(
    server: &Server,
    requests: &Requests,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    load(Command::new("wrk"), "", server, requests, duration, scratch)
}

/// As [`measure`], but each connection waits between its requests, for about `pause_ms`, so that the
/// server is never the limit. As root, the client has real-time priority on its core: it represents
/// viewers, which have their own machines.
pub fn paced(
    server: &Server,
    requests: &Requests,
    pause_ms: u64,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    // Random, or all connections would send at the same time.
    let pace = format!("\nfunction delay() return math.random(0, {}) end\n", 2 * pause_ms);
    let command = match nix::unistd::geteuid().is_root() {
        true => {
            let mut command = Command::new("chrt");
            command.args(["--fifo", "1", "wrk"]);
            command
        }
        false => Command::new("wrk"),
    };
    load(command, &pace, server, requests, duration, scratch)
}

fn load(
    mut command: Command,
    more: &str,
    server: &Server,
    requests: &Requests,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    let script = scratch.join("wrk.lua");
    fs::write(&script, format!("{}{more}{SCRIPT}", data(requests)?))?;
    command
        .args(["--threads", "1", "--timeout", "20s"])
        .arg("--connections")
        .arg(requests.connections.to_string())
        .arg("--duration")
        .arg(format!("{}s", duration.as_secs()))
        .arg("--script")
        .arg(&script)
        .arg(server.url(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let output = Group::spawn(&mut command)?.finish(duration + GRACE)?;
    let counts = Counts::parse(&output).with_context(|| format!("wrk printed: {output}"))?;
    check_bytes(counts.requests, counts.bytes, requests)?;
    let [elapsed, median, p99, p999] =
        [counts.duration, counts.p50, counts.p99, counts.p999].map(Duration::from_micros);
    Ok(Load {
        requests: counts.requests,
        body_bytes: requests.body_bytes(counts.requests),
        elapsed,
        latency: Some(Latency { median, p99, p999 }),
    })
}

/// The requests as Lua: path, first byte, path, first byte, and so on. Without `length`, they have no
/// ranges.
fn data(requests: &Requests) -> Result<String> {
    let first = requests.list.first().context("there are no requests")?;
    let (_, longest) = requests.lengths();
    let mut lua = String::new();
    if first.offset.is_some() {
        writeln!(lua, "length = {longest}")?;
    }
    lua.push_str("paths = {");
    for request in &requests.list {
        write!(lua, "'{}',{},", request.path, request.offset.unwrap_or(0))?;
    }
    lua.push_str("}\n");
    Ok(lua)
}

/// Compares the sum of all bytes with the expected sum.
///
/// wrk also counts bytes of responses that were incomplete at the end, one per connection at most. So
/// the complete ones are the first of the list except for as many.
fn check_bytes(count: u64, bytes: u64, requests: &Requests) -> Result<()> {
    ensure!(count > 0, "there was no response");
    let (shortest, longest) = requests.lengths();
    let bodies = requests.body_bytes(count);
    let connections = requests.connections as u64;
    // wrk calls its script once more before it begins.
    let astray = (connections + 1) * (longest - shortest);
    let least = (bodies + count * HEADS.start).saturating_sub(astray);
    let most = bodies + (count + connections) * HEADS.end + connections * longest + astray;
    ensure!(
        (least..=most).contains(&bytes),
        "{count} responses had {bytes} bytes in all, not {least} to {most}"
    );
    Ok(())
}

/// The counts that the script prints at the end; times in microseconds.
#[derive(Debug, Deserialize)]
struct Counts {
    requests: u64,
    bytes: u64,
    duration: u64,
    p50: u64,
    p99: u64,
    p999: u64,
    /// Failed requests by kind.
    failed: BTreeMap<String, u64>,
}

impl Counts {
    fn parse(output: &str) -> Result<Self> {
        let line =
            output.lines().find(|line| line.starts_with('{')).context("no line of counts")?;
        let counts: Counts = serde_json::from_str(line)?;
        let failed: u64 = counts.failed.values().sum();
        ensure!(failed == 0, "{failed} requests failed: {:?}", counts.failed);
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Request;

    fn requests(lengths: &[u64], offset: Option<u64>) -> Requests {
        let request = |&length| Request { path: "/a".to_owned(), offset, length };
        Requests { connections: 2, list: lengths.iter().map(request).collect() }
    }

    #[test]
    fn counts_are_parsed_from_their_line() {
        let output = |failed| {
            let times = r#""duration":9,"p50":4,"p99":5,"p999":6"#;
            let counts =
                format!(r#"{{"requests":12,"bytes":3,{times},"failed":{{"read":{failed}}}}}"#);
            format!("Running 1s test\n{counts}\n")
        };
        let counts = Counts::parse(&output(0)).unwrap();
        assert_eq!((counts.requests, counts.p99), (12, 5));
        assert!(Counts::parse(&output(1)).is_err());
        assert!(Counts::parse("Running 1s test").is_err());
    }

    #[test]
    fn bytes_of_incomplete_responses_are_allowed() {
        let ranges = requests(&[4096], Some(0));
        assert!(check_bytes(100, 100 * 4397, &ranges).is_ok());
        assert!(check_bytes(100, 102 * 4397, &ranges).is_ok());
    }

    #[test]
    fn too_few_and_too_many_bytes_are_errors() {
        let ranges = requests(&[4096], Some(0));
        assert!(check_bytes(100, 100 * 4000, &ranges).is_err());
        assert!(check_bytes(100, 100 * 40_000, &ranges).is_err());
        assert!(check_bytes(0, 0, &ranges).is_err());
    }

    #[test]
    fn responses_of_several_lengths_may_complete_in_another_order() {
        let whole = requests(&[1000, 9000], None);
        let (bodies, heads) = (100 * 5000, 100 * 301);
        assert!(check_bytes(100, bodies + heads, &whole).is_ok());
        assert!(check_bytes(100, bodies + heads - 8000, &whole).is_ok());
        assert!(check_bytes(100, bodies / 2, &whole).is_err());
    }

    #[test]
    fn the_script_contains_paths_and_the_length_of_ranges() {
        let ranges = data(&requests(&[4096], Some(8192))).unwrap();
        assert_eq!(ranges, "length = 4096\npaths = {'/a',8192,}\n");
        let whole = data(&requests(&[7, 5], None)).unwrap();
        assert_eq!(whole, "paths = {'/a',0,'/a',0,}\n");
        assert!(data(&requests(&[], None)).is_err());
    }
}
