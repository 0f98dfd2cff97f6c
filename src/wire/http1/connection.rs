//! The life of one HTTP/1 connection: read a request, respond, repeat.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::{HttpMessage as _, Request, Response};
use actix_service::Service;
use bytes::BytesMut;
use tokio::net::TcpStream;

use super::{
    FIELDS_MAX, HEAD_BYTES_MAX, Http1Settings, RequestHead, ResponseHead,
    request_body::RequestBody, request_head::find_head, response_head::Framing,
};
use crate::wire::{
    body::{Body, ResponseObserver},
    connection::{AcceptedConnection, Client, Protocol},
    fast_path::FastPath,
    io_thread::IoThread,
    notsent_limit::NotSentLimit,
    refusal::{Refusal, RefusedLine},
    send::ResponseSender,
    socket::Socket,
};

/// The time for which a connection is read after its last response before it closes: a reset in reply to
/// bytes that still arrive would discard the part of the response that the client has not received yet (RFC
/// 9112 section 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// One connection.
pub(in crate::wire) struct Http1Connection<F, S> {
    pub(super) socket: Socket,
    pub(super) io_thread: Rc<IoThread>,
    pub(super) settings: Rc<Http1Settings>,
    pub(super) client: Rc<Client>,
    peer: SocketAddr,
    pub(super) fast_path: Rc<F>,
    pub(super) app: Rc<S>,
    /// Received bytes that are not parsed yet.
    pub(super) unread: BytesMut,
    /// The number of bytes at the start of `unread` that have been searched for the end of a head.
    pub(super) searched: usize,
    /// The client will send no more.
    pub(super) is_eof: bool,
    state: ReadState,
}

/// The meaning of the timer during a read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ReadState {
    /// The timer is not set.
    Idle,
    /// The first byte of a request must arrive.
    AwaitingRequest,
    /// The rest of a head must arrive.
    ReadingHead,
}

/// The result of reading a request.
pub(super) enum ReadOutcome<T> {
    /// The client closed the connection, or an idle connection timed out.
    Closed,
    /// The fast path responded.
    Immediate { sender: ResponseSender, observer: T, keeps_alive: bool },
    /// A request for the App.
    Pending(PendingRequest),
}

/// A request for the App.
pub(super) struct PendingRequest {
    pub(super) request: Request,
    pub(super) is_1_1: bool,
    /// Whether the connection stays open after the response.
    pub(super) keeps_alive: bool,
    pub(super) body: RequestBody,
}

