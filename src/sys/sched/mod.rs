//! Scheduling policies of processes.
//!
//! Niceness sets a process's share of the processor, not how soon it gives the processor up. A server
//! that wakes beside a busy encoder waits until the encoder's time slice ends, one or several
//! milliseconds, whatever its niceness. Two policies shorten that wait:
//!
//! * [`Policy::Batch`] with a long slice: Linux 6.12 and newer preempt a task with a long slice when one
//!   with a shorter slice wakes. The encoder loses nothing, because it keeps the processor while nothing
//!   else is runnable. But a server that has just used more than its share waits for the next tick.
//! * [`Policy::Idle`] (`SCHED_IDLE`) yields at once to every other task. On a machine that is busy all
//!   day it gets almost nothing, so only background work runs under it.
//!
//! p99 of video segments beside one encoder per core, as a multiple of that on an idle machine:
//! niceness alone 3, long slices 1.5 to 2.4, idle scheduling 0.9 to 1.7.

use std::time::Duration;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::set_policy;
#[cfg(target_os = "linux")]
pub use linux::set_policy;

/// A scheduling policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// `SCHED_BATCH`: never preempts another task by waking. Kernels before 6.12 ignore the slice.
    Batch {
        /// The requested time slice.
        slice: Duration,
        /// The niceness: 19 yields the most.
        nice: i32,
    },
    /// `SCHED_IDLE`: runs only while no other task is runnable.
    Idle,
}
