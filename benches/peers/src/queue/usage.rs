//! What has been used up by processes that do not live until somebody asks: ffmpeg's.
//!
//! The kernel adds what a process has used up to its parent's when it is waited for, processor time
//! and reading alike; so a parent's figures before and after say what its children took.

use std::fs;
use std::ops::{Add, Sub};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::cpu;
use crate::peers::Server;
use crate::tree;

/// Used up so far, or by something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time, to 10 ms where a child of a server is counted.
    pub cpu: Duration,
    /// Bytes that calls of `read` and the like have returned, from files and pipes: what is piped
    /// from one process to another counts once for each.
    pub read_bytes: u64,
    /// Bytes that had to come from a disk for that, with what the kernel read ahead.
    pub disk_bytes: u64,
}

impl Add for Usage {
    type Output = Usage;

    fn add(self, other: Usage) -> Usage {
        Usage {
            cpu: self.cpu + other.cpu,
            read_bytes: self.read_bytes + other.read_bytes,
            disk_bytes: self.disk_bytes + other.disk_bytes,
        }
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            disk_bytes: self.disk_bytes.saturating_sub(earlier.disk_bytes),
        }
    }
}

/// Of a server, its worker, and all that the two have started and waited for.
pub fn of_server(server: &Server) -> Result<Usage> {
    let mut usage = Usage { cpu: cpu::of_tree(server.id())?.total, ..Usage::default() };
    for id in tree::of(server.id())?.into_keys() {
        // A process may end between the listing and this; then its parent counts it.
        if let Ok(text) = fs::read_to_string(format!("/proc/{id}/io")) {
            usage = usage + parse_io(&text).with_context(|| format!("/proc/{id}/io: {text}"))?;
        }
    }
    Ok(usage)
}

/// Of the children that this program starts during a call, and waits for. What it reads itself is
/// counted too, which is little.
pub fn of_children<T>(call: impl FnOnce() -> Result<T>) -> Result<(T, Usage)> {
    let now = || {
        let children = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let cpu = duration(children.user_time()) + duration(children.system_time());
        let read = parse_io(&fs::read_to_string("/proc/self/io")?).context("/proc/self/io")?;
        anyhow::Ok(Usage { cpu, ..read })
    };
    let before = now()?;
    let result = call()?;
    Ok((result, now()? - before))
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(micros.cast_unsigned())
}

/// Reads proc_pid_io(5).
fn parse_io(text: &str) -> Option<Usage> {
    let count = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        value.trim().parse().ok()
    };
    let (read_bytes, disk_bytes) = (count("rchar")?, count("read_bytes")?);
    Some(Usage { cpu: Duration::ZERO, read_bytes, disk_bytes })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::Group;

    #[test]
    fn calls_and_disks_are_counted_apart() {
        let text = "rchar: 70\nwchar: 1\nsyscr: 2\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 0\n";
        let usage = parse_io(text).unwrap();
        assert_eq!((usage.read_bytes, usage.disk_bytes), (70, 4096));
        assert_eq!(parse_io("rchar: 70\n"), None);
    }

    #[test]
    fn what_a_child_has_read_counts_once_it_was_waited_for() {
        let program = std::env::current_exe().unwrap();
        let length = fs::metadata(&program).unwrap().len();
        let mut command = Command::new("sh");
        command.args(["-c", "cat \"$0\" > /dev/null"]).arg(&program);
        let limit = Duration::from_secs(60);
        let run = || Group::spawn(&mut command)?.finish(limit);
        let (_, usage) = of_children(run).unwrap();
        assert!(usage.read_bytes >= length && usage.cpu > Duration::ZERO, "{usage:?}");
    }
}
