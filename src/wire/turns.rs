//! How a process shares the processor: the second of the kernel calls that have no safe wrapper.
//!
//! Niceness says how much of the processor a process gets, and not when it gives it up. A server that
//! wakes beside a busy encoder waits until the encoder's turn is over, a millisecond or several, however
//! nice that is. Linux 6.12 and newer cut the turn short if whoever wakes asks for shorter turns; so the
//! encoder asks for long ones, which costs it nothing, since it has the processor for as long as nobody
//! else wants it. `SCHED_IDLE` yields as soon, but beside a machine that is busy all day it gets nothing.
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

/// Asks for turns of this length at this niceness, for this thread and for all threads and processes
/// that it starts from now on; and that none of them ends another's turn by waking (`SCHED_BATCH`).
/// Kernels that know no such turns still keep to the rest.
///
/// # Errors
/// If the niceness is less than it was and this process may not do that, or there is no such call.
pub fn ask_for(length: Duration, nice: i32) -> io::Result<()> {
    let attributes = Attributes {
        size: SIZE,
        policy: libc::SCHED_BATCH.cast_unsigned(),
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
        let started = thread::spawn(|| {
            ask_for(Duration::from_millis(100), 11).expect("more niceness is anybody's");
            let output = Command::new("cat").arg("/proc/self/stat").output().expect("a child");
            String::from_utf8(output.stdout).expect("text")
        });
        let stat = started.join().expect("it ends well");
        // The first field behind the name is the third, proc_pid_stat(5).
        let fields: Vec<&str> =
            stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        assert_eq!((fields[19 - 3], fields[41 - 3]), ("11", "3"), "{stat}");
    }
}
