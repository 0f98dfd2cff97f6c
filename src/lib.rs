//! Headwater: a video streaming origin.
//!
//! One idea holds it up: *a response body is an ordered list of extents, and its length is known
//! before its first byte.* Rooms below know bytes, rooms above know meaning, and nothing looks up:
//!
//! ```text
//! cli, serve        what was typed; a server put together and taken down
//! http              the rules of HTTP, then one small file per family of routes
//! jobs              the durable queue: what there is to do, and who is doing it
//! derive            ffmpeg in a sandbox, and what is made by it
//! webhooks          telling others what has become of the jobs
//! package           a movie as extents and as manifests
//! library           which titles there are, what they are called, when they change
//! movie             a movie's index: tracks, samples, time
//! store             what must outlast the process: the database, and what jobs made
//! wire              how extents reach a socket, and how requests come from it
//! extent            the idea itself: sources, extents, contents, and the disk below them
//! config telemetry  used by all
//! ```
//!
//! `ARCHITECTURE.md` at the top of the repository tells the whole story.

pub mod background;
pub mod cli;
pub mod config;
pub mod extent;
pub mod http;
pub mod jobs;
pub mod library;
pub mod movie;
pub mod package;
pub mod queue;
pub mod serve;
pub mod store;
pub mod sys;
pub mod telemetry;
pub mod titles;
pub mod transcode;
pub mod webhooks;
pub mod wire;
