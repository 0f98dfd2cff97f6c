//! `sched_setattr(2)`, which no crate wraps.
#![allow(unsafe_code)]

use std::{io, time::Duration};

use super::Policy;

/// `struct sched_attr` of `linux/sched/types.h`, in its first version, which all kernels support.
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

/// Sets the scheduling policy of this thread, and of every thread and process that it starts from now on.
///
/// # Errors
/// If the niceness falls and the process lacks the right to lower it, or the kernel has no such call.
pub fn set_policy(policy: Policy) -> io::Result<()> {
    let (number, slice, nice) = match policy {
        Policy::Batch { slice, nice } => (libc::SCHED_BATCH, slice, nice),
        Policy::Idle => (libc::SCHED_IDLE, Duration::ZERO, 0),
    };
    let attributes = Attributes {
        size: SIZE,
        policy: number.cast_unsigned(),
        flags: 0,
        nice,
        priority: 0,
        runtime_ns: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        deadline_ns: 0,
        period_ns: 0,
    };
    // SAFETY: the structure has the kernel's layout, carries its own size and lives until the call
    // returns; the kernel keeps no pointer to it.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0_u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, thread};

    use super::*;

    #[test]
    fn children_inherit_the_policy() {
        let batch = Policy::Batch { slice: Duration::from_millis(100), nice: 11 };
        // Idle scheduling ignores niceness.
        for (policy, nice, number) in [(batch, Some("11"), "3"), (Policy::Idle, None, "5")] {
            let started = thread::spawn(move || {
                set_policy(policy).expect("any process may yield more");
                let output = Command::new("cat").arg("/proc/self/stat").output().expect("a child");
                String::from_utf8(output.stdout).expect("text")
            });
            let stat = started.join().expect("the thread ends");
            // The first field behind the name is the third, proc_pid_stat(5).
            let fields: Vec<&str> =
                stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
            assert_eq!(fields[41 - 3], number, "{stat}");
            assert!(nice.is_none_or(|nice| nice == fields[19 - 3]), "{stat}");
        }
    }
}
