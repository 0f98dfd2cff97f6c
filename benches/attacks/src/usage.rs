//! What a process uses.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::process::Process;
use serde::Serialize;

/// The tick of `/proc`: 1/100 s in user space on every architecture that matters here.
const TICK: Duration = Duration::from_millis(10);

/// Memory, descriptors, threads and CPU time of one process at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Usage {
    pub rss_mib: f64,
    /// The largest `rss_mib` since [`forget_peak`].
    pub peak_mib: f64,
    pub descriptors: usize,
    pub threads: u64,
    /// User and system time.
    pub cpu_s: f64,
}

impl Usage {
    /// What the process `id` uses now; fails if it has ended.
    pub fn of(id: u32) -> Result<Self> {
        let process = Process::new(id.cast_signed())?;
        let (status, stat) = (process.status()?, process.stat()?);
        // A process that is about to end has none.
        let rss_kib = status.vmrss.context("the process has ended")?;
        let peak_kib = status.vmhwm.context("the process has ended")?;
        Ok(Usage {
            rss_mib: rss_kib as f64 / 1024.0,
            peak_mib: peak_kib as f64 / 1024.0,
            descriptors: process.fd_count()?,
            threads: status.threads,
            cpu_s: TICK.as_secs_f64() * (stat.utime + stat.stime) as f64,
        })
    }
}

/// Starts the peak of the process `id` again. Without the right to, an earlier peak counts.
pub fn forget_peak(id: u32) {
    let _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_mib > 0.0 && usage.peak_mib >= usage.rss_mib);
        assert!(usage.descriptors > 2 && usage.threads > 0);
    }
}
