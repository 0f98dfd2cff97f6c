//! Systems without Landlock and seccomp. FreeBSD has Capsicum and macOS Seatbelt; neither is implemented
//! or tested here. Functions that a program needs to run unconfined succeed, and functions that would
//! confine it report that they do not.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
};

use rustix::process::Resource;

/// Resources that a confined program never needs: none.
pub const UNUSED_RESOURCES: [Resource; 0] = [];

/// The path of the running executable, to start it again as the sandbox helper. If the file was replaced
/// since, the path leads to the new one.
pub fn helper_path() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "headwater".into())
}

/// No effect: these systems have no OOM score.
pub fn raise_oom_score() {}

/// No effect: privileges depend on the user alone, and the process keeps its user.
pub fn drop_privileges() -> io::Result<()> {
    Ok(())
}

/// No effect: these systems have no parent death signal. The program ends when its CPU time is used up, or
/// when it writes progress to a closed pipe.
pub fn set_parent_death_signal() -> io::Result<()> {
    Ok(())
}

/// No effect: without `no_new_privs` set-user-ID programs still take effect.
pub fn set_no_new_privs() -> io::Result<()> {
    Ok(())
}

/// Restricts no file, and returns `false`.
pub fn restrict_files(
    _program: Option<&Path>,
    _reads_stdin: bool,
    _writes: Option<&Path>,
) -> Result<bool, Infallible> {
    Ok(false)
}

/// Refuses no system call, and returns an error.
pub fn install_seccomp() -> Result<(), &'static str> {
    Err("only available on Linux")
}
