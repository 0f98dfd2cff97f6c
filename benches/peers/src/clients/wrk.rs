//! wrk: as many ranges as the connections can carry.
//!
//! A measured run must not burden the client, so its script only hands out requests that were
//! formatted beforehand, and what is checked is what wrk counts anyway: failed requests, error
//! statuses, and the sum of all bytes. An *audit* looks at every answer; that costs the client
//! a copy of every body, so it is a short run of its own, outside the measurement.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Latency, Load};
use crate::dataset::Dataset;
use crate::peers::Server;
use crate::process::Group;
use crate::requests::Ranges;
use crate::verify::HeadLength;

/// Time for starting, for the last answers, and for ending.
const GRACE: Duration = Duration::from_secs(30);

/// The part of the script that is the same for every run. It prints one line of `key=value`.
const SCRIPT: &str = include_str!("wrk.lua");

/// What looks at every answer during an audit: `wrong` counts answers of another status or
/// length than asked for.
const AUDIT: &str = "
wrong = 0
function response(status, headers, body)
  if status ~= 206 or #body ~= length then wrong = wrong + 1 end
end
";

/// Puts load on the server for `duration` and checks the sums.
pub fn measure(
    server: &Server,
    ranges: &Ranges,
    heads: HeadLength,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    let counts = run(server, ranges, "", duration, scratch)?;
    counts.check_failures()?;
    let requests = counts.get("requests")?;
    check_bytes(requests, counts.get("bytes")?, ranges, heads)?;
    let micros = |key| counts.get(key).map(Duration::from_micros);
    Ok(Load {
        requests,
        body_bytes: requests * ranges.length,
        elapsed: micros("duration")?,
        latency: Some(Latency { median: micros("p50")?, p99: micros("p99")? }),
    })
}

/// Puts load on the server for `duration` and checks status and length of every answer.
pub fn audit(server: &Server, ranges: &Ranges, duration: Duration, scratch: &Path) -> Result<()> {
    let counts = run(server, ranges, AUDIT, duration, scratch)?;
    counts.check_failures()?;
    let (requests, wrong) = (counts.get("requests")?, counts.get("wrong")?);
    ensure!(requests > 0, "no request was answered");
    ensure!(wrong == 0, "{wrong} of {requests} answers had a wrong status or length");
    Ok(())
}

fn run(
    server: &Server,
    ranges: &Ranges,
    audit: &str,
    duration: Duration,
    scratch: &Path,
) -> Result<Counts> {
    let script = scratch.join("wrk.lua");
    fs::write(&script, format!("{}{audit}{SCRIPT}", data(ranges)?))?;
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--timeout", "20s"])
        .arg("--connections")
        .arg(ranges.connections.to_string())
        .arg("--duration")
        .arg(format!("{}s", duration.as_secs()))
        .arg("--script")
        .arg(&script)
        .arg(server.url(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let output = Group::spawn(&mut command)?.finish(duration + GRACE)?;
    Counts::parse(&output).with_context(|| format!("wrk printed: {output}"))
}

/// The ranges as Lua: file number, first byte, file number, first byte, and so on.
fn data(ranges: &Ranges) -> Result<String> {
    let mut lua = format!("length = {}\nasked = {{", ranges.length);
    for asked in &ranges.list {
        write!(lua, "'{}',{},", Dataset::clip(asked.clip), asked.offset)?;
    }
    lua.push_str("}\n");
    Ok(lua)
}

/// Compares the sum of all bytes with what that many answers must have.
///
/// wrk also counts the answers that were on their way when the time was up, one a connection
/// at most. Heads differ by a few digits in `Content-Range`, more than a sample shows.
fn check_bytes(requests: u64, bytes: u64, ranges: &Ranges, heads: HeadLength) -> Result<()> {
    const DIGITS: u64 = 16;
    ensure!(requests > 0, "no request was answered");
    let least = requests * (ranges.length + heads.min.saturating_sub(DIGITS));
    let most = (requests + ranges.connections as u64) * (ranges.length + heads.max + DIGITS);
    ensure!(
        (least..=most).contains(&bytes),
        "{requests} answers had {bytes} bytes in all; right would be {least} to {most}"
    );
    Ok(())
}

/// The counts that the script prints when it is done.
struct Counts(HashMap<String, u64>);

impl Counts {
    fn parse(output: &str) -> Result<Self> {
        let line = output
            .lines()
            .find_map(|line| line.strip_prefix("counts "))
            .context("no line of counts")?;
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_owned(), value.parse().ok()?))
        };
        let counts = line.split_ascii_whitespace().map(pair);
        Ok(Counts(counts.collect::<Option<_>>().context("a count is no number")?))
    }

    fn get(&self, key: &str) -> Result<u64> {
        let count = self.0.get(key).copied();
        count.with_context(|| format!("no count of {key}"))
    }

    fn check_failures(&self) -> Result<()> {
        for kind in ["connect", "read", "write", "status", "timeout"] {
            let count = self.get(kind)?;
            ensure!(count == 0, "{count} requests failed by {kind}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: &Ranges = &Ranges { length: 4096, connections: 2, list: Vec::new() };
    const HEADS: HeadLength = HeadLength { min: 300, max: 302 };

    #[test]
    fn counts_are_read_from_their_line() {
        let counts = Counts::parse("Running 1s test\ncounts requests=12 p50=40\n").unwrap();
        assert_eq!(counts.get("requests").unwrap(), 12);
        assert!(counts.get("p99").is_err());
        assert!(Counts::parse("Running 1s test").is_err());
        assert!(Counts::parse("counts requests=many").is_err());
    }

    #[test]
    fn bytes_of_answers_cut_off_by_the_end_are_allowed() {
        assert!(check_bytes(100, 100 * 4397, RANGES, HEADS).is_ok());
        assert!(check_bytes(100, 102 * 4397, RANGES, HEADS).is_ok());
    }

    #[test]
    fn too_few_and_too_many_bytes_are_errors() {
        assert!(check_bytes(100, 100 * 4000, RANGES, HEADS).is_err());
        assert!(check_bytes(100, 100 * 40_000, RANGES, HEADS).is_err());
        assert!(check_bytes(0, 0, RANGES, HEADS).is_err());
    }
}
