//! Other systems and other C libraries: their allocators decide.

/// Has no effect here.
pub fn return_large_blocks() {}

/// Not known here.
pub fn unused_bytes() -> usize {
    0
}

/// Has no effect here.
pub fn return_unused() {}
