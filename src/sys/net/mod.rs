//! Calls for the network that not every system has: the page cache, sends from it, and socket options.
//!
//! This is the seam between Linux and other systems. On other systems no file is
//! [sendable](crate::extent::File::is_sendable): extents are read into buffers
//! ([`wire::body`](crate::wire::body)), and the page cache is not used.

use std::{io, ops::Range, os::fd::BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod interfaces;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    Mapping, abort, is_cached, is_still_cached, populate, read_into_page_cache, send, send_slices,
    send_vectored, sendfile, set_congestion_control, set_cork, set_notsent_lowat, set_pacing_rate,
    unacknowledged_bytes, unread_by_local_peer, unsent_bytes,
};
#[cfg(target_os = "linux")]
pub use linux::{
    Mapping, abort, is_cached, is_still_cached, populate, read_into_page_cache, send, send_slices,
    send_vectored, sendfile, set_congestion_control, set_cork, set_notsent_lowat, set_pacing_rate,
    unacknowledged_bytes, unread_by_local_peer, unsent_bytes,
};

pub use interfaces::{InterfaceAddress, interface_addresses};

/// Whether a socket accepts bytes, as far as it keeps its limits: a write would accept some beyond them.
pub fn has_room(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
    // An error or a hang-up is an event too; the next write reports it.
    Ok(rustix::event::poll(&mut polled, Some(&Timespec::default()))? > 0)
}

/// The most slices of one call (`IOV_MAX` on Linux).
pub const SLICES_MAX: usize = 1024;

/// One of the parts that one call sends.
#[derive(Debug)]
pub enum Slice<'a> {
    /// Bytes in memory.
    Memory(&'a [u8]),
    /// A range of a mapped file.
    Mapped(&'a Mapping, Range<u64>),
}
