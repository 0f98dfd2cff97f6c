//! Systems whose page cache nobody here knows how to look into, or to send from without waiting.
//!
//! FreeBSD's sendfile(2) could, in a way of its own: by `SF_NODISKIO`. Whoever has one to try it on
//! begins here, and with which files [are answered for in place](crate::extent::disk).

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::net::SendFlags;

use super::Slice;

fn not_here() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this needs Linux")
}

/// Nothing is known to be in the page cache.
pub fn is_cached(_file: BorrowedFd<'_>, _range: &Range<u64>) -> bool {
    false
}

/// Nor later on.
pub fn is_still_cached(_file: BorrowedFd<'_>, _range: &Range<u64>) -> bool {
    false
}

/// Not here.
pub fn fill(_file: BorrowedFd<'_>, _range: &Range<u64>) -> io::Result<()> {
    Err(not_here())
}

/// Not here.
pub fn read_through(_file: BorrowedFd<'_>, _range: &Range<u64>) -> io::Result<()> {
    Err(not_here())
}

/// A part of a file in this process's address space: there is none.
#[derive(Debug)]
pub enum Mapping {}

impl Mapping {
    /// Not here.
    pub fn new(_file: BorrowedFd<'_>, _range: &Range<u64>) -> io::Result<Self> {
        Err(not_here())
    }

    /// Whether a range of the file is mapped.
    pub fn covers(&self, _range: &Range<u64>) -> bool {
        match *self {}
    }
}

/// Not here.
pub fn gather(_socket: BorrowedFd<'_>, _slices: &[Slice<'_>], _more: bool) -> io::Result<usize> {
    Err(not_here())
}

/// Not here.
pub fn hand_over(
    _socket: BorrowedFd<'_>,
    _file: BorrowedFd<'_>,
    _start: u64,
    _most: usize,
) -> io::Result<usize> {
    Err(not_here())
}

/// Sends bytes that are in memory, as many as the socket takes. That more follows cannot be said: a
/// packet more goes half full. That nobody reads is `EPIPE`, and no signal, since Rust's own start has this
/// process ignore that.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], _more: bool) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::DONTWAIT)?)
}

/// The kernel goes by the size of the send buffer alone, which is not much.
pub fn set_ahead(_socket: &impl AsFd, _bytes: u32) -> io::Result<()> {
    Ok(())
}

/// Packets are not held back.
pub fn set_cork(_socket: &impl AsFd, _is_corked: bool) -> io::Result<()> {
    Ok(())
}

/// Not here.
pub fn set_congestion(_socket: &impl AsFd, _name: &str) -> io::Result<()> {
    Err(not_here())
}

/// Not here.
pub fn set_pace(_socket: &impl AsFd, _bytes_per_s: u64) -> io::Result<()> {
    Err(not_here())
}
