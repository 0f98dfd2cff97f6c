//! h2load: the same range of many files over HTTP/2 in cleartext, several requests at a time on each
//! connection.
//!
//! It sends one set of fields with all requests, so the ranges are the first bytes of the files.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Load;
use crate::process::Group;
use crate::requests::Requests;

/// Time for the start, the last responses, and the end.
const GRACE: Duration = Duration::from_secs(30);

/// Connections, and concurrent requests of each.
const CONNECTIONS: usize = 8;
const STREAMS: usize = 4;

/// Puts load on the server for `duration`, and checks statuses and the sum of bytes.
pub fn measure(
    address: SocketAddr,
    requests: &Requests,
    duration: Duration,
    scratch: &Path,
) -> Result<Load> {
    let (_, length) = requests.lengths();
    let paths: BTreeSet<&str> = requests.list.iter().map(|request| &*request.path).collect();
    let urls: String = paths.iter().map(|path| format!("http://{address}{path}\n")).collect();
    let list = scratch.join("h2load.txt");
    fs::write(&list, urls)?;
    let mut command = Command::new("h2load");
    command
        .args(["--threads", "1", "--clients", &CONNECTIONS.to_string()])
        .args(["--max-concurrent-streams", &STREAMS.to_string()])
        .args(["--duration", &duration.as_secs().to_string()])
        .args(["--header", &format!("range: bytes=0-{}", length - 1)])
        .arg("--input-file")
        .arg(&list)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let output = Group::spawn(&mut command)?.finish(duration + GRACE)?;
    parse(&output, length, duration).with_context(|| format!("h2load printed: {output}"))
}

/// Parses the counts of a run, of which no request may have failed.
fn parse(output: &str, length: u64, elapsed: Duration) -> Result<Load> {
    let line = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name));
        line.with_context(|| format!("there is no line `{name}`"))
    };
    let count = |line: &str, name: &str| {
        let mut counts = line.split(',').filter_map(|count| count.trim().split_once(' '));
        let (number, _) = counts.find(|(_, of)| *of == name).with_context(|| name.to_owned())?;
        Ok::<u64, anyhow::Error>(number.parse()?)
    };
    let counts = line("requests:")?;
    let requests = count(counts, "succeeded")?;
    for failure in ["failed", "errored", "timeout"] {
        ensure!(count(counts, failure)? == 0, "some requests {failure}");
    }
    let ok = count(line("status codes:")?, "2xx")?;
    ensure!(requests > 0 && ok >= requests, "{ok} of {requests} responses had a status of 2xx");
    let traffic = line("traffic:")?;
    let data = traffic.rsplit_once('(').and_then(|(_, data)| data.split_once(')'));
    let bytes: u64 = data.context("there is no sum of bytes")?.0.parse()?;
    let concurrent = (CONNECTIONS * STREAMS) as u64;
    let expected = requests * length..=(requests + concurrent) * length;
    ensure!(expected.contains(&bytes), "{bytes} bytes of {requests} bodies of {length}");
    Ok(Load { requests, body_bytes: requests * length, elapsed, latency: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
finished in 3.00s, 666.67 req/s, 2.61MB/s
requests: 2000 total, 2032 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 2003 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 7.90MB (8281234) total, 36.20KB (37069) headers (space savings 93.12%), 7.81MB (8192400) data
";

    #[test]
    fn complete_responses_and_their_bytes_are_counted() {
        let load = parse(OUTPUT, 4096, Duration::from_secs(3)).unwrap();
        assert_eq!((load.requests, load.body_bytes), (2000, 2000 * 4096));
    }

    #[test]
    fn failures_and_wrong_sums_are_refused() {
        let duration = Duration::from_secs(3);
        for wrong in [
            OUTPUT.replace("0 errored", "1 errored"),
            OUTPUT.replace("2003 2xx", "3 2xx"),
            OUTPUT.replace("(8192400)", "(8191999)"),
            OUTPUT.replace("2000 succeeded", "0 succeeded"),
            String::new(),
        ] {
            assert!(parse(&wrong, 4096, duration).is_err(), "{wrong}");
        }
    }
}
