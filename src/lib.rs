//! Headwater: a video streaming origin.
//!
//! One idea holds it up: *a response body is an ordered list of extents, and its length is known
//! before its first byte.* Lower layers know bytes, upper layers know meaning, and no layer imports
//! from above:
//!
//! ```text
//! cli               command line: arguments, text output
//! serve             assembles a server or a worker, and shuts it down
//! http              HTTP semantics, and one file per family of routes
//! titles            an opened title: files, renditions, sidecars, manifests, artifacts
//! webhooks          signed deliveries of job events
//! jobs              worker, supervisor, housekeeping: runs jobs
//! transcode         ffmpeg, sandbox, renditions, images: the work of a job
//! package           a movie as extents and manifests: CMAF, HLS, DASH, MP4, text
//! bucket_catalog    the objects of buckets as rows: one lister, followers, events
//! library           roots, scans, watching, catalog
//! queue             the durable queue of jobs
//! movie             container readers: the index of a movie, tracks, samples, codecs
//! store             database and artifact storage
//! wire              connections: how extents reach a socket
//! extent            sources, extents, contents, and the disk pools below them
//! sys               operating system calls: the only unsafe code
//! background        bounded calls on the runtime beside the I/O threads
//! shares            fair shares of clients in bounded resources
//! tls               TLS of outgoing connections
//! config telemetry  import nothing of ours but `named`
//! named             closed lists of values with names
//! ```
//!
//! `ARCHITECTURE.md` at the top of the repository explains it.

pub mod background;
pub mod bucket_catalog;
pub mod cli;
pub mod config;
pub mod extent;
pub mod http;
pub mod jobs;
pub mod library;
pub mod movie;
pub mod named;
pub mod package;
pub mod queue;
pub mod serve;
pub mod shares;
pub mod store;
pub mod sys;
pub mod telemetry;
pub mod titles;
pub mod tls;
pub mod transcode;
pub mod webhooks;
pub mod wire;
