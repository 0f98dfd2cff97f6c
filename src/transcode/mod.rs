//! Decoding and encoding: images, storyboards, renditions, remuxed movies.
//!
//! Headwater itself copies samples and never decodes them. Decoding is the work of [ffmpeg], a child
//! process that counts as hostile from its first read of a file: a [sandbox] confines it, and its
//! [process group](process_group) is killed when it ends or the server does. Without ffmpeg everything
//! else works.
//!
//! A [`JobSpec`] is the operation of a job, and gives its artifact a key; the [`JobRunner`] runs it.

pub mod ffmpeg;
pub mod images;
mod index;
mod job_spec;
pub mod process_group;
pub mod program;
pub mod renditions;
mod runner;
pub mod sandbox;

pub use index::INDEX_FILE;
pub use job_spec::{ImageSpec, JobSpec, Operation};
pub use runner::{
    AUDIO_FILE, Failure, JobContext, JobRunner, LocalCopies, NextStep, RENDITION_FILE,
};
