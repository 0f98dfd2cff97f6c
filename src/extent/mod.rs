//! The core idea: a body is an ordered list of extents whose length is known before its first byte.
//!
//! [`content`] is the list with its metadata, [`source`] is where bytes that are not in memory come
//! from, and [`disk`] is the only kind of source now: a regular file below a library root. Parsers that
//! jump in a source [read at](ReadAt) offsets. This folder knows bytes and time; it knows no status code,
//! no movie and no socket.

pub mod content;
pub mod disk;
mod read_at;
pub mod source;
pub mod text;

pub use content::{Caching, Content, Extent, Extents, Validator};
pub use read_at::ReadAt;
pub use source::{ReadError, Source};
pub use text::Text;
