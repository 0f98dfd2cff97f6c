//! The CPU time of a server and of everything it has started.
//!
//! A process is read by its CPU-time clock, clock_getcpuclockid(3): nanoseconds, user and
//! system together, threads that have ended included. The alternatives lose something:
//! `/proc/PID/stat` counts in ticks of 10 ms, which is 5 % of a turn of three downloads, and
//! `/proc/PID/task/*/schedstat` is as fine but forgets a thread when it ends, as the threads
//! of a blocking pool do. The ticks are kept for the split into user and system time.
//!
//! What no way of counting by process shows: what the kernel does for a connection on the
//! *client's* core (taking in acknowledgements), and in interrupts while the server sleeps
//! (giving back pages that the client has consumed). It falls on all peers alike; [`of_core`]
//! shows the second part.

use std::fs;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

use crate::tree::{self, TICK};

/// CPU time since some start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// User and system time together, in nanoseconds.
    pub total: Duration,
    /// User time alone, to 10 ms.
    pub user: Duration,
    /// System time alone, to 10 ms.
    pub system: Duration,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, earlier: Cpu) -> Cpu {
        Cpu {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// CPU time so far of the process `root` and all its living descendants, plus the children
/// that they have waited for.
pub fn of_tree(root: u32) -> Result<Cpu> {
    let processes = tree::of(root)?;
    ensure!(!processes.is_empty(), "the server is gone");
    let mut cpu = Cpu::default();
    for (id, stat) in processes {
        let clock = clock_getcpuclockid(Pid::from_raw(id.cast_signed()));
        match clock.and_then(|clock| clock.now()) {
            Ok(now) => cpu.total += Duration::from(now) + stat.children,
            Err(error) if id == root => return Err(error).context("the server is gone"),
            // A descendant that ended since the listing; its parent counts it from now on.
            Err(_) => continue,
        }
        cpu.user += stat.user;
        cpu.system += stat.system;
    }
    Ok(cpu)
}

/// Time that `core` has been busy, whoever kept it busy; to 10 ms.
pub fn of_core(core: usize) -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    core_busy(&stat, core).with_context(|| format!("/proc/stat does not list core {core}"))
}

/// The busy time of one core from `/proc/stat`: user, nice, system, irq and softirq, but
/// neither idle nor waiting for a disk.
fn core_busy(stat: &str, core: usize) -> Option<Duration> {
    let name = format!("cpu{core}");
    let fields: Vec<&str> = stat
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name.as_str()))?;
    let mut busy = Duration::ZERO;
    for number in [1, 2, 3, 6, 7] {
        busy += TICK * fields.get(number)?.parse::<u32>().ok()?;
    }
    Some(busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_core_is_neither_idle_nor_waiting() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 900 800 4 5 700 0 0\ncpu10 1 0 0 0 0 0 0";
        assert_eq!(core_busy(stat, 0), Some(TICK * 15));
        assert_eq!(core_busy(stat, 10), Some(TICK));
        assert_eq!(core_busy(stat, 1), None);
    }

    #[test]
    fn this_process_has_used_some_cpu() {
        assert!(of_tree(std::process::id()).unwrap().total > Duration::ZERO);
    }
}
