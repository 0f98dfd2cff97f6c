//! The allocator of the GNU C library.
#![allow(unsafe_code)]

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
