//! The queue beside bare ffmpeg: what its jobs cost, how long they take, how good their output is, and
//! how they affect responses.

mod jobs;
pub mod rendition;
pub mod responsive;
mod sources;
mod ssim;
pub mod storyboard;
mod usage;

pub use sources::JobSources;
#[cfg(test)]
pub use {jobs::Tiles, ssim::Ssim, usage::Usage};
