//! What a handler may know of the connection that its request came over.

use std::{cell::Cell, rc::Rc, time::Duration};

use actix_http::HttpMessage;

/// Which HTTP is spoken on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, with many requests at a time.
    Http2,
}

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the next request begins.
    pub keep_alive: Duration,
    /// Until the head of a request is there, once it has begun; and until the first begins.
    pub head: Duration,
    /// Until the client has taken something.
    pub stall: Duration,
}

/// Whoever is at the other end of a connection. It lives on one I/O worker, hence a cell.
#[derive(Debug)]
pub struct Client {
    protocol: Protocol,
    is_gone: Cell<bool>,
}

impl Client {
    pub(super) fn new(protocol: Protocol) -> Rc<Self> {
        Rc::new(Self { protocol, is_gone: Cell::new(false) })
    }

    /// The client of a request; `None` for one that came over no connection, as in a test.
    pub fn of(request: &impl HttpMessage) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().map(Rc::clone)
    }

    /// Which HTTP is spoken.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether nobody will take more bytes, as far as can be known without sending any. A client
    /// that has closed its side of an HTTP/1 connection may still listen, and is served; but for an
    /// answer without a foreseeable end it counts as gone.
    pub fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    pub(super) fn set_gone(&self) {
        self.is_gone.set(true);
    }
}
