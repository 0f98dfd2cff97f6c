//! Linux, and with it the calls that have no safe wrapper: the only unsafe code of the product, with that
//! of [`turns`](crate::sys::sched).
//!
//! All of those are about the page cache: what of a file is in it, bringing more into it, and sending
//! slices of it. What is mapped here is never read by us. A page of a file that is truncated while
//! it is mapped raises SIGBUS in whoever reads it; the kernel, reading it for a send, answers
//! EFAULT instead.
#![allow(unsafe_code)]

use std::{
    ffi::c_void,
    io,
    ops::Range,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    io::{Errno, ReadWriteFlags},
    mm::{self, Advice, MapFlags, ProtFlags},
    net::SendFlags,
};
use socket2::SockRef;

use super::{SLICES_MAX, Slice};

/// The unit in which memory is mapped and cached, in bytes. Asked for once; 4 KiB where the answer
/// is not known beforehand does no harm, since everything here is rounded outwards.
fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// The largest folio that the kernel keeps file pages in on machines with pages of 4 KiB, in bytes.
const FOLIO_BYTES: u64 = 2 << 20;

/// Whether all of a range of a file can be read from the page cache, as far as can be known without a
/// disk. Pages that are being read at this moment count as cached to cachestat(2), but whoever sends
/// them waits for the disk: so bytes all over the range are tried too.
pub fn is_cached(file: BorrowedFd<'_>, range: &Range<u64>) -> bool {
    match cached_pages(file, range) {
        Ok((cached, all)) if cached >= all => probe(file, range),
        Ok((0, _)) if stands_on_another(file) => probe(file, range),
        Ok(_) => false,
        Err(_) => probe(file, range),
    }
}

/// Whether all of a range that was in the page cache a little while ago is there still. No bytes are tried,
/// unless there is no other way to know.
pub fn is_still_cached(file: BorrowedFd<'_>, range: &Range<u64>) -> bool {
    match cached_pages(file, range) {
        Ok((cached, all)) => cached >= all,
        Err(_) => probe(file, range),
    }
}

/// Whether a file's system stands on another and keeps its pages there, where cachestat does not
/// look. Asked before a byte is tried: of what is not cached, that begins to read single pages in.
fn stands_on_another(file: BorrowedFd<'_>) -> bool {
    /// `OVERLAYFS_SUPER_MAGIC` in `linux/magic.h`.
    const OVERLAYFS: u64 = 0x794c_7630;
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "another type elsewhere")]
    let is_overlay = |status: rustix::fs::StatFs| status.f_type as u64 & 0xffff_ffff == OVERLAYFS;
    rustix::fs::fstatfs(file).is_ok_and(is_overlay)
}

/// How many pages of a range are cached, and how many there are: cachestat(2), since Linux 6.5.
fn cached_pages(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<(u64, u64)> {
    /// As in `linux/mman.h`.
    #[repr(C)]
    struct CachestatRange {
        offset: u64,
        length: u64,
    }
    #[derive(Default)]
    #[repr(C)]
    struct Cachestat {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }
    /// The same on every architecture.
    const SYS_CACHESTAT: libc::c_long = 451;
    static IS_MISSING: AtomicBool = AtomicBool::new(false);

    if IS_MISSING.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let asked = CachestatRange { offset: range.start, length: range.end - range.start };
    let mut found = Cachestat::default();
    // SAFETY: both structures are as the kernel declares them, live until the call returns, and the
    // kernel keeps no pointer to either. The descriptor is open as long as it is borrowed.
    let result = unsafe {
        let (asked, found) = (&raw const asked, &raw mut found);
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), asked, found, 0_u32)
    };
    if result != 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ENOSYS) {
            IS_MISSING.store(true, Ordering::Relaxed);
        }
        return Err(error);
    }
    let page = page_bytes();
    let all = range.end.div_ceil(page) - range.start / page;
    Ok((found.cached, all))
}

/// Whether bytes all over a range can be read without waiting.
fn probe(file: BorrowedFd<'_>, range: &Range<u64>) -> bool {
    /// The pages that the kernel reads in at a time, by default.
    const STEP_BYTES: u64 = 64 * 1024;
    let last = range.end.saturating_sub(1);
    let steps = (range.start..last).step_by(usize::try_from(STEP_BYTES).unwrap_or(1 << 16));
    steps.chain([last]).all(|at| {
        let mut byte = [0];
        let into = &mut [io::IoSliceMut::new(&mut byte)];
        let read = rustix::io::preadv2(file, into, at, ReadWriteFlags::NOWAIT);
        // Past the end there is nothing to wait for; sending will tell.
        read.is_ok()
    })
}

