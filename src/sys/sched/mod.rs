//! How a process shares the processor.
//!
//! Niceness says how much of the processor a process gets, and not when it gives it up. A server that
//! wakes beside a busy encoder waits until the encoder's turn is over, a millisecond or several, however
//! nice that is. Two things are against it:
//!
//! * Linux 6.12 and newer cut a turn short if whoever wakes asks for shorter turns; so whoever asks for long
//!   ones ([`Turns::Long`]) yields sooner, which costs nothing, as it has the processor for as long as nobody
//!   else wants it. But a server that has had more than its share a moment ago waits for the next tick.
//! * `SCHED_IDLE` ([`Turns::Spare`]) yields to everybody at once. Beside a machine that is busy all day it
//!   gets next to nothing, which suits what nobody waits for.
//!
//! Video segments of a server beside an encoder on each core, p99 as a multiple of that beside nothing:
//! niceness alone 3, long turns 1.5 to 2.4, spare ones 0.9 to 1.7.

use std::time::Duration;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::ask_for;
#[cfg(target_os = "linux")]
pub use linux::ask_for;

/// How a process takes turns with others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turns {
    /// Of this length, and none that ends another's by waking (`SCHED_BATCH`). Kernels that know no such
    /// lengths still keep to the rest.
    Long {
        /// How long each is.
        length: Duration,
        /// How much of the processor it wants: 19 the least.
        nice: i32,
    },
    /// Whenever nobody else wants one (`SCHED_IDLE`).
    Spare,
}
