//! The allocator of the GNU C library.
#![allow(unsafe_code)]

use std::fs;

use super::LARGE_BYTES;

/// Makes the allocator return each freed block of at least [`LARGE_BYTES`] to the system at once.
///
/// By default it does so only until the first large block is freed: then it raises the limit to the length
/// of that block, up to 32 MiB (mallopt(3)), and keeps what was freed in the arena of each thread that ever
/// built an index or a clip.
pub fn return_large_blocks() {
    // SAFETY: the call takes two numbers and changes a limit of the allocator.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
}

/// The bytes of memory that the allocator holds and the process does not use; 0 if that is not known.
pub fn unused_bytes() -> usize {
    let Some(resident) = resident_bytes() else { return 0 };
    // SAFETY: the call takes nothing and returns numbers.
    let allocated = unsafe { libc::mallinfo() };
    // mallinfo(3) counts modulo 2^32, and the difference is right if it is below 2^31. It is negative while
    // parts of blocks in use were never touched. (mallinfo2 is missing in libraries before 2.33.)
    let in_use = allocated.uordblks.wrapping_add(allocated.hblkhd);
    let low_bits = u32::try_from(resident & u64::from(u32::MAX)).expect("32 bits");
    usize::try_from(low_bits.cast_signed().wrapping_sub(in_use)).unwrap_or(0)
}

/// Returns unused memory to the system. Takes milliseconds for each ten thousand blocks, in which no other
/// thread can allocate in the same arena.
pub fn return_unused() {
    // SAFETY: the call takes a number and only gives back memory that is not in use.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// The resident memory of the process that is of no file, in bytes (proc(5)).
fn resident_bytes() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = pages.split(' ').skip(1).map(|number| number.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_memory_is_unused_until_it_is_returned() {
        const BLOCKS: usize = 16 * 1024;
        const BLOCK_BYTES: usize = 4096;
        let block = || vec![7_u8; BLOCK_BYTES];
        // Every sixteenth block stays, so that the allocator cannot return the others by itself.
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| block()).collect();
        let mut number = 0;
        blocks.retain(|_| {
            number += 1;
            number % 16 == 0
        });
        let unused = unused_bytes();
        assert!(unused > BLOCKS * BLOCK_BYTES / 2, "{unused}");
        return_unused();
        let left = unused_bytes();
        assert!(left < unused - BLOCKS * BLOCK_BYTES / 2, "{left} of {unused}");
        assert_eq!(blocks.len(), BLOCKS / 16);
    }
}
