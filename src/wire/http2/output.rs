//! Frames on their way to the socket, gathered for few writes.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    ops::Range,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, future::BoxFuture};

use super::{
    byte_stream::ByteStream,
    frames::{Span, WrittenFrames},
    piece::Piece,
    placeholder::{Discarded, Placeholder},
};
use crate::extent::{File, ReadError, disk::BUFFER_BYTES};

/// From this length on, in bytes, a part of a piece is kept by reference.
const REFERENCE_MIN_BYTES: usize = 1024;

/// The first allocation for copied bytes: the heads of a few responses, and of their frames.
const TAIL_BYTES: usize = 2048;

/// The most slices of one write.
const SLICES_MAX: usize = 64;

/// Bytes that h2 has written, and the socket has not taken yet.
#[derive(Default)]
pub(super) struct Output {
    /// The pieces that h2 got, and has not written yet.
    expected: VecDeque<ExpectedPiece>,
    frames: WrittenFrames,
    queue: VecDeque<Piece>,
    /// Copied bytes behind the queue.
    tail: BytesMut,
    /// The length of queue and tail.
    length: usize,
    /// Whether a piece in memory was added in this turn, which may be a buffer of the pool.
    has_new_memory: bool,
    /// The read of the first part of the queue, a range of a file that cannot be sent by reference any more.
    reading: Option<BoxFuture<'static, Result<Bytes, ReadError>>>,
    /// Why the first part of the queue cannot be sent. The connection ends.
    failure: Option<ReadError>,
    is_corked: bool,
}

/// A piece that h2 knows by a [`Placeholder`].
struct ExpectedPiece {
    stream: u32,
    piece: Piece,
    discarded: Discarded,
}

impl ExpectedPiece {
    /// The number of bytes that h2 will still write.
    fn left(&self) -> usize {
        self.piece.len().saturating_sub(self.discarded.bytes())
    }
}

impl Output {
    /// The number of bytes that wait for the socket.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether no bytes wait for the socket.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether a piece in memory was added in this turn.
    pub(super) fn has_new_memory(&self) -> bool {
        self.has_new_memory
    }

    /// Takes a piece of the body of a stream. Returns what h2 gets in its place.
    pub(super) fn expect(&mut self, stream: u32, piece: Piece) -> Placeholder {
        let placeholder = Placeholder::new(piece.len());
        self.has_new_memory |= matches!(piece, Piece::Memory { .. });
        let discarded = placeholder.discarded();
        self.expected.push_back(ExpectedPiece { stream, piece, discarded });
        placeholder
    }

    /// Appends what h2 writes, with the bytes of bodies in place of their placeholders.
    pub(super) fn push(&mut self, mut written: &[u8]) -> io::Result<()> {
        while !written.is_empty() {
            let length = match self.frames.next(written) {
                Span::Plain(length) => {
                    self.push_copy(&written[..length]);
                    length
                }
                Span::Body(length, stream) => {
                    self.push_body(length, stream)?;
                    length
                }
            };
            written = &written[length..];
        }
        Ok(())
    }

