//! How a process shares the processor: the second of the kernel calls that have no safe wrapper.
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
#![allow(unsafe_code)]

use std::{io, time::Duration};

/// As in `linux/sched/types.h`, in its first version, which all kernels know.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// `SCHED_ATTR_SIZE_VER0`.
const SIZE: u32 = 48;
const _: () = assert!(size_of::<Attributes>() == SIZE as usize, "as the kernel has it");

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

/// Asks for such turns, for this thread and for all threads and processes that it starts
/// from now on.
///
/// # Errors
/// If the niceness is less than it was and this process may not do that, or there is no such call.
pub fn ask_for(turns: Turns) -> io::Result<()> {
    let (policy, length, nice) = match turns {
        Turns::Long { length, nice } => (libc::SCHED_BATCH, length, nice),
        Turns::Spare => (libc::SCHED_IDLE, Duration::ZERO, 0),
    };
    let attributes = Attributes {
        size: SIZE,
        policy: policy.cast_unsigned(),
        flags: 0,
        nice,
        priority: 0,
        runtime_ns: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX),
        deadline_ns: 0,
        period_ns: 0,
    };
    // SAFETY: the structure is as the kernel declares it, says its own size and lives until the call
    // returns; the kernel keeps no pointer to it.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0_u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, thread};

    use super::*;

    #[test]
    fn what_is_started_yields_as_well() {
        let long = Turns::Long { length: Duration::from_millis(100), nice: 11 };
        for (turns, nice, policy) in [(long, "11", "3"), (Turns::Spare, "0", "5")] {
            let started = thread::spawn(move || {
                ask_for(turns).expect("to yield more is anybody's right");
                let output = Command::new("cat").arg("/proc/self/stat").output().expect("a child");
                String::from_utf8(output.stdout).expect("text")
            });
            let stat = started.join().expect("it ends well");
            // The first field behind the name is the third, proc_pid_stat(5).
            let fields: Vec<&str> =
                stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
            assert_eq!((fields[19 - 3], fields[41 - 3]), (nice, policy), "{stat}");
        }
    }
}
