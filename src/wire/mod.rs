//! How requests come from a socket, and how extents reach it.
//!
//! - [`workers`] are the threads that accept connections; [`listener`] finds out which HTTP is spoken on
//!   each; [`admission`] counts them by address, and [`drain`] tells them all that the server is going
//!   down.
//! - [`http1`] holds HTTP/1 conversations; `http2` gives actix's dispatcher its connections.
//! - `send` has the kernel send extents from its page cache, as far as `residency` knows them to
//!   be there; `run` is what goes together, `socket` is what it goes over, and [`kernel`] are the
//!   calls themselves, the only unsafe code but for that of [`turns`].
//! - [`body`] turns the same extents into pieces, where they have to pass through user space.
//! - `worker` is what the connections of one thread share, their timers above all.
//! - [`connection`] and [`refusal`] are what the routes get to know.
//! - [`turns`] is how a worker shares the processor with all of this.
//!
//! Nothing here knows a route, a field's meaning beyond framing, or what the bytes are.

pub mod admission;
pub mod body;
pub mod connection;
pub mod drain;
mod gather_batch;
pub mod http1;
mod http2;
pub mod listener;
mod notsent_limit;
pub mod refusal;
mod residency;
mod send;
mod socket;
mod worker;
pub mod workers;