/// Brings a range of a file into the page cache as the largest folios that its file system has, and
/// waits for it. Sending from them costs a fifth less than from single pages, and no other way of
/// reading makes them (WIRE, folios). Blocks: for disk threads only.
pub fn fill(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<()> {
    let aligned = range.start / FOLIO_BYTES * FOLIO_BYTES..range.end.next_multiple_of(FOLIO_BYTES);
    let Ok(mapping) = Mapping::new(file, &aligned) else {
        return read_through(file, range);
    };
    // SAFETY: the addresses are those of a mapping that lives until the end of this function, and
    // nobody has a reference into it. Neither advice changes what it holds.
    unsafe {
        // A system without huge pages reads single ones.
        let _ = mm::madvise(mapping.address, mapping.bytes, Advice::LinuxHugepage);
        match mm::madvise(mapping.address, mapping.bytes, Advice::LinuxPopulateRead) {
            // The part behind the file's end, which was rounded up to.
            Ok(()) | Err(Errno::FAULT) => Ok(()),
            // Before Linux 5.14.
            Err(Errno::INVAL) => read_through(file, range),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a range for the sake of the page cache alone. Blocks: for disk threads only.
pub fn read_through(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<()> {
    let mut scratch = vec![0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let most = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(scratch.len());
        match rustix::io::pread(file, &mut scratch[..most], at) {
            Ok(0) => break,
            Ok(read) => at += read as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A part of a file in this process's address space, of which nothing is ever read by us.
#[derive(Debug)]
pub struct Mapping {
    address: *mut c_void,
    bytes: usize,
    /// What is mapped, in bytes of the file.
    range: Range<u64>,
}

impl Mapping {
    /// Maps a range of a file, rounded outwards to pages. Touches no disk.
    pub fn new(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<Self> {
        let start = range.start / page_bytes() * page_bytes();
        let bytes = usize::try_from(range.end - start).map_err(io::Error::other)?;
        // SAFETY: a new mapping, at an address that the kernel chooses, takes nothing from anybody.
        let address = unsafe {
            mm::mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, file, start)?
        };
        Ok(Self { address, bytes, range: start..range.end })
    }

    /// Whether a range of the file is mapped.
    pub fn covers(&self, range: &Range<u64>) -> bool {
        self.range.start <= range.start && range.end <= self.range.end
    }

    /// Where a range of the file is mapped, for the kernel to read.
    fn slice(&self, range: &Range<u64>) -> libc::iovec {
        assert!(self.covers(range), "only what is mapped has an address");
        let within = |offset| usize::try_from(offset - self.range.start).expect("it is mapped");
        let (start, end) = (within(range.start), within(range.end));
        libc::iovec { iov_base: self.address.wrapping_byte_add(start), iov_len: end - start }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever was given an address into it borrowed it.
        let unmapped = unsafe { mm::munmap(self.address, self.bytes) };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}

/// Sends slices in order by one call, as much as the socket takes. `more` says that more follows at
/// once, so that no packet goes half full.
///
/// The kernel copies: when this returns, nothing refers to the slices any more. EFAULT says that a
/// file no longer has what was mapped.
pub fn gather(socket: BorrowedFd<'_>, slices: &[Slice<'_>], more: bool) -> io::Result<usize> {
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
    // SAFETY: every address is that of memory which is borrowed until the call returns, or of a
    // mapping which is; the kernel only reads, and an address without memory behind it is EFAULT.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    usize::try_from(sent).map_err(|_negative| io::Error::last_os_error())
}

/// Sends a part of a file from the page cache, as much as the socket takes (sendfile(2)).
pub fn hand_over(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    start: u64,
    most: usize,
) -> io::Result<usize> {
    let mut offset = start;
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), most)?)
}

/// Sends bytes that are in memory, as many as the socket takes. `more` says that more follows at once.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], more: bool) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let flags = if more { flags | SendFlags::MORE } else { flags };
    Ok(rustix::net::send(socket, bytes, flags)?)
}

/// Has the kernel take so many bytes ahead of what a client has room for (`TCP_NOTSENT_LOWAT`).
pub fn set_ahead(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(bytes)
}

/// Holds back packets that are not full (`TCP_CORK`), or lets them go.
pub fn set_cork(socket: &impl AsFd, is_corked: bool) -> io::Result<()> {
    SockRef::from(socket).set_tcp_cork(is_corked)
}

/// Has the kernel see to congestion by the control of this name, over a socket and those that a
/// listening socket accepts.
pub fn set_congestion(socket: &impl AsFd, name: &str) -> io::Result<()> {
    SockRef::from(socket).set_tcp_congestion(name.as_bytes())
}

/// Has the kernel send no faster than so many bytes a second over a socket, and over those that a
/// listening socket accepts (`SO_MAX_PACING_RATE`, socket(7)).
pub fn set_pace(socket: &impl AsFd, bytes_per_s: u64) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<u64>()).map_err(io::Error::other)?;
    // SAFETY: the value is a u64 that lives until the call returns, and its size is told.
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

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
    };

    use rustix::fs::{Advice, fadvise};

    use super::*;

    const LENGTH: usize = 5 << 20;

    fn bytes_at(range: Range<usize>) -> Vec<u8> {
        range.map(|at| u8::try_from(at / 7 % 256).expect("a byte")).collect()
    }

    fn file() -> File {
        let mut file = tempfile::tempfile().expect("a file");
        let bytes: Vec<u8> = bytes_at(0..LENGTH);
        file.write_all(&bytes).expect("written");
        file.sync_all().expect("on the disk");
        file
    }

    #[test]
    fn what_was_filled_is_cached_also_at_the_ragged_end() {
        let file = file();
        fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
        // Whether the kernel takes the advice depends on the file system; filling must not.
        for range in [0..1, 100..3 << 20, (4 << 20) + 1..LENGTH as u64] {
            fill(file.as_fd(), &range).expect("filled");
            assert!(is_cached(file.as_fd(), &range), "{range:?}");
            assert!(probe(file.as_fd(), &range), "{range:?}");
        }
    }

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
        assert_eq!(gather(ours.as_fd(), &slices, false).expect("sent"), 24);
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
        let sent = gather(ours.as_fd(), &[Slice::Mapped(&mapping, 4096..8192)], false);
        assert_eq!(sent.expect_err("nothing to send").raw_os_error(), Some(libc::EFAULT));
    }
}
