//! What a system can do for files besides what all of them can: never to leave a directory, and to read
//! what is in memory without waiting for what is not.
//!
//! This is the seam between Linux and other systems. Where a file cannot be asked without waiting, it
//! is not [answered for in place](answers_in_place), as on a network file system: then all of it is read in
//! the lane, and sent in pieces.

#[cfg(any(test, not(target_os = "linux")))]
mod beneath;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{answers_in_place, open_beneath, read_at, status_beneath};
#[cfg(target_os = "linux")]
pub use linux::{answers_in_place, open_beneath, read_at, status_beneath};

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Until the bytes are there.
    Allowed,
    /// What is not in memory is `EAGAIN`.
    Never,
}
