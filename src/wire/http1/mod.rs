//! HTTP/1: one connection, one request after the other.
//!
//! This takes the place of actix's dispatcher, which was measured to cost a fifth of a small answer
//! and 20 KiB of each paused viewer. A request is read, understood and answered before the next is
//! looked at. What is recognised without doubt and needs no waiting is answered by the [`FastPath`], in
//! the very turn in which its head has come; everything else goes to the App as the request that it
//! would have been, and comes back as the same answer.

mod answer;
mod answering;
mod content;
mod intake;

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

pub use answer::AnswerHead;
pub use intake::{FIELDS_MAX, HEAD_BYTES_MAX, Head, TARGET_BYTES_MAX, is_host};

use self::{answer::Framing, content::ends_connection, intake::find_head};
use super::{
    body::{Body, ResponseObserver},
    connection::{Client, Protocol, Timeouts},
    notsent_limit::NotSentLimit,
    refusal::Refusal,
    send::Sending,
    socket::Socket,
    worker::{Alarm, Worker},
};
use crate::extent::Extents;

/// How long a client that was refused, or that still sends, is listened to before it is cut: what it
/// has not received yet would be lost if it were answered by a reset (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Answers what needs no waiting.
pub trait FastPath: 'static {
    /// Takes the answers down.
    type ResponseObserver: ResponseObserver;

    /// Answers a request without content, if it is recognised without doubt and can be answered at
    /// once: then its status and fields have been written. `None` leaves it to the App, whatever has
    /// been written.
    fn answer(
        &self,
        request: &Head<'_>,
        peer: SocketAddr,
        answer: &mut AnswerHead<'_>,
    ) -> Option<ImmediateResponse<Self::ResponseObserver>>;

    /// How many bytes of content the App reads at most of a request like this; `None` if it reads
    /// none. Only content that is read is waited for before the App is asked.
    fn content_bytes_max(&self, request: &Head<'_>) -> Option<usize>;
}

/// An answer that was given at once, without the head.
pub struct ImmediateResponse<T> {
    /// The length that it tells, which is not that of what is sent if the request was HEAD.
    pub length: Option<u64>,
    /// What is sent. The files in it were looked at just now.
    pub extents: Extents,
    /// Takes it down.
    pub tally: T,
}

/// How connections are to be treated.
#[derive(Clone, Debug)]
pub(super) struct Http1Settings {
    /// How long each is waited for.
    pub(super) patience: Timeouts,
    /// How much of a file one call sends, in bytes.
    pub(super) window_bytes: u64,
    /// What the kernel takes ahead of a client, in bytes, until it is seen to take much.
    pub(super) unsent_bytes: u32,
}

/// One connection.
pub(super) struct Http1Connection<F, S> {
    socket: Socket,
    worker: Rc<Worker>,
    settings: Rc<Http1Settings>,
    client: Rc<Client>,
    peer: SocketAddr,
    front: Rc<F>,
    app: Rc<S>,
    /// What the client has sent and nobody has understood yet.
    ahead: BytesMut,
    /// How much of it is known not to hold the end of a head.
    searched: usize,
    /// The client will send no more.
    at_end: bool,
    waits_for: WaitsFor,
    /// Why everything that comes is refused.
    refusal: Option<Refusal>,
}

/// What an alarm that rings while a head is waited for means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum WaitsFor {
    /// Nothing is waited for.
    Nothing,
    /// A request, or only its first byte.
    Request,
    /// The rest of a head.
    Rest,
}

/// What the client has said.
enum ReadOutcome<T> {
    /// It has ended, or it has said nothing for too long.
    Nothing,
    /// Something that was answered at once.
    ImmediateResponse { sending: Sending, tally: T, persists: bool },
    /// Something for the App.
    PendingRequest(PendingRequest),
}

/// A request for the App.
struct PendingRequest {
    request: Request,
    is_1_1: bool,
    /// Whether the connection stays when it has been answered.
    persists: bool,
    /// Content that follows.
    content: Content,
}

/// What is to become of a request's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Content {
    /// So many bytes, which nobody reads.
    Unwanted(u64),
    /// So many bytes for the App.
    Wanted {
        length: usize,
        /// Whether the client waits to be told to send them.
        is_held_back: bool,
    },
}

