//! Sends from memory, and options of TCP sockets.
#![allow(unsafe_code)]

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
};

use rustix::net::{SendAncillaryBuffer, SendFlags};
use socket2::SockRef;

/// `SIOCOUTQNSD` of linux/sockios.h.
const SIOCOUTQNSD: libc::Ioctl = 0x894b;

/// Sends bytes from memory, as many as the socket accepts. `more` announces that more bytes follow at once
/// (`MSG_MORE`).
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], more: bool) -> io::Result<usize> {
    let mut flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    if more {
        flags |= SendFlags::MORE;
    }
    Ok(rustix::net::send(socket, bytes, flags)?)
}

/// Sends slices of memory in order, as many bytes as the socket accepts; `more` as for [`send`].
pub fn send_vectored(
    socket: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    more: bool,
) -> io::Result<usize> {
    let mut flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    if more {
        flags |= SendFlags::MORE;
    }
    Ok(rustix::net::sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), flags)?)
}

/// The bytes that the peer has not acknowledged (`SIOCOUTQ`, tcp(7)), unsent ones included.
pub fn unacknowledged_bytes(socket: impl AsFd) -> io::Result<usize> {
    queued_bytes(socket.as_fd(), libc::TIOCOUTQ as _)
}

/// The bytes that were never sent (`SIOCOUTQNSD`): the peer has no window for them, or the path is too slow.
pub fn unsent_bytes(socket: impl AsFd) -> io::Result<usize> {
    queued_bytes(socket.as_fd(), SIOCOUTQNSD)
}

/// Asks for a length of the queue of what is sent.
fn queued_bytes(socket: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result == 0 {
        usize::try_from(bytes).map_err(io::Error::other)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Ends a connection at once, and discards what the kernel has not sent (RST). The socket stays open and
/// fails from now on.
pub fn abort(socket: impl AsFd) -> io::Result<()> {
    Ok(rustix::net::connect_unspec(socket)?)
}

/// Limits the unsent bytes in the kernel beyond the congestion window (`TCP_NOTSENT_LOWAT`).
pub fn set_notsent_lowat(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(bytes)
}

/// Holds back partial packets, or releases them (`TCP_CORK`).
pub fn set_cork(socket: &impl AsFd, is_corked: bool) -> io::Result<()> {
    SockRef::from(socket).set_tcp_cork(is_corked)
}

/// Selects the congestion control of a socket (`TCP_CONGESTION`). Sockets that a listening socket accepts
/// inherit it.
pub fn set_congestion_control(socket: &impl AsFd, name: &str) -> io::Result<()> {
    SockRef::from(socket).set_tcp_congestion(name.as_bytes())
}

/// Limits the rate at which the kernel sends (`SO_MAX_PACING_RATE`, socket(7)). Sockets that a listening
/// socket accepts inherit it.
pub fn set_pacing_rate(socket: &impl AsFd, bytes_per_s: u64) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<u64>()).map_err(io::Error::other)?;
    // SAFETY: the value is a u64 that outlives the call, and `length` is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const bytes_per_s).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
