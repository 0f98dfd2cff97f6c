//! Systems that are not known to confine: FreeBSD's capsicum and macOS's seatbelt could, each in a way
//! of its own that nobody here has tried. What a program needs to run unconfined succeeds, and what
//! would confine it says that it does not.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
};

use rustix::process::Resource;

/// Resources of which a confined program needs nothing.
pub const UNNEEDED: [Resource; 0] = [];

/// This program, as what is to be started. When its file has been replaced, that is another.
pub fn helper() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "headwater".into())
}

/// There is nothing to ask for.
pub fn be_modest() {}

/// The user is all that a process's privileges go by, and it keeps its own.
pub fn drop_privileges() -> io::Result<()> {
    Ok(())
}

/// Nothing kills it. It ends when it has used up its time of the processor, or when it prints how far it
/// has come and nobody is there to read that.
pub fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// Programs may still gain what their files grant them.
pub fn gain_nothing() -> io::Result<()> {
    Ok(())
}

/// No file is out of reach.
pub fn confine_files(
    _program: Option<&Path>,
    _reads: &[PathBuf],
    _writes: Option<&Path>,
) -> Result<bool, Infallible> {
    Ok(false)
}

/// No call is refused, and this says so.
pub fn refuse_calls() -> Result<(), &'static str> {
    Err("only Linux has it")
}
