//! The page cache: look-ups, reads into it, and sends from it.
#![allow(unsafe_code)]

use std::{
    io,
    ops::Range,
    os::fd::{AsRawFd as _, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::io::{Errno, ReadWriteFlags};

use super::{Mapping, page_bytes};

/// The largest folio that the kernel keeps file pages in on machines with pages of 4 KiB, in bytes.
const FOLIO_BYTES: u64 = 2 << 20;

/// Whether a whole range of a file can be read from the page cache, as far as this is known without touching
/// a disk. cachestat(2) counts pages as cached while they are still being read, but a sendfile of them waits
/// for the disk: so this function also probes bytes all over the range.
pub fn is_cached(file: BorrowedFd<'_>, range: &Range<u64>) -> bool {
    match cached_pages(file, range) {
        Ok((cached, all)) if cached >= all => probe(file, range),
        Ok((0, _)) if is_on_overlayfs(file) => probe(file, range),
        Ok(_) => false,
        Err(_) => probe(file, range),
    }
}

/// Whether a whole range that was in the page cache a short time ago is still in it. Probes bytes only if
/// cachestat(2) is not available.
pub fn is_still_cached(file: BorrowedFd<'_>, range: &Range<u64>) -> bool {
    match cached_pages(file, range) {
        Ok((cached, all)) => cached >= all,
        Err(_) => probe(file, range),
    }
}

/// Whether a file is on overlayfs, which keeps its pages in the file system below, where cachestat(2) does
/// not look. Checked before a byte is probed: a probe of an uncached byte starts a read of single pages.
fn is_on_overlayfs(file: BorrowedFd<'_>) -> bool {
    /// `OVERLAYFS_SUPER_MAGIC` in `linux/magic.h`.
    const OVERLAYFS: u64 = 0x794c_7630;
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "another type elsewhere")]
    let is_overlay = |status: rustix::fs::StatFs| status.f_type as u64 & 0xffff_ffff == OVERLAYFS;
    rustix::fs::fstatfs(file).is_ok_and(is_overlay)
}

/// The number of cachestat(2), on architectures that use the number of the generic table. Others differ: 561
/// on Alpha, 4451 and more on MIPS, another bit on x32. A wrong number may be another call.
const SYS_CACHESTAT: Option<libc::c_long> =
    cachestat_number(std::env::consts::ARCH.as_bytes(), usize::BITS);

const fn cachestat_number(architecture: &[u8], pointer_bits: u32) -> Option<libc::c_long> {
    match (architecture, pointer_bits) {
        (
            b"x86_64" | b"aarch64" | b"riscv64" | b"loongarch64" | b"powerpc64" | b"s390x"
            | b"sparc64",
            64,
        )
        | (b"x86" | b"arm" | b"riscv32" | b"powerpc", 32) => Some(451),
        _ => None,
    }
}

/// The number of cached pages of a range, and of all its pages: cachestat(2), since Linux 6.5.
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
    static IS_MISSING: AtomicBool = AtomicBool::new(false);

    let number = SYS_CACHESTAT
        .filter(|_| !IS_MISSING.load(Ordering::Relaxed))
        .ok_or(io::ErrorKind::Unsupported)?;
    let kernel_range = CachestatRange { offset: range.start, length: range.end - range.start };
    let mut found = Cachestat::default();
    // SAFETY: both structures have the kernel's layout and outlive the call, and the kernel keeps no
    // pointer to either. The descriptor is open as long as it is borrowed.
    let result = unsafe {
        let (range, found) = (&raw const kernel_range, &raw mut found);
        libc::syscall(number, file.as_raw_fd(), range, found, 0_u32)
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

/// Whether bytes all over a range can be read without waiting (preadv2(2) with `RWF_NOWAIT`).
fn probe(file: BorrowedFd<'_>, range: &Range<u64>) -> bool {
    /// The kernel's default readahead.
    const STEP_BYTES: u64 = 64 * 1024;
    let last = range.end.saturating_sub(1);
    let steps = (range.start..last).step_by(usize::try_from(STEP_BYTES).unwrap_or(1 << 16));
    steps.chain([last]).all(|at| {
        let mut byte = [0];
        let into = &mut [io::IoSliceMut::new(&mut byte)];
        let read = rustix::io::preadv2(file, into, at, ReadWriteFlags::NOWAIT);
        // A read past the end does not block; the send detects the end.
        read.is_ok()
    })
}

/// Reads a range of a file into the page cache, as the largest folios of its file system. A send from those
/// costs a fifth less than from single pages, and no other kind of read creates them (WIRE, folios). Blocks:
/// for disk threads only.
///
/// # Errors
/// If a part of the file is not readable. `file_bytes` is the file's length: no page exists behind it, and
/// the kernel reports a missing page and a failed read alike (EFAULT).
pub fn populate(file: BorrowedFd<'_>, range: &Range<u64>, file_bytes: u64) -> io::Result<()> {
    let aligned = range.start / FOLIO_BYTES * FOLIO_BYTES..range.end.next_multiple_of(FOLIO_BYTES);
    let Ok(mapping) = Mapping::new(file, &aligned) else {
        return read_into_page_cache(file, range);
    };
    match mapping.populate(file_bytes) {
        Ok(()) => Ok(()),
        // Before Linux 5.14.
        Err(Errno::INVAL) => read_into_page_cache(file, range),
        Err(error) => Err(error.into()),
    }
}

/// Reads a range into the page cache, and discards the bytes. Blocks: for disk threads only.
///
/// # Errors
/// If a part of the range is not readable.
pub fn read_into_page_cache(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<()> {
    let mut scratch = vec![0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let max = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(scratch.len());
        match rustix::io::pread(file, &mut scratch[..max], at) {
            Ok(0) => break,
            Ok(read) => at += read as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sends a part of a file from the page cache, as many bytes as the socket accepts (sendfile(2)).
pub fn sendfile(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    start: u64,
    max_bytes: usize,
) -> io::Result<usize> {
    let mut offset = start;
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), max_bytes)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::fs::{Advice, fadvise};

    use super::{
        super::test_file::{LENGTH, file},
        *,
    };

    #[test]
    fn a_populated_range_is_cached_also_at_the_ragged_end() {
        let file = file();
        fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
        // Whether the kernel takes the advice depends on the file system; populating must not.
        for range in [0..1, 100..3 << 20, (4 << 20) + 1..LENGTH as u64] {
            populate(file.as_fd(), &range, LENGTH as u64).expect("populated");
            assert!(is_cached(file.as_fd(), &range), "{range:?}");
            assert!(probe(file.as_fd(), &range), "{range:?}");
        }
    }

    /// To the kernel a page behind the end of a truncated file and a bad sector are the same.
    #[test]
    fn an_unreadable_page_within_the_file_is_an_error() {
        let file = file();
        file.set_len(LENGTH as u64 / 2).expect("truncated");
        let populated = populate(file.as_fd(), &(0..LENGTH as u64), LENGTH as u64);
        let error = populated.expect_err("half of the pages are missing");
        assert_eq!(error.raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn cachestat_is_called_only_where_its_number_is_known() {
        for known in ["x86_64", "aarch64", "riscv64", "s390x"] {
            assert_eq!(cachestat_number(known.as_bytes(), 64), Some(451), "{known}");
        }
        for (other, bits) in [("alpha", 64), ("mips", 32), ("mips64", 64), ("x86_64", 32)] {
            assert_eq!(cachestat_number(other.as_bytes(), bits), None, "{other}");
        }
    }
}
