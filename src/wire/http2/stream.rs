//! The life of one stream: a request waits for its response, and the response sends its body.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::Poll,
};

use actix_http::{Payload, Request, Response, error::PayloadError};
use actix_service::Service;
use actix_web::body::{BoxBody, MessageBody as _};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, future::BoxFuture, stream};
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use tokio::time::timeout;

use super::{
    byte_stream::ByteStream,
    deadline::LINGER,
    piece::Piece,
    pieces::{NextPiece, Pieces},
    placeholder::Placeholder,
    schedule::Priority,
    transport::Transport,
};
use crate::{
    extent::ReadError,
    telemetry::SentBy,
    wire::body::{Body, ResponseObserver},
};

/// The most content that is discarded, in bytes, for clients that write before they read; the same as over
/// HTTP/1.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;

/// A stream that waits for something other than its client. Its future ends too when the client resets the
/// stream, and drops all work for it.
pub(super) type WaitingStream<T> = Pin<Box<dyn Future<Output = Outcome<T>>>>;

/// The end of a wait.
pub(super) enum Outcome<T> {
    /// The App has responded.
    Responded(PendingHead<T>),
    /// The body has its next piece.
    Ready(Box<SendingStream<T>>),
    /// The stream is over.
    Ended(Ending),
    /// Content that no route reads was discarded.
    Discarded,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The response was passed on to its end.
    Complete,
    /// The client reset the stream, or the server cut the response short.
    Reset,
}

/// A response of the App whose head was not sent yet.
pub(super) struct PendingHead<T> {
    pub(super) respond: SendResponse<Placeholder>,
    pub(super) response: Response<Body<T>>,
    pub(super) is_head: bool,
    pub(super) priority: Priority,
}

/// Calls the App.
pub(super) fn call<S, T>(
    app: &S,
    request: Request,
    mut respond: SendResponse<Placeholder>,
    is_head: bool,
    priority: Priority,
) -> WaitingStream<T>
where
    S: Service<Request, Response = Response<Body<T>>>,
    S::Future: 'static,
    T: ResponseObserver,
{
    let calling = app.call(request);
    Box::pin(async move {
        let mut calling = pin!(calling);
        let called = poll_fn(|cx| match respond.poll_reset(cx) {
            Poll::Ready(_reset) => Poll::Ready(None),
            Poll::Pending => calling.as_mut().poll(cx).map(Some),
        });
        match called.await {
            Some(Ok(response)) => {
                Outcome::Responded(PendingHead { respond, response, is_head, priority })
            }
            Some(Err(_no_response)) => {
                respond.send_reset(Reason::INTERNAL_ERROR);
                Outcome::Ended(Ending::Reset)
            }
            None => Outcome::Ended(Ending::Reset),
        }
    })
}

/// The content of a request, for the App. The client may send more as soon as a part is taken.
pub(super) fn payload(content: RecvStream) -> Payload {
    let pieces: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> =
        Box::pin(stream::unfold(content, |mut content| async {
            let piece = content
                .data()
                .await?
                .map_err(|error| PayloadError::Incomplete(Some(io::Error::other(error))));
            if let Ok(bytes) = &piece {
                // Fails only if the stream is over.
                let _ = content.flow_control().release_capacity(bytes.len());
            }
            Some((piece, content))
        }));
    Payload::Stream { payload: pieces }
}

/// Discards the content of a request that no route reads, for a short time: some clients (curl 7) lose a
/// response that a reset follows at once. The drop of the content then resets the stream with NO_ERROR, after
/// the response (RFC 9113 section 8.1).
pub(super) fn discard<T>(mut content: RecvStream) -> WaitingStream<T> {
    Box::pin(async move {
        let discarding = async {
            let mut bytes = 0;
            while bytes < DISCARDED_BYTES_MAX
                && let Some(Ok(piece)) = content.data().await
            {
                bytes += piece.len();
                // Fails only if the stream is over.
                let _ = content.flow_control().release_capacity(piece.len());
            }
        };
        let _ = timeout(LINGER, discarding).await;
        Outcome::Discarded
    })
}

/// A response whose head was sent, and whose body was not.
pub(super) struct SendingStream<T> {
    send: SendStream<Placeholder>,
    body: ResponseBody,
    /// The piece that h2 gets next. It holds no buffer of the pool beyond a turn of the event loop.
    piece: Piece,
    observer: T,
    pub(super) priority: Priority,
}

/// The rest of a body, behind the current piece.
pub(super) enum ResponseBody {
    /// Extents.
    Pieces(Pieces),
    /// A stream of the App, with the rest of its length if that is known.
    Stream(Pin<Box<BoxBody>>, Option<u64>),
}

/// What a turn of a response came to.
pub(super) enum Turn<T> {
    /// This many bytes were passed on, and the body has more.
    Passed(usize, Box<SendingStream<T>>),
    /// The client's windows are closed.
    Blocked(Box<SendingStream<T>>),
    /// The next piece is not there yet.
    Waits(WaitingStream<T>),
    /// The response is over, after this many bytes.
    Ended(usize, Ending),
}

impl<T: ResponseObserver> SendingStream<T> {
    pub(super) fn new(
        send: SendStream<Placeholder>,
        body: ResponseBody,
        observer: T,
        priority: Priority,
    ) -> Box<Self> {
        Box::new(Self { send, body, piece: Piece::default(), observer, priority })
    }

