//! The tests of the product, in one binary.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test may end where it stands"
)]

mod harness;
mod http2; // a client for HTTP/2
mod memory; // contents answered without a socket
mod sources; // sources that misbehave on demand

mod answers; // the table of cases, over sockets and in memory
mod cases; // HTTP's rules as a table of requests and answers
mod connections; // keep-alive, pipelining, malformed requests, what closes and what does not
mod corpus; // the seeds of the fuzz targets
mod failing; // sources that fail while they are being sent
