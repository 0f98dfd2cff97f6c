//! The CPU time of a server and of all its descendants.
//!
//! The source is a process's CPU-time clock, clock_getcpuclockid(3): nanoseconds, user and system
//! together, ended threads included. The alternatives lose something: `/proc/PID/stat` counts in
//! ticks of 10 ms, which is 5 % of a turn of three downloads, and `/proc/PID/task/*/schedstat` is as
//! fine but forgets a thread when it ends, as the threads of a blocking pool do.
//!
//! No count by process includes the kernel's work for a connection on the *client's* core (receiving
//! acknowledgements) or in interrupts while the server sleeps (freeing pages that the client has
//! consumed). It affects all peers alike; [`of_core`] shows the second part.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use procfs::{CurrentSI, KernelStats};

use crate::tree::{self, TICK};

/// CPU time so far of the process `root` and all its living descendants, plus the children that they
/// have waited for.
pub fn of_tree(root: u32) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for (process, stat) in tree::of(root)? {
        let clock = clock_getcpuclockid(Pid::from_raw(process.pid));
        // A descendant may end after the listing; its parent counts it from then on.
        if let Ok(now) = clock.and_then(|clock| clock.now()) {
            let waited_for = u32::try_from(stat.cutime + stat.cstime)?;
            total += Duration::from(now) + TICK * waited_for;
        }
    }
    Ok(total)
}

/// Time that `core` has been busy with any process or interrupt; to 10 ms. Neither idle time nor
/// iowait counts.
pub fn of_core(core: usize) -> Result<Duration> {
    let stats = KernelStats::current()?;
    let time = stats.cpu_time.get(core).with_context(|| format!("there is no core {core}"))?;
    let interrupts = time.irq.unwrap_or(0) + time.softirq.unwrap_or(0);
    let ticks = time.user + time.nice + time.system + interrupts;
    Ok(TICK * u32::try_from(ticks)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_core_have_used_some_cpu() {
        assert!(of_tree(std::process::id()).unwrap() > Duration::ZERO);
        assert!(of_core(0).unwrap() > Duration::ZERO);
    }
}
