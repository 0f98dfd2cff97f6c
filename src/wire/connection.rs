//! The part of a connection's state that routes can see.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use actix_http::HttpMessage;
use bytes::BytesMut;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, with many concurrent requests.
    Http2,
}

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time from a response to the next request.
    pub keep_alive: Duration,
    /// The time from the first byte of a request's head to its last; also from the start of the connection
    /// to its first request.
    pub request_head: Duration,
    /// The time between two writes that the client accepts.
    pub send: Duration,
}

/// A connection whose protocol is known.
#[derive(Debug)]
pub(super) struct AcceptedConnection<IO> {
    /// The byte stream.
    pub(super) stream: IO,
    /// The bytes that were read to find the protocol.
    pub(super) received: BytesMut,
    /// The client's address.
    pub(super) peer: SocketAddr,
}

impl<IO> AcceptedConnection<IO> {
    /// The same connection as another kind of byte stream.
    pub(super) fn map<T>(self, map: impl FnOnce(IO) -> T) -> AcceptedConnection<T> {
        let Self { stream, received, peer } = self;
        AcceptedConnection { stream: map(stream), received, peer }
    }
}

/// The client of a connection. It belongs to one I/O thread, hence a cell.
#[derive(Debug)]
pub struct Client {
    protocol: Protocol,
    is_gone: Cell<bool>,
}

impl Client {
    pub(super) fn new(protocol: Protocol) -> Rc<Self> {
        Rc::new(Self { protocol, is_gone: Cell::new(false) })
    }

    /// The client of a request; `None` for a request without a connection, as in tests.
    pub fn from_request(request: &impl HttpMessage) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().map(Rc::clone)
    }

    /// The connection's protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the client has disconnected, as far as this is known without a write. A client that has
    /// closed only its sending side of an HTTP/1 connection may still receive, and gets its response; a
    /// response without a known end treats it as gone.
    pub fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    pub(super) fn set_gone(&self) {
        self.is_gone.set(true);
    }
}
