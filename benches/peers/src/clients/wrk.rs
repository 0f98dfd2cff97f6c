//! wrk: as many requests as the connections can carry.
//!
//! A measured run must not burden the client, so its script only hands out requests that were
//! formatted beforehand, and what is checked is what wrk counts anyway: failed requests, error
//! statuses, and the sum of all bytes. An *audit* looks at every answer; that costs the client
//! a copy of every body, so it is a short run of its own, outside the measurement.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Latency, Load};
use crate::peers::Server;
use crate::process::Group;
use crate::requests::Requests;
use crate::verify::HeadLength;

/// Time for starting, for the last answers, and for ending.
const GRACE: Duration = Duration::from_secs(30);

/// The part of the script that is the same for every run. It prints one line of `key=value`.
const SCRIPT: &str = include_str!("wrk.lua");

/// What looks at every answer during an audit: `wrong` counts answers of another status than
/// asked for, or of a length that nothing has that is asked for.
const AUDIT: &str = "
wrong = 0
function response(status, headers, body)
  if status ~= right or not lengths[#body] then wrong = wrong + 1 end
end
";

/// Puts load on the server for `duration` and checks the sums.
pub fn measure(
    server: &Server,
    asked: &Requests,
    heads: HeadLength,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    load(Command::new("wrk"), "", server, asked, heads, duration, scratch)
}

/// As [`measure`], but each connection waits between its requests, for about `pause_ms`, so that the
/// server is never the limit. The client runs before everything else on its core, if this program may
/// have it so: it stands for viewers, who have machines of their own.
pub fn paced(
    server: &Server,
    asked: &Requests,
    heads: HeadLength,
    pause_ms: u64,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    // Of many lengths, or all connections would ask at the same time.
    let pace = format!("\nfunction delay() return math.random(0, {}) end\n", 2 * pause_ms);
    let command = match nix::unistd::geteuid().is_root() {
        true => {
            let mut command = Command::new("chrt");
            command.args(["--fifo", "1", "wrk"]);
            command
        }
        false => Command::new("wrk"),
    };
    load(command, &pace, server, asked, heads, duration, scratch)
}

fn load(
    command: Command,
    more: &str,
    server: &Server,
    asked: &Requests,
    heads: HeadLength,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    let counts = run(command, server, asked, more, duration, scratch)?;
    counts.check_failures()?;
    let requests = counts.get("requests")?;
    check_bytes(requests, counts.get("bytes")?, asked, heads)?;
    let micros = |key| counts.get(key).map(Duration::from_micros);
    Ok(Load {
        requests,
        body_bytes: asked.body_bytes(requests),
        elapsed: micros("duration")?,
        latency: Some(Latency {
            median: micros("p50")?,
            p99: micros("p99")?,
            p999: micros("p999")?,
        }),
    })
}

/// Puts load on the server for `duration` and checks status and length of every answer.
pub fn audit(server: &Server, asked: &Requests, duration: Duration, scratch: &Path) -> Result<()> {
    let counts = run(Command::new("wrk"), server, asked, AUDIT, duration, scratch)?;
    counts.check_failures()?;
    let (requests, wrong) = (counts.get("requests")?, counts.get("wrong")?);
    ensure!(requests > 0, "no request was answered");
    ensure!(wrong == 0, "{wrong} of {requests} answers had a wrong status or length");
    Ok(())
}

fn run(
    mut command: Command,
    server: &Server,
    asked: &Requests,
    more: &str,
    duration: Duration,
    scratch: &Path,
) -> Result<Counts> {
    let script = scratch.join("wrk.lua");
    fs::write(&script, format!("{}{more}{SCRIPT}", data(asked)?))?;
    command
        .args(["--threads", "1", "--timeout", "20s"])
        .arg("--connections")
        .arg(asked.connections.to_string())
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

/// The requests as Lua: path, first byte, path, first byte, and so on. Without `length`, they
/// have no ranges.
fn data(asked: &Requests) -> Result<String> {
    let first = asked.list.first().context("there are no requests")?;
    let (_, longest) = asked.lengths();
    let mut lua = format!("right = {}\n", first.status());
    if first.offset.is_some() {
        writeln!(lua, "length = {longest}")?;
    }
    lua.push_str("lengths = {}\n");
    let lengths: BTreeSet<u64> = asked.list.iter().map(|asked| asked.length).collect();
    for length in lengths {
        writeln!(lua, "lengths[{length}] = true")?;
    }
    lua.push_str("asked = {");
    for asked in &asked.list {
        write!(lua, "'{}',{},", asked.path, asked.offset.unwrap_or(0))?;
    }
    lua.push_str("}\n");
    Ok(lua)
}

/// Compares the sum of all bytes with what that many answers must have.
///
/// wrk also counts the answers that were on their way when the time was up, one a connection
/// at most. Those that were complete are the first of the list but for as many. Heads differ by
/// a few digits, more than a sample shows.
fn check_bytes(requests: u64, bytes: u64, asked: &Requests, heads: HeadLength) -> Result<()> {
    const DIGITS: u64 = 16;
    ensure!(requests > 0, "no request was answered");
    let (shortest, longest) = asked.lengths();
    let bodies = asked.body_bytes(requests);
    let connections = asked.connections as u64;
    // wrk asks its script once more before it begins.
    let astray = (connections + 1) * (longest - shortest);
    let least = (bodies + requests * heads.min.saturating_sub(DIGITS)).saturating_sub(astray);
    let most =
        bodies + (requests + connections) * (heads.max + DIGITS) + connections * longest + astray;
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
    use crate::requests::Asked;

    fn asked(lengths: &[u64], offset: Option<u64>) -> Requests {
        let asked = |&length| Asked { path: "/a".to_owned(), offset, length };
        Requests { connections: 2, list: lengths.iter().map(asked).collect() }
    }

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
        let ranges = asked(&[4096], Some(0));
        assert!(check_bytes(100, 100 * 4397, &ranges, HEADS).is_ok());
        assert!(check_bytes(100, 102 * 4397, &ranges, HEADS).is_ok());
    }

    #[test]
    fn too_few_and_too_many_bytes_are_errors() {
        let ranges = asked(&[4096], Some(0));
        assert!(check_bytes(100, 100 * 4000, &ranges, HEADS).is_err());
        assert!(check_bytes(100, 100 * 40_000, &ranges, HEADS).is_err());
        assert!(check_bytes(0, 0, &ranges, HEADS).is_err());
    }

    #[test]
    fn answers_of_several_lengths_may_be_complete_in_another_order() {
        let whole = asked(&[1000, 9000], None);
        let (bodies, heads) = (100 * 5000, 100 * 301);
        assert!(check_bytes(100, bodies + heads, &whole, HEADS).is_ok());
        assert!(check_bytes(100, bodies + heads - 8000, &whole, HEADS).is_ok());
        assert!(check_bytes(100, bodies / 2, &whole, HEADS).is_err());
    }

    #[test]
    fn the_script_knows_a_length_of_ranges_and_all_lengths_of_whole_answers() {
        let ranges = data(&asked(&[4096], Some(8192))).unwrap();
        assert!(ranges.contains("right = 206\nlength = 4096\n"), "{ranges}");
        assert!(ranges.contains("asked = {'/a',8192,}"), "{ranges}");
        let whole = data(&asked(&[7, 5, 7], None)).unwrap();
        assert!(whole.starts_with("right = 200\nlengths = {}\nlengths[5] = true\n"), "{whole}");
        assert!(data(&asked(&[], None)).is_err());
    }
}
