//! CPU time and reads of processes that end before this program could look at them: ffmpeg's.
//!
//! When a parent waits for a child, the kernel adds the child's CPU time and reads to the parent's; so
//! the difference of a parent's figures is the usage of its children.

use std::ops::Sub;
use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::cpu;
use crate::peers::Server;
use crate::tree;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time; to 10 ms for children of a server.
    pub cpu: Duration,
    /// Bytes that `read` and the like have returned (`rchar`), from files and pipes: piped bytes count
    /// once for each process.
    pub read_bytes: u64,
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
        }
    }
}

/// Of a server, its worker, and all processes that these have started and waited for.
pub fn of_server(server: &Server) -> Result<Usage> {
    let processes = tree::of(server.id())?.into_iter();
    // A process may end after the listing; then its parent counts it.
    let reads = processes.filter_map(|(process, _)| Some(process.io().ok()?.rchar));
    Ok(Usage { cpu: cpu::of_tree(server.id())?, read_bytes: reads.sum() })
}

/// Of the children that this program starts and waits for during a call. Its own reads count, too,
/// which are few.
pub fn of_children<T>(call: impl FnOnce() -> Result<T>) -> Result<(T, Usage)> {
    let now = || {
        let children = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let cpu = duration(children.user_time()) + duration(children.system_time());
        anyhow::Ok(Usage { cpu, read_bytes: Process::myself()?.io()?.rchar })
    };
    let before = now()?;
    let result = call()?;
    Ok((result, now()? - before))
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(micros.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::Group;

    #[test]
    fn a_childs_reads_count_after_waiting_for_it() {
        let program = std::env::current_exe().unwrap();
        let length = std::fs::metadata(&program).unwrap().len();
        let mut command = Command::new("sh");
        command.args(["-c", "cat \"$0\" > /dev/null"]).arg(&program);
        let limit = Duration::from_secs(60);
        let run = || Group::spawn(&mut command)?.finish(limit);
        let (_, usage) = of_children(run).unwrap();
        assert!(usage.read_bytes >= length && usage.cpu > Duration::ZERO, "{usage:?}");
    }
}
