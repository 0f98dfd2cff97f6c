//! Kernel mechanisms that confine a process: privileges, resource limits, Landlock, seccomp.
//!
//! Only Linux has Landlock and seccomp. On other systems a program that must be confined does not run,
//! and one that is confined where possible has [resource limits](rlimits) only.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
pub mod landlock;
#[cfg(target_os = "linux")]
mod linux;
pub mod rlimits;
#[cfg(target_os = "linux")]
pub mod seccomp;

use std::{ffi::OsString, io, os::unix::process::CommandExt as _, path::Path, process::Command};

use rustix::process::{Pid, getppid};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    UNUSED_RESOURCES, drop_privileges, helper_path, install_seccomp, raise_oom_score,
    restrict_files, set_no_new_privs, set_parent_death_signal,
};
#[cfg(target_os = "linux")]
pub use {
    landlock::restrict as restrict_files,
    linux::{
        UNUSED_RESOURCES, drop_privileges, helper_path, raise_oom_score, set_no_new_privs,
        set_parent_death_signal,
    },
    seccomp::install as install_seccomp,
};

/// The process id of the parent, if it has one in this PID namespace.
pub fn parent_pid() -> Option<i32> {
    getppid().map(Pid::as_raw_pid)
}

/// Replaces this process by a program (`execve`). Returns only if that fails.
pub fn exec(program: &Path, arguments: &[OsString]) -> io::Error {
    Command::new(program).args(arguments).exec()
}