impl<F, S, T> Http1Connection<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    pub(super) fn new(
        stream: tokio::net::TcpStream,
        peer: SocketAddr,
        worker: &Rc<Worker>,
        settings: &Rc<Http1Settings>,
        front: &Rc<F>,
        app: &Rc<S>,
        refusal: Option<Refusal>,
    ) -> Self {
        Self {
            socket: Socket::new(
                stream,
                Alarm::new(worker),
                settings.patience.stall,
                NotSentLimit::new(settings.unsent_bytes),
            ),
            worker: Rc::clone(worker),
            settings: Rc::clone(settings),
            client: Client::new(Protocol::Http1),
            peer,
            front: Rc::clone(front),
            app: Rc::clone(app),
            ahead: BytesMut::new(),
            searched: 0,
            at_end: false,
            waits_for: WaitsFor::Nothing,
            refusal,
        }
    }

    /// Answers until one of both has had enough. An error means that the client is gone.
    pub(super) async fn hold(mut self) -> io::Result<()> {
        // The first request must come soon; later ones have the time that idle connections have.
        let mut patience = self.settings.patience.head;
        let mut persists = true;
        while persists {
            persists = match poll_fn(|cx| self.poll_request(cx, patience)).await? {
                ReadOutcome::Nothing => return Ok(()),
                ReadOutcome::ImmediateResponse { mut sending, mut tally, persists } => {
                    self.send(&mut sending, &mut tally).await?;
                    persists
                }
                ReadOutcome::PendingRequest(asked) => self.answer(asked).await?,
            };
            if !self.ahead.is_empty() {
                // Others want their turn, before this one has everything that it sent ahead.
                tokio::task::yield_now().await;
            }
            patience = self.settings.patience.keep_alive;
        }
        self.linger().await
    }

    /// Waits for the next request for so long.
    fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        patience: Duration,
    ) -> Poll<io::Result<ReadOutcome<T>>> {
        let worker = Rc::clone(&self.worker);
        let mut scratch = worker.scratch.borrow_mut();
        if self.waits_for == WaitsFor::Nothing {
            self.waits_for = WaitsFor::Request;
            self.socket.alarm().set(patience);
        }
        loop {
            if self.searched < self.ahead.len() {
                match find_head(&self.ahead, self.searched) {
                    Ok(Some(head)) => {
                        let bytes = self.ahead.split_to(head.end);
                        if self.ahead.is_empty() {
                            self.ahead = BytesMut::new();
                        }
                        return Poll::Ready(Ok(self.understand(&bytes[head])));
                    }
                    Ok(None) => self.searched = self.ahead.len(),
                    Err(refusal) => {
                        return Poll::Ready(Ok(ReadOutcome::PendingRequest(self.refuse(refusal))));
                    }
                }
            }
            if self.at_end {
                return Poll::Ready(Ok(ReadOutcome::Nothing));
            }
            let Poll::Ready(read) = self.socket.poll_read(cx, &mut scratch)? else {
                return self.poll_patience(cx).map(Ok);
            };
            let came = &scratch[..read];
            if read == 0 {
                self.at_end = true;
            } else if self.ahead.is_empty() {
                // As a rule a whole head, and nothing but that: it is understood where it lies.
                match find_head(came, 0) {
                    Ok(Some(head)) => {
                        self.ahead.extend_from_slice(&came[head.end..]);
                        return Poll::Ready(Ok(self.understand(&came[head])));
                    }
                    Ok(None) => {
                        self.ahead.extend_from_slice(came);
                        self.searched = read;
                    }
                    Err(refusal) => {
                        return Poll::Ready(Ok(ReadOutcome::PendingRequest(self.refuse(refusal))));
                    }
                }
            } else {
                self.ahead.extend_from_slice(came);
            }
        }
    }

    /// Nothing has come. Ready when it is not waited for any longer.
    fn poll_patience(&mut self, cx: &Context<'_>) -> Poll<ReadOutcome<T>> {
        let has_begun = self.ahead.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        if has_begun && self.waits_for == WaitsFor::Request {
            // From the first byte on, however the others trickle in.
            self.waits_for = WaitsFor::Rest;
            self.socket.alarm().set(self.settings.patience.head);
        }
        ready!(match self.worker.is_draining() {
            true => Poll::Ready(()),
            false => self.socket.alarm().poll(cx),
        });
        Poll::Ready(match self.waits_for {
            WaitsFor::Rest if !self.worker.is_draining() => {
                ReadOutcome::PendingRequest(self.refuse(Refusal::Timeout))
            }
            _ => ReadOutcome::Nothing,
        })
    }

    /// Answers a request's head at once, or makes it ready for the App.
    fn understand(&mut self, bytes: &[u8]) -> ReadOutcome<T> {
        (self.searched, self.waits_for) = (0, WaitsFor::Nothing);
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let head = match Head::parse(bytes, &mut room) {
            Ok(head) => head,
            Err(refusal) => return ReadOutcome::PendingRequest(self.refuse(refusal)),
        };
        if let Some(refusal) = self.refusal {
            return ReadOutcome::PendingRequest(self.refuse(refusal));
        }
        let content = match self.content_of(&head) {
            Ok(content) => content,
            Err(refusal) => return ReadOutcome::PendingRequest(self.refuse(refusal)),
        };
        // Who asks for another protocol is answered in this one, and told that it is over.
        let persists = head.persists
            && !head.upgrades
            && !ends_connection(&head, content)
            && !self.worker.is_draining();
        if head.content_bytes == 0 {
            let mut bytes = self.worker.head.borrow_mut();
            let mut answer = AnswerHead::new(&mut bytes, head.is_1_1);
            if let Some(prompt) = self.front.answer(&head, self.peer, &mut answer) {
                let framing = prompt.length.map_or(Framing::None, Framing::Sized);
                let bytes = answer.finish(&self.worker, framing, persists);
                let window_bytes = self.settings.window_bytes;
                let sending = Sending::new(bytes, prompt.extents, window_bytes, true);
                return ReadOutcome::ImmediateResponse { sending, tally: prompt.tally, persists };
            }
        }
        match head.to_request(self.peer) {
            Ok(request) => ReadOutcome::PendingRequest(PendingRequest {
                request,
                is_1_1: head.is_1_1,
                persists,
                content,
            }),
            Err(refusal) => ReadOutcome::PendingRequest(self.refuse(refusal)),
        }
    }

    /// Puts a request in the place of one that is refused. Whatever the client still sends, nothing
    /// in it is a request.
    fn refuse(&mut self, refusal: Refusal) -> PendingRequest {
        let mut request = Request::new();
        request.head_mut().peer_addr = Some(self.peer);
        request.extensions_mut().insert(refusal);
        let content = Content::Unwanted(u64::MAX);
        PendingRequest { request, is_1_1: true, persists: false, content }
    }

    /// Reads what the client sends while it waits for its answer: to know when it goes.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.at_end && self.ahead.len() < HEAD_BYTES_MAX {
            if self.poll_fill(cx)?.is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Ends a connection after an answer that was its last. A client that may have sent more is
    /// listened to, so that it gets to read that answer: a socket that is closed over unread bytes
    /// takes it back.
    async fn linger(&mut self) -> io::Result<()> {
        if self.at_end {
            return Ok(());
        }
        poll_fn(|cx| self.socket.poll_shutdown(cx)).await?;
        self.socket.alarm().set(LINGER);
        self.ahead = BytesMut::new();
        while poll_fn(|cx| self.poll_more(cx)).await? {
            self.ahead.clear();
        }
        Ok(())
    }

    /// Reads what has come behind a request. Returns whether more may come, and it has not taken too
    /// long.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match self.poll_fill(cx)? {
            Poll::Ready(()) => Poll::Ready(Ok(!self.at_end)),
            Poll::Pending => self.socket.alarm().poll(cx).map(|()| Ok(false)),
        }
    }

    /// Reads what has come, behind what was sent ahead.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let worker = Rc::clone(&self.worker);
        let mut scratch = worker.scratch.borrow_mut();
        let read = ready!(self.socket.poll_read(cx, &mut scratch))?;
        self.ahead.extend_from_slice(&scratch[..read]);
        if read == 0 {
            self.at_end = true;
            self.client.set_gone();
        }
        Poll::Ready(Ok(()))
    }
}
