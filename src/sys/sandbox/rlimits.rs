//! Resource limits of a confined process (`setrlimit`).

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::UNUSED_RESOURCES;

/// Address space besides the memory itself: libraries (ffmpeg has two hundred), and unused reserves of
/// allocators for each thread.
const RESERVED_BYTES: u64 = 8 << 30;

/// Open files: sources, outputs, pipes, and libraries while the loader maps them.
const OPEN_FILES_MAX: u64 = 256;

/// Locked memory: a crypto library that ffmpeg links locks some when it is loaded, and prints a warning
/// if it cannot.
const LOCKED_BYTES_MAX: u64 = 64 << 10;

/// Seconds between SIGXCPU at the soft limit and SIGKILL at the hard limit.
const CPU_GRACE_S: u64 = 5;

/// Limits this process and the program that it becomes.
///
/// Memory is [`Resource::Data`] (private writable memory), since the address space alone is no measure. The
/// number of processes is not limited here: that limit counts all processes of a user, and root has none.
/// [seccomp](super::install_seccomp), if available, refuses to create processes.
pub fn set(memory_bytes: u64, file_bytes: u64, cpu_s: u64) -> io::Result<()> {
    let unused = UNUSED_RESOURCES.map(|resource| (resource, 0));
    let limits = [
        (Resource::Core, 0),
        (Resource::Nofile, OPEN_FILES_MAX),
        (Resource::Fsize, file_bytes),
        (Resource::Cpu, cpu_s),
        (Resource::Memlock, LOCKED_BYTES_MAX),
        (Resource::Data, memory_bytes),
        (Resource::As, memory_bytes.saturating_add(RESERVED_BYTES)),
    ];
    for (resource, limit) in limits.into_iter().chain(unused) {
        // SIGXCPU comes first, so that a program can finish its output.
        let grace = if resource == Resource::Cpu { CPU_GRACE_S } else { 0 };
        let hard = limit.saturating_add(grace).min(inherited_hard_limit(resource));
        let soft = limit.min(hard);
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    }
    Ok(())
}

/// The hard limit of the server's start, which cannot be raised.
fn inherited_hard_limit(resource: Resource) -> u64 {
    rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX)
}
