//! The task of one connection.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::{HttpMessage as _, Request, Response};
use actix_service::Service;
use actix_web::{
    body::{BodySize, MessageBody as _},
    http::StatusCode,
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use h2::{Reason, RecvStream, server::SendResponse};
use tokio::io::AsyncWrite as _;

use super::{
    Http2Settings, UNSENT_BYTES_MAX,
    byte_stream::ByteStream,
    deadline::{Deadline, Phase},
    pieces::Pieces,
    placeholder::Placeholder,
    request_head::RequestHead,
    response_head::ResponseHead,
    schedule::{Priority, Schedule},
    stream::{
        self, Ending, Outcome, PendingHead, ResponseBody, SendingStream, Turn, WaitingStream,
    },
    transport::Transport,
};
use crate::{
    extent::{Extents, ReadError},
    wire::{
        body::{Body, BodyContent, ResponseObserver},
        connection::{AcceptedConnection, Client, Protocol},
        fast_path::FastPath,
        io_thread::IoThread,
        refusal::Refusal,
    },
};

/// The most bytes of files that a turn sends, before other connections get theirs; of copied bytes, which
/// take several times as long, a quarter.
const TURN_BYTES_MAX: usize = 1 << 20;

/// The same for the first turn: of viewers who begin at once, each finds an empty socket.
const FIRST_TURN_BYTES: usize = 256 * 1024;

/// As long as fewer bytes wait for the socket (heads and short bodies), more are written before they leave
/// together.
const UNSENT_HEAD_BYTES_MAX: usize = 16 * 1024;

/// The least room for a piece of a body.
const PASSED_MIN_BYTES: usize = 16 * 1024;

/// What the connections of an I/O thread share.
pub(in crate::wire) struct Shared<F, S> {
    pub(in crate::wire) io_thread: Rc<IoThread>,
    pub(in crate::wire) settings: Http2Settings,
    pub(in crate::wire) fast_path: Rc<F>,
    pub(in crate::wire) app: Rc<S>,
}

/// One connection over a byte stream.
pub(in crate::wire) struct Http2Connection<IO, F, S, T> {
    shared: Rc<Shared<F, S>>,
    transport: Transport<IO>,
    client: Rc<Client>,
    peer: SocketAddr,
    /// Streams that wait for the App, for a disk or for a growing file.
    waiting: FuturesUnordered<WaitingStream<T>>,
    /// Streams that wait for their turn, or for their client.
    schedule: Schedule<T>,
    deadline: Deadline,
    /// Whether the socket had no room when it was asked.
    is_full: bool,
    /// Bytes of bodies that were passed on.
    passed: u64,
    /// The most bytes of files that this turn sends.
    turn_bytes_max: usize,
    /// Requests that were accepted, and streams that are over.
    accepted: u64,
    ended: u64,
    /// Whether the client was told to open no more streams.
    is_closing: bool,
}

type Server<IO> = h2::server::Connection<Transport<IO>, Placeholder>;

impl<IO, F, S, T> Http2Connection<IO, F, S, T>
where
    IO: ByteStream,
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    S::Future: 'static,
    T: ResponseObserver,
{
    /// A connection over a byte stream.
    pub(in crate::wire) fn new(
        shared: &Rc<Shared<F, S>>,
        accepted: AcceptedConnection<IO>,
    ) -> Self {
        let AcceptedConnection { stream, received, peer } = accepted;
        Self {
            transport: Transport::new(stream, &received, &shared.io_thread),
            client: Client::new(Protocol::Http2),
            peer,
            waiting: FuturesUnordered::new(),
            schedule: Schedule::new(),
            deadline: Deadline::new(shared.io_thread.timer(), shared.settings.timeouts),
            is_full: false,
            passed: 0,
            turn_bytes_max: FIRST_TURN_BYTES,
            accepted: 0,
            ended: 0,
            is_closing: false,
            shared: Rc::clone(shared),
        }
    }

    /// Serves requests until the connection ends.
    pub(in crate::wire) async fn run(mut self) -> io::Result<()> {
        self.deadline.enter(Phase::FirstRequest);
        let handshake = self.shared.settings.builder().handshake(self.transport.clone());
        let mut handshake = Box::pin(handshake);
        let handshaken = poll_fn(|cx| self.poll_handshake(cx, handshake.as_mut())).await?;
        drop(handshake);
        if let Some(mut server) = handshaken {
            let over = poll_fn(|cx| self.poll_turn(cx, &mut server)).await;
            let is_aborted = self.transport.is_aborted();
            let aborted = is_aborted.then_some(ReadError::Changed);
            if let Some(error) = self.transport.take_failure().or(aborted) {
                self.schedule.retain(|stream| {
                    stream.record_cut(&error);
                    false
                });
            }
            over?;
        }
        self.client.set_gone();
        (self.waiting, self.schedule) = (FuturesUnordered::new(), Schedule::new());
        self.deadline.enter(Phase::Lingering);
        poll_fn(|cx| self.poll_linger(cx)).await
    }

    /// Exchanges prefaces. Ready with `None`: the client was silent for too long, or speaks another protocol.
    fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        handshake: Pin<&mut h2::server::Handshake<Transport<IO>, Placeholder>>,
    ) -> Poll<io::Result<Option<Box<Server<IO>>>>> {
        self.transport.input().begin_turn();
        if let Poll::Ready(server) = handshake.poll(cx) {
            // Boxed, because the future around it would hold it twice.
            let boxed = |server| Ok(Some(Box::new(server)));
            return Poll::Ready(server.map_or_else(unless_lost, boxed));
        }
        let _unsent = self.transport.poll_send(cx)?;
        if self.deadline.poll(cx).is_ready() || self.shared.io_thread.is_draining() {
            return Poll::Ready(Ok(None));
        }
        Poll::Pending
    }

    /// One turn of the event loop. Ready when the connection is over.
    fn poll_turn(&mut self, cx: &mut Context<'_>, server: &mut Server<IO>) -> Poll<io::Result<()>> {
        self.transport.input().begin_turn();
        let turn = self.poll_steps(cx, server);
        self.transport.end_turn();
        turn
    }

    fn poll_steps(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Server<IO>,
    ) -> Poll<io::Result<()>> {
        let mut turn_bytes = 0;
        let mut is_blocked = self.poll_blocked(cx, self.is_full)?;
        loop {
            if self.must_end() {
                tracing::debug!(peer = %self.peer, "the client sends too much; connection closed");
                self.end(server, Reason::ENHANCE_YOUR_CALM);
            }
            // Reads, and writes the frames of the last step.
            if let Some(over) = self.poll_server(cx, server) {
                return Poll::Ready(over);
            }
            if self.must_end() {
                continue;
            }
            if self.transport.input().has_read() {
                self.drop_reset_streams(cx);
            }
            let has_waited = self.poll_waiting(cx);
            let waiting_before = self.waiting.len();
            let has_room = !is_blocked
                && turn_bytes < self.turn_bytes_max
                && self.transport.unsent() < UNSENT_HEAD_BYTES_MAX;
            let room = if has_room { UNSENT_BYTES_MAX } else { 0 };
            let passed = self.pass_pieces(room);
            turn_bytes += passed * if self.transport.has_new_memory() { 4 } else { 1 };
            // A wait begins with its first poll.
            let waits_begin = self.waiting.len() > waiting_before;
            if passed > 0 || has_waited || waits_begin {
                continue;
            }
            // As many frames as fit are written; now they leave together.
            let asks = self.transport.has_new_memory() && !self.schedule.is_empty();
            is_blocked = self.poll_blocked(cx, asks)?;
            if !is_blocked && !has_room {
                if turn_bytes < self.turn_bytes_max {
                    continue;
                }
                self.turn_bytes_max = TURN_BYTES_MAX;
                // Other connections have their turn.
                cx.waker().wake_by_ref();
                self.deadline.enter(Phase::Working);
                return Poll::Pending;
            }
            if !self.poll_phase(cx, server)? {
                return Poll::Pending;
            }
        }
    }

    /// Sends what was written. Returns whether the socket takes no more; `asks`: also if all was sent.
    fn poll_blocked(&mut self, cx: &mut Context<'_>, asks: bool) -> io::Result<bool> {
        if self.transport.poll_send(cx)?.is_pending() {
            return Ok(true);
        }
        self.is_full = asks && self.transport.poll_room(cx)?.is_pending();
        Ok(self.is_full)
    }

    /// Drives h2, and accepts requests, until there is nothing to read and to write. Returns the result of
    /// the connection once it is over.
    fn poll_server(
        &mut self,
        cx: &mut Context<'_>,
        server: &mut Server<IO>,
    ) -> Option<io::Result<()>> {
        while let Poll::Ready(accepted) = server.poll_accept(cx) {
            match accepted {
                Some(Ok((request, respond))) => self.accept(request, respond),
                // h2 has told the client what is wrong.
                Some(Err(error)) => return Some(unless_lost(error)),
                None => return Some(Ok(())),
            }
        }
        None
    }

    /// Takes the outcomes of waiting streams. Returns whether there were any.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_waited = false;
        while let Poll::Ready(Some(outcome)) = self.waiting.poll_next_unpin(cx) {
            has_waited = true;
            match outcome {
                Outcome::Responded(pending) => self.respond_from_app(pending),
                Outcome::Ready(stream) => self.schedule.push(stream),
                Outcome::Ended(ending) => self.record_end(ending),
                Outcome::Discarded => {}
            }
        }
        has_waited
    }

    /// Passes pieces of bodies of at most `max` bytes on to h2, as many as it sends at once. Returns their
    /// length.
    fn pass_pieces(&mut self, max: usize) -> usize {
        let (mut place, mut sum) = (0, 0);
        // A small rest would break the alignment of the pieces.
        while sum + PASSED_MIN_BYTES <= max
            && let Some(stream) = self.schedule.take(place)
        {
            let passed = match stream.pass(max - sum, &self.transport) {
                Turn::Passed(bytes, stream) => {
                    self.schedule.put_back(place, stream);
                    bytes
                }
                Turn::Blocked(stream) => {
                    self.schedule.keep(place, stream);
                    place += 1;
                    0
                }
                Turn::Waits(waiting) => {
                    self.waiting.push(waiting);
                    0
                }
                Turn::Ended(bytes, ending) => {
                    self.record_end(ending);
                    bytes
                }
            };
            sum += passed;
            self.passed += passed as u64;
            self.transport.input().record_body(passed as u64);
        }
        sum
    }

    fn drop_reset_streams(&mut self, cx: &mut Context<'_>) {
        let before = self.schedule.len();
        self.schedule.retain(|stream| !stream.is_reset(cx));
        self.ended += (before - self.schedule.len()) as u64;
    }

    fn record_end(&mut self, ending: Ending) {
        self.ended += 1;
        if ending == Ending::Complete {
            self.transport.input().record_response();
        }
    }

    /// Gets the response to a request from the fast path, or asks the App for it.
    fn accept(&mut self, request: http::Request<RecvStream>, respond: SendResponse<Placeholder>) {
        self.accepted += 1;
        self.transport.input().record_request();
        let (parts, content) = request.into_parts();
        let (head, checked) = RequestHead::new(parts);
        let has_content = !content.is_end_stream();
        let refused = checked.err();
        let priority = Priority::from_fields(&head);
        if refused.is_none() && !has_content {
            let mut response_head = ResponseHead::default();
            let fast_path = &self.shared.fast_path;
            if let Some(response) = fast_path.respond(&head, self.peer, &mut response_head) {
                let response_head = response_head.finish(&self.shared.io_thread, response.length);
                let body = BodyContent::Extents(response.extents);
                return self.respond(respond, response_head, body, response.observer, priority);
            }
        }
        let is_head = head.is_head();
        let (request, refused) = match head.to_request(self.peer) {
            Ok(request) => (request, refused),
            Err(refusal) => (Request::new(), Some(refused.unwrap_or(refusal))),
        };
        let content_max = self.shared.fast_path.content_bytes_max(&head);
        let content_max = content_max.filter(|_| has_content && refused.is_none());
        let is_too_long =
            |max: &usize| head.content_bytes().is_some_and(|length| length > *max as u64);
        let refused = refused.or(content_max.filter(is_too_long).map(Refusal::ContentTooLarge));
        let request = match content_max.filter(|_| refused.is_none()) {
            Some(_) => request.replace_payload(stream::payload(content)).0,
            None => {
                if has_content {
                    self.waiting.push(stream::discard(content));
                }
                request
            }
        };
        if let Some(refusal) = refused {
            request.extensions_mut().insert(refusal);
        }
        request.extensions_mut().insert(Rc::clone(&self.client));
        let waiting = stream::call(&*self.shared.app, request, respond, is_head, priority);
        self.waiting.push(waiting);
    }

    fn respond_from_app(&mut self, pending: PendingHead<T>) {
        let PendingHead { respond, response, is_head, priority } = pending;
        let (response, Body { content, observer }) = response.into_parts();
        let has_none =
            matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let size = match &content {
            _ if has_none => BodySize::None,
            BodyContent::Extents(extents) => BodySize::Sized(extents.len()),
            BodyContent::Stream(body) => body.size(),
        };
        let (length, has_body) = match size {
            BodySize::None => (None, false),
            BodySize::Sized(length) => (Some(length), length > 0),
            BodySize::Stream => (None, true),
        };
        let head = ResponseHead::from_response(&response).finish(&self.shared.io_thread, length);
        let body = match has_body && !is_head {
            true => content,
            false => BodyContent::Extents(Extents::default()),
        };
        self.respond(respond, head, body, observer, priority);
    }

    /// Sends a head, and schedules the body.
    fn respond(
        &mut self,
        mut respond: SendResponse<Placeholder>,
        head: http::Response<()>,
        content: BodyContent,
        observer: T,
        priority: Priority,
    ) {
        let body = match content {
            BodyContent::Extents(extents) if extents.is_empty() => None,
            BodyContent::Extents(extents) => Some(ResponseBody::Pieces(Pieces::new(extents))),
            BodyContent::Stream(stream) => {
                let left = match stream.size() {
                    BodySize::Sized(length) => Some(length),
                    BodySize::None | BodySize::Stream => None,
                };
                Some(ResponseBody::Stream(Box::pin(stream), left))
            }
        };
        match (respond.send_response(head, body.is_none()), body) {
            (Ok(send), Some(body)) => {
                self.schedule.push(SendingStream::new(send, body, observer, priority));
            }
            (Ok(_), None) => self.record_end(Ending::Complete),
            // The client has reset the stream.
            (Err(_reset), _) => self.record_end(Ending::Reset),
        }
    }

    /// Whether the client has sent too much, and was not told yet.
    fn must_end(&self) -> bool {
        self.transport.input().is_exceeded() && self.deadline.phase() != Phase::Ending
    }

    /// Ends the connection, with this reason.
    fn end(&mut self, server: &mut Server<IO>, reason: Reason) {
        server.abrupt_shutdown(reason);
        self.is_closing = true;
        self.deadline.enter(Phase::Ending);
    }

    /// Enforces the timeouts at the end of a turn. Returns whether h2 has something to write.
    fn poll_phase(&mut self, cx: &mut Context<'_>, server: &mut Server<IO>) -> io::Result<bool> {
        if self.shared.io_thread.is_draining() && !self.is_closing {
            server.graceful_shutdown();
            self.is_closing = true;
            return Ok(true);
        }
        let phase = self.current_phase();
        self.deadline.enter(phase);
        if self.deadline.poll(cx).is_pending() {
            return Ok(false);
        }
        match self.deadline.phase() {
            Phase::Working => return Ok(false),
            Phase::FirstRequest | Phase::Idle { .. } => {
                server.graceful_shutdown();
                self.is_closing = true;
                self.deadline.enter(Phase::Closing);
            }
            Phase::Closing => self.end(server, Reason::NO_ERROR),
            Phase::Stalled { .. } | Phase::Ending | Phase::Lingering => {
                tracing::debug!("send timeout: the client accepts too little; connection closed");
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(true)
    }

    fn current_phase(&self) -> Phase {
        let unsent = self.transport.unsent();
        match self.deadline.phase() {
            Phase::Ending => Phase::Ending,
            _ if unsent > 0 || !self.schedule.is_empty() => {
                let taken = self.passed.saturating_sub(unsent as u64);
                Phase::Stalled { taken, ended: self.ended }
            }
            _ if !self.waiting.is_empty() => Phase::Working,
            _ if self.is_closing => Phase::Closing,
            _ if self.accepted == 0 => Phase::FirstRequest,
            _ => Phase::Idle { requests: self.accepted },
        }
    }

    /// Reads on after the end, until the client closes the connection.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.transport.input().is_eof() {
            return Poll::Ready(Ok(()));
        }
        self.transport.input().begin_turn();
        ready!(Pin::new(&mut self.transport).poll_shutdown(cx))?;
        match self.transport.poll_discard(cx) {
            Poll::Pending => self.deadline.poll(cx).map(Ok),
            discarded => discarded,
        }
    }
}

/// The result of a connection that has ended with an error: an error only if the byte stream is lost, so that
/// nothing can reach the client.
fn unless_lost<R: Default>(error: h2::Error) -> io::Result<R> {
    tracing::debug!(%error, "HTTP/2 connection ended");
    match error.is_io() {
        true => Err(error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into())),
        false => Ok(R::default()),
    }
}