impl<F, S, T> Http1Connection<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    pub(in crate::wire) fn new(
        accepted: AcceptedConnection<TcpStream>,
        io_thread: &Rc<IoThread>,
        settings: &Rc<Http1Settings>,
        fast_path: &Rc<F>,
        app: &Rc<S>,
    ) -> Self {
        let AcceptedConnection { stream, received, peer } = accepted;
        Self {
            socket: Socket::new(
                stream,
                io_thread.timer(),
                settings.timeouts.send,
                NotSentLimit::new(settings.notsent_lowat_bytes),
            ),
            io_thread: Rc::clone(io_thread),
            settings: Rc::clone(settings),
            client: Client::new(Protocol::Http1),
            peer,
            fast_path: Rc::clone(fast_path),
            app: Rc::clone(app),
            unread: received,
            searched: 0,
            is_eof: false,
            state: ReadState::Idle,
        }
    }

    /// Serves requests until the connection ends. An error means that the client has disconnected.
    pub(in crate::wire) async fn run(mut self) -> io::Result<()> {
        // The first request has the timeout of a head; later ones have the keep-alive timeout.
        let mut limit = self.settings.timeouts.request_head;
        let mut keeps_alive = true;
        while keeps_alive {
            keeps_alive = match poll_fn(|cx| self.poll_request(cx, limit)).await? {
                ReadOutcome::Closed => return Ok(()),
                ReadOutcome::Immediate { mut sender, mut observer, keeps_alive } => {
                    self.send(&mut sender, &mut observer).await?;
                    keeps_alive
                }
                ReadOutcome::Pending(pending) => self.respond(pending).await?,
            };
            if !self.unread.is_empty() {
                // Yield to other connections between pipelined requests.
                tokio::task::yield_now().await;
            }
            limit = self.settings.timeouts.keep_alive;
        }
        self.linger().await
    }

    /// Reads the next request, which must begin within `limit`.
    fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
    ) -> Poll<io::Result<ReadOutcome<T>>> {
        let io_thread = Rc::clone(&self.io_thread);
        let mut scratch = io_thread.scratch.borrow_mut();
        if self.state == ReadState::Idle {
            self.state = ReadState::AwaitingRequest;
            self.socket.timer().set(limit);
        }
        loop {
            if self.searched < self.unread.len() {
                match find_head(&self.unread, self.searched) {
                    Ok(Some(head)) => {
                        let bytes = self.unread.split_to(head.end);
                        if self.unread.is_empty() {
                            self.unread = BytesMut::new();
                        }
                        return Poll::Ready(Ok(self.handle_head(&bytes[head])));
                    }
                    Ok(None) => self.searched = self.unread.len(),
                    Err(refusal) => {
                        let refused = self.refuse(refusal, &self.unread);
                        return Poll::Ready(Ok(ReadOutcome::Pending(refused)));
                    }
                }
            }
            if self.is_eof {
                return Poll::Ready(Ok(ReadOutcome::Closed));
            }
            let Poll::Ready(read) = self.socket.poll_read(cx, &mut scratch)? else {
                return self.poll_timeout(cx).map(Ok);
            };
            let received = &scratch[..read];
            if read == 0 {
                self.is_eof = true;
            } else if self.unread.is_empty()
                && let Ok(Some(head)) = find_head(received, 0)
            {
                // Usually exactly one head, which is parsed in the scratch buffer, without a copy.
                self.unread.extend_from_slice(&received[head.end..]);
                return Poll::Ready(Ok(self.handle_head(&received[head])));
            } else {
                self.unread.extend_from_slice(received);
            }
        }
    }

    /// Handles a read without data. Ready when the wait for a request has ended.
    fn poll_timeout(&mut self, cx: &Context<'_>) -> Poll<ReadOutcome<T>> {
        let has_begun = self.unread.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        if has_begun && self.state == ReadState::AwaitingRequest {
            // One timeout from the first byte to the last, so that a trickle does not extend it.
            self.state = ReadState::ReadingHead;
            self.socket.timer().set(self.settings.timeouts.request_head);
        }
        ready!(match self.io_thread.is_draining() {
            true => Poll::Ready(()),
            false => self.socket.timer().poll(cx),
        });
        Poll::Ready(match self.state {
            ReadState::ReadingHead if !self.io_thread.is_draining() => {
                ReadOutcome::Pending(self.refuse(Refusal::Timeout, &self.unread))
            }
            _ => ReadOutcome::Closed,
        })
    }

    /// Parses a request's head, and gets its response from the fast path or prepares it for the App.
    fn handle_head(&mut self, bytes: &[u8]) -> ReadOutcome<T> {
        (self.searched, self.state) = (0, ReadState::Idle);
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let parsed = RequestHead::parse(bytes, &mut fields)
            .and_then(|head| Ok((self.classify_body(&head)?, head)));
        let (body, head) = match parsed {
            Ok(parsed) => parsed,
            Err(refusal) => return ReadOutcome::Pending(self.refuse(refusal, bytes)),
        };
        // A request for another protocol gets its response in this one, and then the connection closes.
        let keeps_alive = head.keeps_alive
            && !head.upgrades
            && !body.closes_connection(&head)
            && !self.io_thread.is_draining();
        if head.content_bytes == 0 {
            let mut buffer = self.io_thread.head.borrow_mut();
            let mut response_head = ResponseHead::new(&mut buffer, head.is_1_1);
            if let Some(response) = self.fast_path.respond(&head, self.peer, &mut response_head) {
                let framing = response.length.map_or(Framing::None, Framing::Sized);
                let head_bytes = response_head.finish(&self.io_thread, framing, keeps_alive);
                let window_bytes = self.settings.window_bytes;
                return ReadOutcome::Immediate {
                    sender: ResponseSender::new(head_bytes, response.extents, window_bytes, true),
                    observer: response.observer,
                    keeps_alive,
                };
            }
        }
        match head.to_request(self.peer) {
            Ok(request) => ReadOutcome::Pending(PendingRequest {
                request,
                is_1_1: head.is_1_1,
                keeps_alive,
                body,
            }),
            Err(refusal) => ReadOutcome::Pending(self.refuse(refusal, bytes)),
        }
    }

    /// Creates a request in place of a refused one, of which these bytes were received. No later bytes of
    /// the client are parsed as a request.
    fn refuse(&self, refusal: Refusal, received: &[u8]) -> PendingRequest {
        let mut request = Request::new();
        request.head_mut().peer_addr = Some(self.peer);
        request.extensions_mut().insert(refusal);
        request.extensions_mut().insert(RefusedLine::find(received));
        let body = RequestBody::Discard(u64::MAX);
        PendingRequest { request, is_1_1: true, keeps_alive: false, body }
    }

    /// Reads during a response, to notice that the client disconnects.
    pub(super) fn read_pending(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.is_eof && self.unread.len() < HEAD_BYTES_MAX {
            if self.poll_read(cx)?.is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Closes a connection after its last response. If the client may have sent more, the connection is read
    /// for [`LINGER`], so that the client can receive that response: a socket that is closed with unread
    /// bytes sends a reset.
    async fn linger(&mut self) -> io::Result<()> {
        if self.is_eof {
            return Ok(());
        }
        self.socket.shutdown()?;
        self.socket.timer().set(LINGER);
        self.unread = BytesMut::new();
        while poll_fn(|cx| self.poll_more(cx)).await? {
            self.unread.clear();
        }
        Ok(())
    }

    /// Reads more. Returns `false` at the end of the stream, and when the timer expires.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match self.poll_read(cx)? {
            Poll::Ready(()) => Poll::Ready(Ok(!self.is_eof)),
            Poll::Pending => self.socket.timer().poll(cx).map(|()| Ok(false)),
        }
    }

    /// Appends the bytes that have arrived to `unread`.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io_thread = Rc::clone(&self.io_thread);
        let mut scratch = io_thread.scratch.borrow_mut();
        let read = ready!(self.socket.poll_read(cx, &mut scratch))?;
        self.unread.extend_from_slice(&scratch[..read]);
        if read == 0 {
            self.is_eof = true;
            self.client.set_gone();
        }
        Poll::Ready(Ok(()))
    }
}
