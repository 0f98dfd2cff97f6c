//! The core idea: a body is an ordered list of extents whose length is known before its first byte.
//!
//! [`content`] is the list with its metadata, [`source`] the trait of everything that has bytes outside of
//! memory, and [`disk`] the only kind of source now: a regular file below a library root. Parsers that jump
//! in a source [read at](ReadAt) offsets. This folder deals with bytes and time, and depends on no status
//! code, movie or socket.

pub mod content;
pub mod disk;
mod read_at;
pub mod source;
pub mod text;

pub use content::{Caching, Content, Extent, Extents, Validator};
pub use read_at::ReadAt;
pub use source::{ReadError, Source};
pub use text::Text;
