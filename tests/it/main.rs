//! The tests of the product, in one binary.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test may end where it stands"
)]

mod hanging_disk; // a disk that hangs when it is told to
mod harness;

mod cases; // HTTP's rules as a table of requests and answers
mod changing; // files that are replaced, overwritten, truncated or deleted while they are sent
mod connections; // keep-alive, pipelining, malformed requests, what closes and what does not
mod disks; // a root whose disk hangs stops nobody else
