//! The index of a long movie whose container has no sample tables, as an artifact.

/// The file name of an index in its artifact.
pub const INDEX_FILE: &str = "index.mp4";

/// Version of the index. Increase it with every change of the output, since artifacts are kept by key.
pub const FORMAT_VERSION: u64 = 1;
