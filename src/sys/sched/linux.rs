//! Linux's call for it, which has no safe wrapper either.
#![allow(unsafe_code)]

use std::{io, time::Duration};

use super::Turns;

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
        // What is spare is spare at any niceness.
        for (turns, nice, policy) in [(long, Some("11"), "3"), (Turns::Spare, None, "5")] {
            let started = thread::spawn(move || {
                ask_for(turns).expect("to yield more is anybody's right");
                let output = Command::new("cat").arg("/proc/self/stat").output().expect("a child");
                String::from_utf8(output.stdout).expect("text")
            });
            let stat = started.join().expect("it ends well");
            // The first field behind the name is the third, proc_pid_stat(5).
            let fields: Vec<&str> =
                stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
            assert_eq!(fields[41 - 3], policy, "{stat}");
            assert!(nice.is_none_or(|nice| nice == fields[19 - 3]), "{stat}");
        }
    }
}