    /// Whether the client has reset the stream.
    pub(super) fn is_reset(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        self.send.poll_reset(cx).is_ready()
    }

    /// Passes at most `max` bytes on to h2, no more than it sends at once.
    pub(super) fn pass<IO>(mut self: Box<Self>, max: usize, transport: &Transport<IO>) -> Turn<T>
    where
        IO: ByteStream,
    {
        if self.piece.is_empty() {
            let window = self.window(max);
            match &mut self.body {
                ResponseBody::Stream(..) => return Turn::Waits(Box::pin(self.wait_for_stream())),
                ResponseBody::Pieces(_) if window == 0 => return Turn::Blocked(self),
                ResponseBody::Pieces(pieces) => {
                    let sends_file = |file: &_, range: &_| transport.sends_file(file, range);
                    match pieces.next(window, sends_file) {
                        Ok(NextPiece::Ready(piece)) => self.piece = piece,
                        Ok(NextPiece::Waits(read)) => {
                            // Other streams may use the window meanwhile.
                            self.send.reserve_capacity(0);
                            return Turn::Waits(Box::pin(self.wait_for_read(read)));
                        }
                        Err(error) => return Turn::Ended(0, self.cut(&error)),
                    }
                }
            }
        }
        let wanted = self.piece.len().min(max);
        let length = self.window(wanted).min(wanted);
        if length == 0 {
            return Turn::Blocked(self);
        }
        let part = self.piece.split_to(length);
        let is_last = self.piece.is_empty() && self.is_over();
        let (by_sendfile, copied) = match &part {
            Piece::File { .. } => (length as u64, 0),
            Piece::Memory { copied, .. } => (0, *copied),
        };
        let placeholder = transport.expect(self.send.stream_id().into(), part);
        if self.send.send_data(placeholder, is_last).is_err() {
            return Turn::Ended(0, Ending::Reset);
        }
        self.observer.sent(by_sendfile, SentBy::Sendfile);
        self.observer.sent(copied, SentBy::Copied);
        self.observer.sent(length as u64 - by_sendfile - copied, SentBy::Memory);
        match is_last {
            true => Turn::Ended(length, Ending::Complete),
            false => Turn::Passed(length, self),
        }
    }

    /// The bytes that h2 would send at once, up to those wanted.
    fn window(&mut self, wanted: usize) -> usize {
        self.send.reserve_capacity(wanted);
        self.send.capacity().min(wanted)
    }

    /// Whether nothing follows the current piece.
    fn is_over(&self) -> bool {
        match &self.body {
            ResponseBody::Pieces(pieces) => pieces.remaining() == 0,
            ResponseBody::Stream(_, left) => *left == Some(0),
        }
    }

    /// Records that the response ends with its connection.
    pub(super) fn record_cut(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.observer.cut(error);
    }

    /// Cuts the response short, and resets its stream: the other streams go on.
    fn cut(&mut self, error: &(dyn std::error::Error + 'static)) -> Ending {
        self.observer.cut(error);
        self.send.send_reset(Reason::INTERNAL_ERROR);
        Ending::Reset
    }

    /// Waits for the disk pool.
    async fn wait_for_read(
        mut self: Box<Self>,
        mut read: BoxFuture<'static, Result<Bytes, ReadError>>,
    ) -> Outcome<T> {
        let send = &mut self.send;
        let done = poll_fn(|cx| match send.poll_reset(cx) {
            Poll::Ready(_reset) => Poll::Ready(None),
            Poll::Pending => read.poll_unpin(cx).map(Some),
        });
        let (Some(done), ResponseBody::Pieces(pieces)) = (done.await, &mut self.body) else {
            return Outcome::Ended(Ending::Reset);
        };
        match pieces.accept(done) {
            Ok(piece) => {
                self.piece = piece;
                Outcome::Ready(self)
            }
            Err(error) => Outcome::Ended(self.cut(&error)),
        }
    }

    /// Waits for the next bytes of the App's stream.
    async fn wait_for_stream(mut self: Box<Self>) -> Outcome<T> {
        let Self { send, body, .. } = &mut *self;
        let ResponseBody::Stream(stream, left) = body else {
            return Outcome::Ended(Ending::Reset);
        };
        let next = poll_fn(|cx| match send.poll_reset(cx) {
            Poll::Ready(_reset) => Poll::Ready(None),
            Poll::Pending => stream.as_mut().poll_next(cx).map(Some),
        });
        let Some(next) = next.await else {
            return Outcome::Ended(Ending::Reset);
        };
        match next {
            Some(Ok(bytes)) => {
                let rest = left.map(|left| left.checked_sub(bytes.len() as u64));
                if rest == Some(None) {
                    let error = io::Error::other("the body is longer than its content-length");
                    return Outcome::Ended(self.cut(&error));
                }
                (*left, self.piece) = (rest.flatten(), Piece::from(bytes));
                Outcome::Ready(self)
            }
            Some(Err(error)) => Outcome::Ended(self.cut(error.as_ref())),
            None if left.is_some_and(|left| left > 0) => {
                Outcome::Ended(self.cut(&ReadError::Truncated))
            }
            None => {
                let sent = self.send.send_data(Placeholder::default(), true);
                let ending = if sent.is_ok() { Ending::Complete } else { Ending::Reset };
                Outcome::Ended(ending)
            }
        }
    }
}
