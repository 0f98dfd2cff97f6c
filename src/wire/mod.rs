//! How requests come from a socket and how extents reach it.
//!
//! actix-web's own HTTP/1 and HTTP/2 dispatchers do the talking; this room gives them their
//! connection and their bodies:
//!
//! - [`listener`] accepts and finds out which HTTP is spoken,
//! - [`admission`] counts connections by address,
//! - [`transport`] is the connection: it measures a client's progress and lets the dispatcher see
//!   one request at a time,
//! - `streams` is what it does besides for HTTP/2, `stall` what it does when nothing moves,
//! - [`intake`] decides where a request ends, and whether it may be shown to the dispatcher at all,
//! - [`connection`] is what a transport and the requests that came over it know of each other,
//! - [`body`] turns extents into the pieces that a dispatcher sends.
//!
//! Nothing here knows a route, a header's meaning beyond framing, or what the bytes are.

pub mod admission;
pub mod body;
pub mod connection;
pub mod intake;
pub mod listener;
mod stall;
mod streams;
pub mod transport;
