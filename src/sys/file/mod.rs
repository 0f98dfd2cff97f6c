//! File calls that differ between systems: to resolve a path without leaving a directory, to read from
//! memory without waiting for the disk, to watch the names in directories, and to hear of writers.
//!
//! This is the seam between Linux and other systems. On a network file system, for example, a file is not
//! [nonblocking](is_nonblocking): all its reads go to the disk pool, and its bytes are copied to the
//! socket.

mod beneath;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod lease;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod name_watcher;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    LeaseReports, NameWatcher, ReportReceiver, end_lease, is_lease_intact, is_nonblocking,
    open_beneath, read_at, reports_names, status_beneath, take_lease, wait_for_writes,
};
#[cfg(target_os = "linux")]
pub use lease::{LeaseReports, ReportReceiver, end_lease, is_lease_intact, take_lease};
#[cfg(target_os = "linux")]
pub use linux::{
    is_nonblocking, open_beneath, read_at, reports_names, status_beneath, wait_for_writes,
};
#[cfg(target_os = "linux")]
pub use name_watcher::NameWatcher;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Wait until the bytes are in memory.
    Allowed,
    /// Fail with `EAGAIN` if the bytes are not in memory.
    Never,
}

/// Whether a path may pass through symbolic links.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Links {
    /// Follow links that stay below the directory, and lead to no name that begins with a dot.
    Followed,
    /// Fail with `ELOOP` at a link.
    Refused,
}

/// One watch of a [`NameWatcher`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WatchId(i32);

/// An event of a [`NameWatcher`].
#[derive(Debug)]
pub enum NameEvent<'e> {
    /// The name of a file was removed or replaced.
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
