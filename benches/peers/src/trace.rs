//! System calls per request, counted by strace: what a server asks of the kernel, apart from
//! how long the kernel takes.
//!
//! A traced server is many times slower, so nothing else may be read from such a run. Since
//! more requests wait for it at a time, it also waits for events less often than it does
//! otherwise.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clients::Load;
use crate::peers::Server;
use crate::process::{Group, wait_for};
use crate::tree;

/// How long strace may take to attach.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls that are named one by one; rarer ones are in the sum only.
const RARE: f64 = 0.005;

/// Counts the calls of `server` while `client` asks, and says in one line how many each request
/// took.
pub fn trace(
    server: &Server,
    scratch: &Path,
    client: impl FnOnce() -> Result<Load>,
) -> Result<String> {
    let (summary, log) = (scratch.join("strace.txt"), scratch.join("strace.log"));
    let members = tree::of(server.id())?;
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-o"]).arg(&summary);
    for id in members.keys() {
        command.arg("-p").arg(id.to_string());
    }
    command.stdin(Stdio::null()).stderr(File::create(&log)?);
    let mut strace = Group::spawn(&mut command)?;
    wait_for("strace to attach", PATIENCE, || {
        strace.check_alive(&log)?;
        let attached = fs::read_to_string(&log)?.matches(" attached").count();
        Ok((attached >= members.len()).then_some(()))
    })?;
    let load = client()?;
    // It writes its summary when it is told to end.
    drop(strace);
    let text = fs::read_to_string(&summary)?;
    let calls = parse(&text).with_context(|| format!("strace wrote: {text}"))?;
    Ok(per_request(calls, load.requests))
}

/// `3.00 calls a request: recvfrom 1.00, sendfile 1.00, sendto 1.00`.
fn per_request(mut calls: Vec<(String, u64)>, requests: u64) -> String {
    let each = |count: u64| count as f64 / requests as f64;
    calls.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let sum = calls.iter().map(|(_, count)| count).sum();
    let often = calls.iter().filter(|(_, count)| each(*count) >= RARE);
    let often: Vec<_> = often.map(|(name, count)| format!("{name} {:.2}", each(*count))).collect();
    format!("{:.2} calls a request: {}", each(sum), often.join(", "))
}

/// Reads the table of `strace -c`: names and counts of calls.
fn parse(summary: &str) -> Option<Vec<(String, u64)>> {
    let rows = summary.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    // Errors have a column of their own, which is empty if there were none.
    let rows = rows.filter(|row| matches!(row.len(), 5 | 6) && row[0].parse::<f64>().is_ok());
    rows.filter(|row| row.last() != Some(&"total"))
        .map(|row| Some(((*row.last()?).to_owned(), row[3].parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.20    0.071000           7     10000           sendfile
 30.10    0.030000           3     20010     10000 recvfrom
  8.70    0.009000           9        12           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.110000           6     30022     10000 total
";

    #[test]
    fn calls_are_read_and_their_total_is_not_one() {
        let calls = parse(SUMMARY).unwrap();
        let names: Vec<_> = calls.iter().map(|(name, count)| (&name[..], *count)).collect();
        assert_eq!(names, [("sendfile", 10_000), ("recvfrom", 20_010), ("epoll_wait", 12)]);
    }

    #[test]
    fn frequent_calls_are_named_and_all_are_in_the_sum() {
        let line = per_request(parse(SUMMARY).unwrap(), 10_000);
        assert_eq!(line, "3.00 calls a request: recvfrom 2.00, sendfile 1.00");
    }
}
