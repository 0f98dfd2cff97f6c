//! The idea itself: a body is an ordered list of extents whose length is known beforehand.
//!
//! [`content`] is the list and what must be said of it, [`source`] is where bytes that are not in
//! memory come from, and [`disk`] is the one kind of source there is now: a regular file below a
//! library root. Who has to jump about in a source [reads at](ReadAt) places of it. This room knows bytes and time; it knows no status code, no movie and no socket.

pub mod content;
pub mod disk;
mod read_at;
pub mod source;
pub mod text;

pub use content::{Caching, Content, Extent, Extents, Validator};
pub use read_at::ReadAt;
pub use source::{ReadError, Source};
pub use text::Text;