    fn push_copy(&mut self, bytes: &[u8]) {
        if self.tail.capacity() == 0 {
            self.tail.reserve(TAIL_BYTES);
        }
        self.tail.extend_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Appends the next bytes of the body of a stream.
    fn push_body(&mut self, mut length: usize, stream: u32) -> io::Result<()> {
        while length > 0 {
            let is_next = |next: &ExpectedPiece| next.stream == stream && next.left() > 0;
            let Some(place) = self.expected.iter().position(is_next) else {
                return Err(io::Error::other("a frame without its piece"));
            };
            let next = &mut self.expected[place];
            let taken = length.min(next.left());
            let part = next.piece.split_to(taken);
            if next.left() == 0 {
                self.expected.remove(place);
            }
            length -= part.len();
            self.push_part(part);
        }
        Ok(())
    }

    fn push_part(&mut self, part: Piece) {
        let part = match part {
            Piece::Memory { bytes, .. } if bytes.len() < REFERENCE_MIN_BYTES => {
                return self.push_copy(&bytes);
            }
            part => part,
        };
        self.length += part.len();
        // h2 writes the first bytes of a frame and the rest one after the other.
        let unjoined = match self.queue.back_mut().filter(|_| self.tail.is_empty()) {
            Some(last) => last.join(part),
            None => Some(part),
        };
        if let Some(part) = unjoined {
            self.queue_tail();
            self.queue.push_back(part);
        }
    }

    fn queue_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(Piece::from(self.tail.split().freeze()));
        }
    }

    /// Sends all bytes. Ready when the socket has taken the last one. `is_cached`: whether a range of a file
    /// is in the page cache now. It was when it was passed on, but the client may have paused since.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut impl ByteStream,
        is_cached: impl Fn(&File, &Range<u64>) -> bool,
    ) -> Poll<io::Result<()>> {
        self.queue_tail();
        self.cork(socket);
        while let Some(first) = self.queue.front() {
            let is_file = matches!(first, Piece::File { .. });
            let sent = match first {
                Piece::Memory { .. } => Some(ready!(self.poll_memory(cx, socket))?),
                Piece::File { source, range } => match (&self.reading, source.as_file()) {
                    (None, Some(file)) if is_cached(file, range) => {
                        ready!(socket.poll_send_file(cx, source, range))?
                    }
                    (None, _) => {
                        // What a full socket does not accept would be read in vain.
                        ready!(socket.poll_room(cx))?;
                        None
                    }
                    _ => None,
                },
            };
            match sent {
                Some(0) if is_file => return Poll::Ready(Err(self.fail(ReadError::Truncated))),
                Some(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Some(sent) => self.advance(sent),
                None => {
                    if let Err(error) = ready!(self.poll_read(cx)) {
                        return Poll::Ready(Err(self.fail(error)));
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps the reason for the end of the connection. Returns the error that h2 gets.
    fn fail(&mut self, error: ReadError) -> io::Error {
        let reported = io::Error::other(error.to_string());
        self.failure = Some(error);
        reported
    }

    /// Takes the reason if bytes that were passed on could not be read.
    pub(super) fn take_failure(&mut self) -> Option<ReadError> {
        self.failure.take()
    }

    /// Corks the socket before the second range of a file, so that frames share packets.
    fn cork(&mut self, socket: &impl ByteStream) {
        let is_file = |part: &&Piece| matches!(part, Piece::File { .. });
        if !self.is_corked && self.queue.iter().filter(is_file).nth(1).is_some() {
            self.is_corked = true;
            socket.set_cork(true);
        }
    }

    /// Sends the bytes in memory at the front of the queue.
    fn poll_memory(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut impl ByteStream,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(&self.queue) {
            let Piece::Memory { bytes, .. } = part else { break };
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        let more = self.queue.len() > count;
        socket.poll_write(cx, &slices[..count], more)
    }

    /// Reads the range of a file at the front of the queue into memory.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        let Some(Piece::File { source, range }) = self.queue.front_mut() else {
            return Poll::Ready(Ok(()));
        };
        let wanted = range.start..range.end.min(range.start + BUFFER_BYTES as u64);
        let max = wanted.end - wanted.start;
        let reading = self.reading.get_or_insert_with(|| Arc::clone(source).read(wanted));
        let read = ready!(reading.poll_unpin(cx));
        self.reading = None;
        let bytes = read?;
        let length = bytes.len() as u64;
        if length == 0 || length > max {
            // The source breaks its contract.
            return Poll::Ready(Err(ReadError::Truncated));
        }
        range.start += length;
        if range.is_empty() {
            self.queue.pop_front();
        }
        // A buffer of the pool must not wait for a client.
        self.queue.push_front(Piece::from(Bytes::copy_from_slice(&bytes)));
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut sent: usize) {
        self.length -= sent;
        while sent > 0 {
            let first = self.queue.front_mut().expect("no more is sent than there is");
            let length = sent.min(first.len());
            first.advance(length);
            sent -= length;
            if first.is_empty() {
                self.queue.pop_front();
            }
        }
    }

    /// Ends a turn: copies what is left of pieces in memory, because a buffer of the pool must not wait for a
    /// client.
    pub(super) fn end_turn(&mut self, socket: &impl ByteStream) {
        if self.is_corked && self.is_empty() {
            self.is_corked = false;
            socket.set_cork(false);
        }
        self.expected.retain(|expected| expected.left() > 0);
        if self.is_empty() && self.expected.is_empty() {
            // An idle connection keeps no memory.
            (self.expected, self.queue) = (VecDeque::new(), VecDeque::new());
            self.tail = BytesMut::new();
        } else if self.has_new_memory {
            self.expected.iter_mut().for_each(|expected| expected.piece.detach());
            self.queue.iter_mut().for_each(Piece::detach);
        }
        self.has_new_memory = false;
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, future::poll_fn, path::Path, time::Duration};

    use bytes::Buf as _;
    use tokio::io::ReadBuf;

    use super::*;
    use crate::extent::{
        Source,
        disk::{Buffers, DiskPoolSettings, Root, RootSettings},
    };

    /// Takes a few bytes at a time, and then no more.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
        /// How often it was asked to send a file.
        file_sends: usize,
    }

    impl Narrow {
        fn new(room: usize) -> Self {
            Self { taken: Vec::new(), room, file_sends: 0 }
        }
    }

    impl ByteStream for Narrow {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_write(
            &mut self,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
            _: bool,
        ) -> Poll<io::Result<usize>> {
            let length = slices[0].len().min(self.room).min(700);
            if length == 0 {
                return Poll::Pending;
            }
            self.room -= length;
            self.taken.extend_from_slice(&slices[0][..length]);
            Poll::Ready(Ok(length))
        }

        fn sends_file(&mut self, _: &File) -> bool {
            false
        }

        fn poll_send_file(
            &mut self,
            _: &mut Context<'_>,
            _: &Arc<dyn Source>,
            _: &Range<u64>,
        ) -> Poll<io::Result<Option<usize>>> {
            self.file_sends += 1;
            Poll::Ready(Ok(None))
        }

        fn set_cork(&self, _: bool) {}

        fn poll_room(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn is_aborted(&self) -> bool {
            false
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A source that only the disk pool can read.
    #[derive(Debug)]
    struct Cold(Bytes);

    impl Source for Cold {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_now(&self, _: Range<u64>) -> Result<Option<Bytes>, ReadError> {
            Ok(None)
        }

        fn read(
            self: Arc<Self>,
            range: Range<u64>,
        ) -> BoxFuture<'static, Result<Bytes, ReadError>> {
            let at = |offset| usize::try_from(offset).expect("in memory");
            let end = range.end.min(range.start + 1000).min(self.len());
            let bytes = self.0.slice(at(range.start)..at(end));
            async move { Ok(bytes) }.boxed()
        }
    }

    fn counted(length: u32) -> Bytes {
        (0..length).map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>().into()
    }

    /// What h2 writes for this piece: a frame's head, and the placeholder.
    fn write(output: &mut Output, stream: u32, placeholder: &mut Placeholder, length: usize) {
        let head = [&u32::try_from(length).expect("short").to_be_bytes()[1..], &[0, 0]].concat();
        let head = [head, stream.to_be_bytes().to_vec()].concat();
        output.push(&head).expect("a head");
        output.push(&placeholder.chunk()[..length]).expect("a piece");
        placeholder.advance(length);
    }

    /// The contents of the frames that were sent.
    fn contents(mut sent: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut contents = Vec::new();
        while let [a, b, c, _, _, id @ ..] = sent {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let stream = u32::from_be_bytes([id[0], id[1], id[2], id[3]]);
            contents.push((stream, id[4..4 + length].to_vec()));
            sent = &id[4 + length..];
        }
        contents
    }

    #[test]
    fn each_frame_gets_the_bytes_of_its_stream_and_waits_without_a_buffer_of_the_pool() {
        let (first, second) = (counted(6000), Bytes::from(vec![7; 2000]));
        let mut output = Output::default();
        let piece = |bytes: &Bytes| Piece::Memory { bytes: bytes.clone(), copied: 0 };
        let mut one = output.expect(1, piece(&first));
        let mut three = output.expect(3, piece(&second));
        write(&mut output, 1, &mut one, 2500);
        write(&mut output, 3, &mut three, 2000);
        write(&mut output, 1, &mut one, 3500);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut socket = Narrow::new(2000);
        assert!(output.poll_send(&mut cx, &mut socket, |_, _| true).is_pending());
        output.end_turn(&socket);
        assert!(first.is_unique(), "the piece is not held while the client does not read");
        socket.room = usize::MAX;
        assert!(output.poll_send(&mut cx, &mut socket, |_, _| true).is_ready());
        let expected =
            [(1, first[..2500].to_vec()), (3, second.to_vec()), (1, first[2500..].to_vec())];
        assert!(contents(&socket.taken) == expected);
        assert!(output.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_sent_any_more_is_read() {
        let bytes = counted(5000);
        let source: Arc<dyn Source> = Arc::new(Cold(bytes.clone()));
        let mut output = Output::default();
        let mut one = output.expect(1, Piece::File { source, range: 100..4900 });
        write(&mut output, 1, &mut one, 4800);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut socket = Narrow::new(usize::MAX);
        assert!(output.poll_send(&mut cx, &mut socket, |_, _| true).is_ready());
        assert!(contents(&socket.taken) == [(1, bytes[100..4900].to_vec())]);
    }

    #[tokio::test]
    async fn a_range_that_is_not_cached_any_more_is_read_into_a_buffer() {
        let bytes = counted(16_000);
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("file"), &bytes).expect("a file");
        let settings = RootSettings {
            pool: DiskPoolSettings { threads: 1, queue: 16, deadline: Duration::from_secs(60) },
            open_files: 10,
            revalidate_after: Duration::from_secs(60),
            quiet_period: Some(Duration::ZERO),
        };
        let opening = Root::open("test", folder.path(), Buffers::new(1 << 20), settings);
        let root = opening.await.expect("a root");
        let file = root.open_file(Path::new("file")).await.expect("a file");
        let source: Arc<dyn Source> = Arc::new(File::from(file));
        let mut output = Output::default();
        let mut one = output.expect(1, Piece::File { source, range: 100..15_900 });
        write(&mut output, 1, &mut one, 15_800);
        let mut socket = Narrow::new(usize::MAX);
        let sent = poll_fn(|cx| output.poll_send(cx, &mut socket, |_, _| false)).await;
        sent.expect("sent");
        assert_eq!(socket.file_sends, 0, "the kernel would wait for the disk");
        assert!(contents(&socket.taken) == [(1, bytes[100..15_900].to_vec())]);
    }

    #[test]
    fn a_file_that_became_shorter_is_the_reason_for_the_end() {
        let source: Arc<dyn Source> = Arc::new(Cold(Bytes::new()));
        let mut output = Output::default();
        let mut one = output.expect(1, Piece::File { source, range: 0..4800 });
        write(&mut output, 1, &mut one, 4800);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut socket = Narrow::new(usize::MAX);
        let sent = output.poll_send(&mut cx, &mut socket, |_, _| true);
        assert!(matches!(sent, Poll::Ready(Err(_))));
        assert!(matches!(output.take_failure(), Some(ReadError::Truncated)));
    }

    #[test]
    fn the_piece_of_a_stream_that_was_reset_is_dropped() {
        let bytes = counted(3000);
        let mut output = Output::default();
        let mut placeholder = output.expect(1, Piece::Memory { bytes: bytes.clone(), copied: 0 });
        write(&mut output, 1, &mut placeholder, 10);
        drop(placeholder);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut socket = Narrow::new(usize::MAX);
        assert!(output.poll_send(&mut cx, &mut socket, |_, _| true).is_ready());
        output.end_turn(&socket);
        assert!(bytes.is_unique());
        assert!(contents(&socket.taken) == [(1, bytes[..10].to_vec())]);
        let late = output.push(&[0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
        assert!(late.is_err(), "no placeholder is ever sent");
    }

    #[test]
    fn what_h2_has_copied_of_a_stream_that_was_reset_is_sent() {
        let bytes = counted(3000);
        let mut output = Output::default();
        let mut placeholder = output.expect(1, Piece::Memory { bytes: bytes.clone(), copied: 0 });
        placeholder.advance(20);
        drop(placeholder);
        let mut socket = Narrow::new(usize::MAX);
        output.end_turn(&socket);
        write(&mut output, 1, &mut Placeholder::new(20), 20);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(output.poll_send(&mut cx, &mut socket, |_, _| true).is_ready());
        output.end_turn(&socket);
        assert!(bytes.is_unique());
        assert!(contents(&socket.taken) == [(1, bytes[..20].to_vec())]);
    }
}
