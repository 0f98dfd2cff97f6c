//! What a kernel is asked for besides what all of them can: its page cache, sending from there, and
//! options of sockets.
//!
//! This is the seam between Linux and other systems. There no file is
//! [sendable](crate::extent::disk::File::is_sendable), so that extents come through [`body`](super::body) in
//! pieces and nothing here is asked for the page cache.

use std::ops::Range;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    Mapping, fill, gather, hand_over, is_cached, is_still_cached, read_through, send, set_ahead,
    set_congestion, set_cork, set_pace,
};
#[cfg(target_os = "linux")]
pub use linux::{
    Mapping, fill, gather, hand_over, is_cached, is_still_cached, read_through, send, set_ahead,
    set_congestion, set_cork, set_pace,
};

/// Slices of one call at most (`IOV_MAX` on Linux).
pub const SLICES_MAX: usize = 1024;

/// A piece of what is sent by one call.
#[derive(Debug)]
pub enum Slice<'a> {
    /// Bytes in memory.
    Memory(&'a [u8]),
    /// A range of a file that is mapped.
    Mapped(&'a Mapping, Range<u64>),
}
