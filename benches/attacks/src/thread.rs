//! Core and priority of this program's threads.
//!
//! Attackers and innocents usually have machines of their own; here they share one with the server.
//! The attackers get the last core at a low priority, so that they take nothing that the server wants
//! and all that it leaves. The innocents run before anything else, so that their times are the
//! server's and not the scheduler's.

use std::process::{Command, Stdio};
use std::thread;

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, gettid, sched_setaffinity};

/// Niceness of attackers: a tenth of the server's share where both want the core.
const ATTACKER_NICENESS: i32 = 10;

/// Makes this thread an attacker's.
pub fn yield_to_server() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut last = CpuSet::new();
    last.set(cores - 1);
    // Without either, an attack is only a little less regular.
    let _ = sched_setaffinity(None, &last);
    let _ = setpriority_process(Some(gettid()), ATTACKER_NICENESS);
}

/// Makes this thread an innocent's; `false` without the right to real-time priority.
pub fn run_first() -> bool {
    let id = gettid().as_raw_nonzero().to_string();
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--pid", "1", &id]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
