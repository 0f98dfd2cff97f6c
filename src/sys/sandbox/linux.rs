//! What a process is to Linux: whose child, with which privileges.

use std::{fs, io, path::PathBuf};

use rustix::{
    process::{Resource, Signal, set_parent_process_death_signal},
    thread::{CapabilitySet, CapabilitySets, set_capabilities},
};

/// Resources of which a confined program needs nothing.
pub const UNNEEDED: [Resource; 1] = [Resource::Msgqueue];

/// This program, as what is to be started.
pub fn helper() -> PathBuf {
    // By this name the kernel finds the running program even after its file was replaced.
    "/proc/self/exe".into()
}

/// Steps back behind the server when memory runs out. It is no promise, so it is no error. How much it
/// yields of the processor is inherited from whoever starts it, who was told.
pub fn be_modest() {
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

/// Gives up all privileges. As root, one stays: reading what is another user's, since libraries
/// are; [`super::files`] says which files those can be.
pub fn drop_privileges() -> io::Result<()> {
    let kept = CapabilitySet::DAC_READ_SEARCH & rustix::thread::capabilities(None)?.permitted;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })?;
    Ok(())
}

/// Has this process killed when its parent ends. A change of privileges takes that back.
pub fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// No program that is run from now on has a privilege that this process has not.
pub fn gain_nothing() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}
