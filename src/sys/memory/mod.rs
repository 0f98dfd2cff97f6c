//! What the allocator keeps of freed memory.

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod elsewhere;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod linux;

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub use elsewhere::{return_large_blocks, return_unused, unused_bytes};
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use linux::{return_large_blocks, return_unused, unused_bytes};

/// The length from which on a freed block goes back to the system at once, in bytes.
pub const LARGE_BYTES: i32 = 128 * 1024;
