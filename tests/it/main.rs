//! The tests of the product, in one binary, grouped as the product is.
#![allow(clippy::unwrap_used, missing_docs, reason = "a panic fails the test")]
#![allow(clippy::cast_possible_truncation, reason = "test data has known sizes")]

mod support; // servers, clients, media and readers that the tests share

mod architecture; // imports between the folders of src
mod bucket; // buckets: objects of an S3 server
mod cli; // the program: signals, configuration, logs
mod documents; // documents and packages: what they say is true
mod faults; // disks, files and movies that fail
mod formats; // unusual but right files, by kind
mod http; // HTTP semantics, API, headers
mod jobs; // queue, workers, API of jobs, webhooks
mod library; // scanning, watching, paths
mod media; // ffmpeg: images, renditions, remux, sandbox, inspection
mod streaming; // HLS, DASH, virtual MP4, growing files
mod wire; // connections: HTTP/1, HTTP/2, timeouts
