//! What is made of a title by decoding and encoding it: pictures, renditions.
//!
//! Headwater itself copies samples and never looks inside them. What must look inside is done by
//! [ffmpeg], a child process that is taken to be hostile from the moment it reads a file: it lives in
//! a [sandbox], and [child] sees to it that nothing of it is left when it ends or we do. Without
//! ffmpeg on the machine, everything else works.
//!
//! A [`JobSpec`] says what is to be made, and names what comes of it; the [`JobRunner`] makes it.

pub mod child;
pub mod ffmpeg;
pub mod images;
mod job_spec;
pub mod ladder;
pub mod program;
mod runner;
pub mod sandbox;

pub use job_spec::{ImageSpec, JobSpec, Operation};
pub use runner::{AUDIO_FILE, Failure, JobContext, JobRunner, Next, REMUX_FILE, RENDITION_FILE};
