//! Files on disks. No I/O thread ever waits for a disk.
//!
//! Every system call that may touch a disk runs in a [`DiskPool`]: a few threads that belong to one
//! library root, with a deadline. A disk that hangs stops its own pool and nothing else. Calls that
//! provably stay in memory (a read that may not block, a status of an open file on a local file
//! system) run on the calling thread.

mod buffers;
mod file;
mod file_lease;
mod identity;
mod names;
mod open_files;
mod page_references;
mod plain;
mod pool;
mod reader;
mod root;
#[cfg(test)]
pub(in crate::extent) mod testing;
mod watched_directories;

pub use buffers::{BUFFER_BYTES, Buffer, Buffers};
pub use file::File;
pub use identity::{Identity, Version};
pub use names::{NAMES_BUDGET_BYTES, Names, NamesLength, parent_directory, split_stem};
pub use open_files::OpenError;
pub use page_references::{PageReferences, keep_open_at_most};
pub use plain::PlainFile;
pub use pool::{DiskPool, DiskPoolSettings, PoolUse, Unavailable};
pub use reader::{BlockingReader, NonblockingReader};
pub use root::{Entry, EntryKind, Root, RootSettings};
