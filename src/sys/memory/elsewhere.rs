//! Other systems and other C libraries: their allocators decide.

/// Has no effect here.
pub fn return_large_blocks() {}
