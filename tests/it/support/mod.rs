//! Shared by the tests: servers, clients, media, and independent readers of responses.

pub mod api_description; // the OpenAPI description, and a validator of responses against it
pub mod box_fields;
pub mod box_patches; // the offsets of boxes in a file, to patch them
pub mod boxes; // boxes in memory, read without the product's own reader
pub mod broken_movies; // movies whose tables contradict the file
pub mod bucket; // buckets of an S3 server
pub mod bucket_serving; // servers of buckets
pub mod client; // an HTTP/1 client that checks all framing
pub mod clips; // clips of every kind, encoded by ffmpeg and cached
pub mod comparison; // compares packets and frames of a package with those of its source
pub mod conformance; // random requests, and whether a response conforms to RFC 9110
pub mod contradictions; // movies whose tables and fragments contradict each other
pub mod costly_movies; // small movies whose index costs much time or memory
pub mod database_proxy; // PostgreSQL over a network with latency and failures
pub mod deployment; // library, data folder, database, and the programs on them
pub mod documents; // the documents of the repository, and their code blocks
#[allow(dead_code, reason = "the reader's own tests use the others")]
#[path = "../../../src/movie/codec/tests/entries.rs"]
pub mod entries; // sample entries of real files
pub mod exposition; // a strict reader of metrics, and the rules of their names
pub mod fault_proxy; // a proxy in front of a bucket, which fails on demand and counts
pub mod ffmpeg; // ffmpeg and ffprobe: packets and frames
pub mod folder; // temporary folders, small file systems, pattern bytes
pub mod fuzz_corpus; // the seeds and invariants of the fuzz targets
pub mod hanging_disk; // a FUSE disk that hangs on demand
pub mod http2; // an HTTP/2 client
pub mod http2_frames; // single HTTP/2 frames
pub mod jobs; // jobs of a server in this process
pub mod json; // requests and responses with JSON
pub mod long_file; // a long file, and multipart requests for it
pub mod made_titles; // titles of ffmpeg, served by the real program until their jobs have ended
pub mod manifests; // a strict reader of playlists and MPDs
pub mod matroska; // Matroska of every form: by ffmpeg, by mkvmerge, and by a writer of our own
pub mod matroska_writer; // writes Matroska in unusual forms
pub mod memory; // HTTP semantics without a socket
pub mod movies; // small valid movies, written by code
pub mod postgres; // a PostgreSQL cluster for the tests
pub mod processes; // processes of a deployment, from /proc
pub mod program; // the program as a child process
pub mod proxies; // nginx and Caddy, as the documents configure them
pub mod radosgw; // an S3 server that refuses wrong signatures
pub mod rendered; // images and renditions of a few files, made by a worker
pub mod renditions; // renditions of one movie
pub mod sent_files; // a file, and each way that it takes to a connection
pub mod sentences; // what a report says, and all that it can say
pub mod server; // a server in this process
pub mod shown; // frames as a viewer sees them
pub mod sources; // sources that fail on demand
pub mod streams; // all URLs derived from a title
pub mod subscriber; // a subscriber of the event stream
pub mod views; // what is shown of a title: of its file, and of each view
pub mod wait; // polls a condition
pub mod webhook_receiver; // a receiver of webhooks
