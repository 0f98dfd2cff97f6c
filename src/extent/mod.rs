//! The core idea: a body is an ordered list of extents whose length is known before its first byte.
//!
//! [`content`] is the list with its metadata, [`source`] the trait of everything that has bytes outside of
//! memory, and [`File`] the kind at the bottom: a file of a library root, whose [`Place`] is a folder or a bucket.
//! [`disk`] has folders and their open files, [`bucket`] the objects of buckets. A [`VirtualSource`] is a source
//! of which only a window at a time is a list of extents, and [`Gathered`] bytes of a file in memory. Parsers that jump in a source [read at](ReadAt)
//! offsets. [`ResponseMemory`] bounds what all bodies in progress hold. This folder deals with bytes and time,
//! and depends on no status code, movie or socket.

pub mod bucket;
pub mod content;
pub mod disk;
pub mod file;
mod gathered;
pub mod place;
mod read_at;
mod response_memory;
pub mod source;
pub mod text;
mod virtual_source;

pub use content::{Caching, Content, Extent, Extents, Validator};
pub use file::File;
pub use gathered::Gathered;
pub use place::Place;
pub use read_at::ReadAt;
pub use response_memory::{Charge, Exhausted, ResponseMemory};
pub use source::{ReadError, Source};
pub use text::Text;
pub use virtual_source::{Totals, VirtualSource};
