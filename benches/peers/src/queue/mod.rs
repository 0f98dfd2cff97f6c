//! What the queue makes, beside what bare ffmpeg makes of the same films: what it costs, how long it
//! takes, how good it is, and what viewers notice of it.

pub mod films;
mod likeness;
pub mod rendition;
pub mod responsive;
pub mod storyboard;
mod usage;
mod wishes;

pub use films::Films;
#[cfg(test)]
pub use {likeness::Likeness, usage::Usage, wishes::Tiles};
