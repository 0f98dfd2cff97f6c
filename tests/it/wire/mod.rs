//! Connections.

mod connections; // keep-alive, pipelining, malformed requests
mod files; // long and cold files, and files that change while the server sends them
mod http1; // HTTP/1, each way of a file to a connection
mod http2_conformance; // malformed HTTP/2
mod http2_ends; // how HTTP/2 connections begin and end
mod http2_floods; // HTTP/2 clients that send too much
mod http2_limits; // limits of an HTTP/2 connection, and shutdown
mod http2_streams; // streams of an HTTP/2 connection beside each other
mod multipart; // multipart/byteranges, and how far apart the ranges may be
mod shares; // each client's share of connections, disk pools and descriptors
mod timeouts; // timeouts and shutdown
mod viewers; // many, slow, paused and vanished viewers
