//! File calls that differ between systems: to resolve a path without leaving a directory, to read from
//! memory without waiting for the disk, and to watch the names in directories.
//!
//! This is the seam between Linux and other systems. A file whose status may have to wait does not
//! [answer in place](answers_in_place), as on a network file system: all its reads then go to the disk
//! pool, and its bytes are copied to the socket.

#[cfg(any(test, not(target_os = "linux")))]
mod beneath;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod name_watcher;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    NameWatcher, answers_in_place, open_beneath, read_at, reports_names, status_beneath,
};
#[cfg(target_os = "linux")]
pub use linux::{answers_in_place, open_beneath, read_at, reports_names, status_beneath};
#[cfg(target_os = "linux")]
pub use name_watcher::NameWatcher;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Until the bytes are there.
    Allowed,
    /// What is not in memory is `EAGAIN`.
    Never,
}

/// Whether a path may pass through symbolic links.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Links {
    /// Links that stay below the directory are followed.
    Followed,
    /// A link is `ELOOP`.
    Refused,
}

/// One watch of a [`NameWatcher`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WatchId(i32);

/// An event of a [`NameWatcher`].
#[derive(Debug)]
pub enum NameEvent<'e> {
    /// A name that was not a directory's now means another file, or none.
    File {
        /// The watch of the directory that holds the name.
        directory: WatchId,
        /// The name.
        name: &'e std::ffi::OsStr,
    },
    /// A directory was renamed, replaced or removed.
    Directory {
        /// The watch of the directory above it.
        directory: WatchId,
        /// The name.
        name: &'e std::ffi::OsStr,
    },
    /// The watch has ended: the directory was deleted, or the caller removed the watch.
    Ended {
        /// The watch.
        directory: WatchId,
    },
    /// The kernel dropped events, or unmounted a file system.
    Lost,
}
