//! How much a confined process may have.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::sys::sandbox;

/// Address space besides the memory itself: libraries (ffmpeg has two hundred), and what allocators
/// reserve for each thread without using it.
const RESERVED: u64 = 8 << 30;

/// Open files: sources, outputs, pipes and libraries while they are loaded.
const OPEN_FILES: u64 = 256;

/// Memory that is kept from being swapped: a library of secrets that ffmpeg is linked with locks some
/// when it is loaded, and complains if it cannot.
const LOCKED: u64 = 64 << 10;

/// Seconds between the signal that says that the processor time is used up, and the one that kills.
const CPU_GRACE_S: u64 = 5;

/// Limits this process, and whatever it becomes.
///
/// Memory is [`Resource::Data`]: what is private and can be written, as the address space alone says
/// little. How many processes there may be is not here: that limit counts all of a user's, and root
/// has none. [`kernel`] refuses to make any, if it can.
pub fn limit(memory_bytes: u64, file_bytes: u64, cpu_s: u64) -> io::Result<()> {
    let unneeded = sandbox::UNNEEDED.map(|resource| (resource, 0));
    let needed = [
        (Resource::Core, 0),
        (Resource::Nofile, OPEN_FILES),
        (Resource::Fsize, file_bytes),
        (Resource::Cpu, cpu_s),
        (Resource::Memlock, LOCKED),
        (Resource::Data, memory_bytes),
        (Resource::As, memory_bytes.saturating_add(RESERVED)),
    ];
    for (resource, most) in needed.into_iter().chain(unneeded) {
        // A program may hear that its time is over, and put things in order.
        let grace = if resource == Resource::Cpu { CPU_GRACE_S } else { 0 };
        let hardest = most.saturating_add(grace).min(hard(resource));
        let most = Some(most.min(hardest));
        setrlimit(resource, Rlimit { current: most, maximum: Some(hardest) })?;
    }
    Ok(())
}

/// A limit that there is already, from whoever started the server, is not raised.
fn hard(resource: Resource) -> u64 {
    rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX)
}
