//! Other systems: the state of the page cache is unknown, and a send from it could block.
//!
//! FreeBSD's sendfile(2) has `SF_NODISKIO`, which would prevent that. To add it, start here and with
//! [`is_nonblocking`](crate::sys::file::is_nonblocking).

use std::{
    io::{self, IoSlice},
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::net::{SendAncillaryBuffer, SendFlags};

use super::Slice;

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "only available on Linux")
}

/// Whether a range of a file is in the page cache: unknown here.
pub fn is_cached(_file: BorrowedFd<'_>, _range: &Range<u64>) -> bool {
    false
}

/// Whether a range of a file is still in the page cache: unknown here.
pub fn is_still_cached(_file: BorrowedFd<'_>, _range: &Range<u64>) -> bool {
    false
}

/// Unsupported.
pub fn populate(_file: BorrowedFd<'_>, _range: &Range<u64>, _file_bytes: u64) -> io::Result<()> {
    Err(unsupported())
}

/// Unsupported.
pub fn read_into_page_cache(_file: BorrowedFd<'_>, _range: &Range<u64>) -> io::Result<()> {
    Err(unsupported())
}

/// A mapped part of a file, which is never created here.
#[derive(Debug)]
pub enum Mapping {}

impl Mapping {
    /// Unsupported.
    pub fn new(_file: BorrowedFd<'_>, _range: &Range<u64>) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Whether a range of the file is mapped.
    pub fn covers(&self, _range: &Range<u64>) -> bool {
        match *self {}
    }
}

/// Unsupported.
pub fn send_slices(
    _socket: BorrowedFd<'_>,
    _slices: &[Slice<'_>],
    _more: bool,
) -> io::Result<usize> {
    Err(unsupported())
}

/// Unsupported.
pub fn sendfile(
    _socket: BorrowedFd<'_>,
    _file: BorrowedFd<'_>,
    _start: u64,
    _max_bytes: usize,
) -> io::Result<usize> {
    Err(unsupported())
}

/// Sends bytes from memory, as many as the socket accepts. Without `MSG_MORE` one more packet is half full.
/// A closed peer is `EPIPE` and no signal, because Rust's runtime ignores SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], _more: bool) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::DONTWAIT)?)
}

/// Sends slices of memory in order, as [`send`] does.
pub fn send_vectored(
    socket: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    _more: bool,
) -> io::Result<usize> {
    let mut no_control = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(socket, slices, &mut no_control, SendFlags::DONTWAIT)?)
}

/// No effect: the send buffer alone limits unsent bytes, and it is small.
pub fn set_notsent_lowat(_socket: &impl AsFd, _bytes: u32) -> io::Result<()> {
    Ok(())
}

/// No effect: partial packets are never held back.
pub fn set_cork(_socket: &impl AsFd, _is_corked: bool) -> io::Result<()> {
    Ok(())
}

/// Unsupported.
pub fn set_congestion_control(_socket: &impl AsFd, _name: &str) -> io::Result<()> {
    Err(unsupported())
}

/// Unsupported.
pub fn set_pacing_rate(_socket: &impl AsFd, _bytes_per_s: u64) -> io::Result<()> {
    Err(unsupported())
}

/// None: no bytes are sent by reference.
pub fn unacknowledged_bytes(_socket: impl AsFd) -> io::Result<usize> {
    Ok(0)
}

/// None: no bytes are sent by reference.
pub fn unsent_bytes(_socket: impl AsFd) -> io::Result<usize> {
    Ok(0)
}

/// None: no bytes are sent by reference.
pub fn unread_by_local_peer(_socket: impl AsFd) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Unsupported.
pub fn abort(_socket: impl AsFd) -> io::Result<()> {
    Err(unsupported())
}
