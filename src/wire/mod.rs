//! Connections: read requests from a socket, and write extents to it.
//!
//! - [`io_threads`] are the threads that accept and serve connections. [`listener`] opens the socket and
//!   detects the protocol of each connection; [`admission`] counts connections by address, and [`drain`]
//!   signals shutdown.
//! - [`http1`] and `http2` serve connections. Both get responses from the [`fast_path`], or from the App;
//!   [`fields`] are the heads of both.
//! - `send` sends extents from the page cache with sendfile(2), once `page_cache` has made sure that they are
//!   cached; `gather_batch` collects short extents for one call; `socket` adds timeouts to a TCP stream, and
//!   `notsent_limit` limits its unsent bytes in the kernel. The system calls are in
//!   [`sys::net`](crate::sys::net).
//! - [`body`] is the body of a response, and reads its extents into buffers where sendfile(2) is not possible.
//! - `io_thread` has the shared state of one thread's connections: a clock, timers and scratch buffers.
//! - [`connection`] and [`refusal`] are the interface to the routes.
//!
//! Nothing here depends on routes, on fields beyond framing, or on the content of a body.

pub mod admission;
pub mod body;
pub mod connection;
pub mod drain;
pub mod fast_path;
pub mod fields;
mod gather_batch;
pub mod http1;
mod http2;
mod io_thread;
pub mod io_threads;
pub mod listener;
mod notsent_limit;
mod page_cache;
pub mod refusal;
mod send;
mod socket;
mod timer;
