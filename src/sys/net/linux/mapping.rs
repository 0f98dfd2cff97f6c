//! Mapped parts of files, and sends of slices of them.
//!
//! This process never reads a mapping. A page of a file that is truncated while it is mapped raises SIGBUS
//! in a process that reads it; the kernel, reading it for a send, fails with EFAULT instead.
#![allow(unsafe_code)]

use std::{
    ffi::c_void,
    io,
    ops::Range,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr,
};

use rustix::{
    io::Errno,
    mm::{self, Advice, MapFlags, ProtFlags},
};

use super::{
    super::{SLICES_MAX, Slice},
    page_bytes,
};

/// A part of a file in this process's address space. This process never reads it.
#[derive(Debug)]
pub struct Mapping {
    address: *mut c_void,
    bytes: usize,
    /// The mapped part of the file.
    range: Range<u64>,
}

impl Mapping {
    /// Maps a range of a file, rounded outwards to pages. Touches no disk.
    pub fn new(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<Self> {
        let start = range.start / page_bytes() * page_bytes();
        let bytes = usize::try_from(range.end - start).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address that the kernel chooses replaces no other.
        let address = unsafe {
            mm::mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, file, start)?
        };
        Ok(Self { address, bytes, range: start..range.end })
    }

    /// Whether a range of the file is mapped.
    pub fn covers(&self, range: &Range<u64>) -> bool {
        self.range.start <= range.start && range.end <= self.range.end
    }

    /// Reads the file up to the offset `end` into the page cache, as huge pages if the system has them
    /// (`MADV_POPULATE_READ`, since Linux 5.14; EINVAL before). EFAULT: a page could not be read, or is
    /// behind the file's end. Blocks.
    pub(super) fn populate(&self, end: u64) -> Result<(), Errno> {
        let bytes = usize::try_from(end.min(self.range.end).saturating_sub(self.range.start))
            .unwrap_or(self.bytes);
        // SAFETY: the addresses are those of this mapping, into which there is no reference. Neither
        // advice changes its content.
        unsafe {
            // A system without huge pages reads single pages.
            let _ = mm::madvise(self.address, self.bytes, Advice::LinuxHugepage);
            mm::madvise(self.address, bytes, Advice::LinuxPopulateRead)
        }
    }

    /// The address of a range of the file, for the kernel to read.
    fn slice(&self, range: &Range<u64>) -> libc::iovec {
        assert!(self.covers(range), "only a mapped range has an address");
        let within = |offset| usize::try_from(offset - self.range.start).expect("it is mapped");
        let (start, end) = (within(range.start), within(range.end));
        libc::iovec { iov_base: self.address.wrapping_byte_add(start), iov_len: end - start }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every address into it borrows it.
        let unmapped = unsafe { mm::munmap(self.address, self.bytes) };
        debug_assert!(unmapped.is_ok(), "a mapping can be unmapped");
    }
}

/// Sends slices in order with one sendmsg(2), as many bytes as the socket accepts. `more` announces that
/// more bytes follow at once, so that no packet is sent half full.
///
/// The kernel copies: when this returns, nothing refers to the slices. EFAULT: a file no longer has the
/// mapped bytes.
pub fn send_slices(socket: BorrowedFd<'_>, slices: &[Slice<'_>], more: bool) -> io::Result<usize> {
    let mut vectors: Vec<libc::iovec> = (slices.iter().take(SLICES_MAX))
        .map(|slice| match slice {
            Slice::Memory(bytes) => {
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
            }
            Slice::Mapped(mapping, range) => mapping.slice(range),
        })
        .collect();
    // SAFETY: all zeros is a message without address, control data and slices.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr();
    #[allow(clippy::unnecessary_cast, reason = "musl has another type here")]
    {
        message.msg_iovlen = vectors.len() as _;
    }
    let more = if more { libc::MSG_MORE } else { 0 };
    let flags = more | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: every address is in memory or in a mapping that is borrowed until the call returns; the
    // kernel only reads, and fails with EFAULT where an address has no memory behind it.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    usize::try_from(sent).map_err(|_negative| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        os::{fd::AsFd as _, unix::net::UnixStream},
    };

    use super::{
        super::test_file::{LENGTH, bytes_at, file},
        *,
    };

    #[test]
    fn slices_of_memory_and_of_a_file_arrive_in_order() {
        let file = file();
        let mapping = Mapping::new(file.as_fd(), &(5000..LENGTH as u64)).expect("mapped");
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        let slices = [
            Slice::Memory(b"head"),
            Slice::Mapped(&mapping, 7000..7010),
            Slice::Memory(b"between"),
            Slice::Mapped(&mapping, LENGTH as u64 - 3..LENGTH as u64),
        ];
        assert_eq!(send_slices(ours.as_fd(), &slices, false).expect("sent"), 24);
        drop(ours);
        let mut arrived = Vec::new();
        theirs.read_to_end(&mut arrived).expect("received");
        let (first, last) = (bytes_at(7000..7010), bytes_at(LENGTH - 3..LENGTH));
        let expected = [b"head", &*first, b"between", &*last].concat();
        assert_eq!(arrived, expected);
    }

    #[test]
    fn a_slice_of_a_file_that_was_truncated_is_an_error_and_no_signal() {
        let file = file();
        let mapping = Mapping::new(file.as_fd(), &(0..LENGTH as u64)).expect("mapped");
        file.set_len(0).expect("truncated");
        let (ours, _theirs) = UnixStream::pair().expect("sockets");
        let sent = send_slices(ours.as_fd(), &[Slice::Mapped(&mapping, 4096..8192)], false);
        assert_eq!(sent.expect_err("nothing to send").raw_os_error(), Some(libc::EFAULT));
    }
}
