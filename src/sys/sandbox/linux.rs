//! Process attributes on Linux: parent death signal, capabilities, OOM score.

use std::{fs, io, path::PathBuf};

use rustix::{
    process::{Resource, Signal, set_parent_process_death_signal},
    thread::{CapabilitySet, CapabilitySets, set_capabilities},
};

/// Resources that a confined program never needs: their limit is 0.
pub const UNUSED_RESOURCES: [Resource; 1] = [Resource::Msgqueue];

/// The path of the running executable, to start it again as the sandbox helper.
pub fn helper_path() -> PathBuf {
    // The kernel finds the running program under this name even after its file was replaced.
    "/proc/self/exe".into()
}

/// Makes the kernel's OOM killer prefer this process to the server. Best effort, so errors are ignored.
/// Niceness is inherited from the worker.
pub fn raise_oom_score() {
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

/// Drops all capabilities but `CAP_DAC_READ_SEARCH`: root needs it to read libraries of other users.
/// [Landlock](super::landlock) limits those files.
pub fn drop_privileges() -> io::Result<()> {
    let kept = CapabilitySet::DAC_READ_SEARCH & rustix::thread::capabilities(None)?.permitted;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })?;
    Ok(())
}

/// Sets `PR_SET_PDEATHSIG` to SIGKILL, so that this process dies with its parent. A change of
/// privileges clears it.
pub fn set_parent_death_signal() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Sets `no_new_privs`: set-user-ID bits and file capabilities no longer take effect on `execve`.
pub fn set_no_new_privs() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}
