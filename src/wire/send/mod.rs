//! Sends extents to a socket, each with the cheapest system call.
//!
//! - A long range of a file: sendfile(2), a window at a time, from the page cache.
//! - Short ranges of one file among other short extents: one sendmsg(2) of slices of a mapping, which this
//!   process never reads.
//! - Bytes in memory: send(2). Gathered bytes of a file, too, while the file still has them.
//! - A virtual source: the extents of one window after the other (`windows`).
//! - A file that must not be sent by reference (on a network file system, or changed a moment ago), or that
//!   cannot be read into the page cache: read in pieces by the disk pool, and copied.
//!
//! Before a window is sent, the disk pool reads its pages into the page cache (`prefetch`); and on each
//! turn of the event loop a check makes sure that the file has not changed since the head was written.

mod gathered;
mod prefetch;
mod windows;

use std::{
    io,
    ops::Range,
    os::fd::{AsFd as _, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::body::MessageBody as _;
use bytes::{Buf as _, Bytes};
use rustix::io::Errno;

use self::{
    prefetch::{Availability, Prefetcher},
    windows::WindowFinder,
};
use super::{
    body::{ExtentBody, ResponseObserver},
    connection::Protocol,
    gather_batch::{FileMapping, GatherBatch},
    io_thread::IoThread,
    socket::Socket,
};
use crate::{
    extent::{Charge, Exhausted, Extent, Extents, File, ReadError, ResponseMemory, Source},
    sys::net::{self, Slice},
    telemetry::SentBy,
};

/// From this length of a response of several extents on, in bytes, the socket is corked, so that the ends of
/// extents are no packets of their own. That costs two calls. A response of one extent needs no cork:
/// `MSG_MORE` puts its head into the first packet, and sendfile(2) fills all others.
const CORK_MIN_BYTES: u64 = 128 * 1024;

/// From this number of extents on a shorter response is corked, too: that saves one packet for each extent.
const CORK_MIN_EXTENTS: usize = 8;

/// The most bytes of a connection's first turn. Of viewers who begin at once, each finds an empty socket that
/// takes a whole window: 2,000 delayed others by half a second.
const FIRST_TURN_BYTES: u64 = 256 * 1024;

/// The error of a response that was cut short.
#[derive(Debug)]
pub(super) enum SendError {
    /// The client has disconnected or stalled.
    Client(io::Error),
    /// The bytes cannot be read.
    Source(ReadError),
}

/// Sends one response: the head, and then the extents.
pub(super) struct ResponseSender {
    /// Unsent bytes in memory: the head, an extent, or a copied piece.
    memory: Bytes,
    /// What `memory` is of the body; `None` for the head.
    memory_is: Option<SentBy>,
    /// What keeps `memory`.
    hold: Hold,
    /// Whether `memory` waits for the client.
    waits_for_client: bool,
    /// The extents, with one window of a virtual source in place of its front.
    extents: Extents,
    windows: WindowFinder,
    /// The number of the current extent.
    current: usize,
    /// The sent bytes of the current extent.
    sent: u64,
    window_bytes: u64,
    /// Whether the file was checked in this turn of the event loop.
    is_checked: bool,
    /// Whether the current extent took more than one call, so that its file may have changed meanwhile.
    is_long: bool,
    prefetcher: Prefetcher,
    /// Reads the current extent in pieces, if it is copied.
    copying: Option<Box<ExtentBody>>,
    is_corked: bool,
    /// Whether the file cannot be mapped, so that each of its extents is sent on its own.
    cannot_map: bool,
    /// A mapping to send slices from, and its file.
    mapping: Option<(Arc<dyn Source>, FileMapping)>,
}

/// What keeps the bytes in memory.
enum Hold {
    /// The response itself: its head, an extent in memory.
    Response,
    /// A buffer of the pool, which must not wait for a client.
    Pool,
    /// A copy of such a buffer, within the memory of responses.
    Charged { _charge: Charge },
    /// A copy for the time of a wait that is not the client's.
    Uncharged,
}

impl ResponseSender {
    /// A sender of these extents, in windows of `window_bytes`. `is_checked`: their files were checked in
    /// this turn of the event loop.
    pub(super) fn new(head: Bytes, extents: Extents, window_bytes: u64, is_checked: bool) -> Self {
        Self {
            memory: head,
            memory_is: None,
            hold: Hold::Response,
            waits_for_client: false,
            extents,
            windows: WindowFinder::default(),
            current: 0,
            sent: 0,
            window_bytes,
            is_checked,
            is_long: false,
            prefetcher: Prefetcher::default(),
            copying: None,
            is_corked: false,
            cannot_map: false,
            mapping: None,
        }
    }

    /// Sends as much as the socket accepts. Ready when the last byte is in the kernel, or with an error.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        io_thread: &IoThread,
        observer: &mut impl ResponseObserver,
    ) -> Poll<Result<(), SendError>> {
        self.cork(socket);
        self.waits_for_client = false;
        let polled = self.poll_turn(cx, socket, io_thread, observer);
        // The kernel holds a short packet of a corked socket back for 200 ms: a disk may take longer.
        if self.is_corked && (polled.is_ready() || self.waits_for_disk()) {
            self.is_corked = false;
            socket.set_cork(false);
        }
        if polled.is_pending() {
            self.is_checked = false;
            self.is_long = true;
            self.release_buffer(&io_thread.response_memory);
        }
        polled
    }

    /// Releases the buffer of a copied piece that could not be sent. A slow client keeps a copy if the memory of
    /// responses has room for it, else the bytes are read again later.
    fn release_buffer(&mut self, memory: &ResponseMemory) {
        if !matches!(self.hold, Hold::Pool | Hold::Uncharged) {
            return;
        }
        self.hold = match memory.charge_dispensable(self.memory.len() as u64) {
            Ok(charge) => Hold::Charged { _charge: charge },
            Err(Exhausted) if self.waits_for_client => return self.rewind(),
            Err(Exhausted) => Hold::Uncharged,
        };
        self.memory = Bytes::copy_from_slice(&self.memory);
    }

    /// Steps back to the first byte of a copied piece that was not sent.
    fn rewind(&mut self) {
        let unsent = self.memory.len() as u64;
        if self.sent == 0 {
            // It was the end of its extent.
            self.current = self.current.saturating_sub(1);
            self.sent = self.extents.get(self.current).map_or(0, Extent::len);
        }
        self.sent = self.sent.saturating_sub(unsent);
        (self.memory, self.hold, self.copying) = (Bytes::new(), Hold::Response, None);
    }

    /// Corks the socket if the response has several extents and is long, or has many.
    fn cork(&mut self, socket: &mut Socket) {
        let is_worth_it = (self.extents.get(1).is_some() && self.extents.len() >= CORK_MIN_BYTES)
            || self.extents.get(CORK_MIN_EXTENTS).is_some();
        if !self.is_corked && is_worth_it {
            self.is_corked = true;
            socket.set_cork(true);
        }
    }

    /// Whether the next byte waits for a disk or a computation, as far as is known.
    pub(super) fn waits_for_disk(&self) -> bool {
        self.prefetcher.is_active()
            || self.windows.is_active()
            || (self.copying.is_some() && self.memory.is_empty())
    }

    /// Sends at most about one window, so that other connections get their turn.
    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        io_thread: &IoThread,
        observer: &mut impl ResponseObserver,
    ) -> Poll<Result<(), SendError>> {
        let turn_bytes_max = self.turn_bytes_max(socket);
        let mut turn_bytes = 0;
        while turn_bytes < turn_bytes_max {
            if matches!(self.hold, Hold::Pool | Hold::Uncharged) && self.is_at_virtual() {
                // A window takes the place of the extents before it, to which the copied piece belongs.
                ready!(self.poll_memory(cx, socket, observer, true))?;
            }
            if self.copying.is_none()
                && !self.cannot_map
                && let Some(batch) = GatherBatch::find(&self.extents, self.current, self.sent)
            {
                turn_bytes += ready!(self.poll_batch(cx, socket, io_thread, observer, &batch))?;
                continue;
            }
            match self.extents.get(self.current) {
                Some(Extent::Source { source, range }) if self.copying.is_none() => {
                    if let Some(source) = source.as_virtual() {
                        let window = ready!(self.windows.poll(cx, source, range));
                        self.unfold(window.map_err(SendError::Source)?)?;
                        self.cork(socket);
                        continue;
                    }
                    let source = Arc::clone(source);
                    let window = self.next_window(range);
                    if let Some(gathered) = source.as_gathered().filter(|g| g.file().is_sendable())
                    {
                        turn_bytes +=
                            ready!(self.poll_gathered(cx, socket, observer, gathered, window))?;
                        continue;
                    }
                    match source.as_file().filter(|file| file.is_sendable()) {
                        Some(file) => {
                            let part = window.clone();
                            match ready!(
                                self.poll_window(cx, socket, io_thread, observer, file, part)
                            )? {
                                Some(sent) => {
                                    observer.sent(sent, SentBy::Sendfile);
                                    turn_bytes += sent;
                                }
                                None => self.start_copying(source, window),
                            }
                        }
                        None => self.start_copying(source, window),
                    }
                }
                _ if !self.memory.is_empty() => {
                    // The next piece of a copied extent may take time; the next extent follows at once.
                    let more = self.copying.is_none() && self.extents.get(self.current).is_some();
                    ready!(self.poll_memory(cx, socket, observer, more))?;
                }
                Some(Extent::Memory(bytes)) => {
                    // A batch may have ended in the middle of this extent.
                    let already_sent = usize::try_from(self.sent).expect("it is in memory");
                    self.memory = bytes.slice(already_sent..);
                    self.memory_is = Some(SentBy::Memory);
                    (self.current, self.sent) = (self.current + 1, 0);
                }
                Some(Extent::Source { .. }) => {
                    let piece = ready!(self.poll_piece(cx)).map_err(SendError::Source)?;
                    // A copied byte takes several times as long as one of sendfile.
                    turn_bytes += 4 * piece;
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        socket.has_had_a_turn = true;
        if self.is_done() {
            return Poll::Ready(Ok(()));
        }
        // Yield to other connections.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the next bytes are those of a virtual source.
    fn is_at_virtual(&self) -> bool {
        let current = self.extents.get(self.current).filter(|_| self.copying.is_none());
        matches!(current, Some(Extent::Source { source, .. }) if source.as_virtual().is_some())
    }

    fn turn_bytes_max(&self, socket: &Socket) -> u64 {
        match socket.has_had_a_turn {
            true => self.window_bytes,
            false => self.window_bytes.min(FIRST_TURN_BYTES),
        }
    }

    fn is_done(&self) -> bool {
        self.memory.is_empty() && self.copying.is_none() && self.extents.get(self.current).is_none()
    }

    /// Puts the extents of a window in place of the front of the current extent, and drops those before it.
    fn unfold(&mut self, window: Extents) -> Result<(), SendError> {
        let unfolded = self.extents.unfold(self.current, window);
        // The source breaks its contract.
        self.extents = unfolded.ok_or(SendError::Source(ReadError::Truncated))?;
        self.current = 0;
        Ok(())
    }

    /// The part of the current extent that is sent until the file is checked again. Windows are aligned, so
    /// that requests share them, and each finds the pages in the page cache that another has read; but what
    /// fits into one window is sent by one call.
    fn next_window(&self, range: &Range<u64>) -> Range<u64> {
        let start = range.start + self.sent;
        if range.end - start <= self.window_bytes {
            return start..range.end;
        }
        let end = (start / self.window_bytes + 1).saturating_mul(self.window_bytes);
        start..range.end.min(end)
    }

    /// Sends the bytes in memory.
    fn poll_memory(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        observer: &mut impl ResponseObserver,
        more: bool,
    ) -> Poll<Result<(), SendError>> {
        while !self.memory.is_empty() {
            let polled = socket.poll_write_bytes(cx, &self.memory, more);
            self.waits_for_client = polled.is_pending();
            let written = ready!(polled);
            self.advance_memory(written.map_err(SendError::Client)?, observer);
        }
        Poll::Ready(Ok(()))
    }

    /// Removes bytes in memory that the kernel has accepted.
    fn advance_memory(&mut self, bytes: usize, observer: &mut impl ResponseObserver) {
        if let Some(by) = self.memory_is {
            observer.sent(bytes as u64, by);
        }
        self.memory.advance(bytes);
        if self.memory.is_empty() {
            // Release the buffer.
            (self.memory, self.hold) = (Bytes::new(), Hold::Response);
        }
    }

    /// Sends the bytes in memory, and a window of a file or the first part of it. Ready with `None`: the
    /// window must be copied, because a writer waits for the file, or the client has another file to read.
    fn poll_window(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        io_thread: &IoThread,
        observer: &mut impl ResponseObserver,
        file: &File,
        window: Range<u64>,
    ) -> Poll<Result<Option<u64>, SendError>> {
        // Before the head is sent: the kernel holds it back, because `MSG_MORE` announces more.
        if !ready!(self.poll_available(cx, io_thread, file, &window))? {
            return Poll::Ready(Ok(Some(0)));
        }
        let references = socket.page_references();
        if file.changeable().is_some_and(|file| !references.prepare(file)) {
            return Poll::Ready(Ok(None));
        }
        ready!(self.poll_memory(cx, socket, observer, true))?;
        self.check(file)?;
        let Some(piece) = file.piece(window.start) else {
            return Poll::Ready(Ok(None));
        };
        let bytes = (window.end - window.start).min(self.turn_bytes_max(socket)).min(piece.len);
        let max = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut is_refused = false;
        let send = |fd: BorrowedFd<'_>| {
            let sendfile = || net::sendfile(fd, piece.as_fd(), piece.offset, max);
            let sent = match file.changeable() {
                Some(file) => references.send_by_reference(file, sendfile),
                None => Some(sendfile()),
            };
            is_refused = sent.is_none();
            sent.unwrap_or(Err(io::ErrorKind::ResourceBusy.into()))
        };
        let polled = ready!(socket.poll_write(cx, max, send));
        if is_refused {
            return Poll::Ready(Ok(None));
        }
        let sent = polled.map_err(classify)? as u64;
        self.is_long |= sent < window.end - window.start;
        self.advance(sent, file).map_err(SendError::Source)?;
        Poll::Ready(Ok(Some(sent)))
    }

    /// Sends the bytes in memory and a batch of short extents, or the first part of both.
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        io_thread: &IoThread,
        observer: &mut impl ResponseObserver,
        batch: &GatherBatch,
    ) -> Poll<Result<u64, SendError>> {
        let file = batch.file();
        if !ready!(self.poll_available(cx, io_thread, file, &batch.span))? {
            return Poll::Ready(Ok(0));
        }
        self.check(file)?;
        let mapping = match self.mapping.take() {
            Some((source, mapping))
                if Arc::ptr_eq(&source, &batch.source) && mapping.covers(&batch.span) =>
            {
                mapping
            }
            _ => {
                // One mapping for the rest of the response, if the address space is large enough.
                let rest = batch.remaining_span(&self.extents, self.current);
                let mapped =
                    FileMapping::new(file, &rest).or_else(|| FileMapping::new(file, &batch.span));
                let Some(mapping) = mapped else {
                    self.cannot_map = true;
                    return Poll::Ready(Ok(0));
                };
                mapping
            }
        };
        let wanted = self.memory.len() + usize::try_from(batch.bytes).expect("a batch is short");
        let mut slices = vec![Slice::Memory(&self.memory)];
        slices.extend(batch.slices(&self.extents, self.current, self.sent, &mapping));
        let more = self.extents.get(self.current + batch.count).is_some();
        let references = socket.page_references();
        let mut is_refused = false;
        let send = |fd: BorrowedFd<'_>| {
            let send_slices = || net::send_slices(fd, &slices, more);
            let sent = match file.changeable() {
                Some(file) => references.send_copied(file, send_slices),
                None => Some(send_slices()),
            };
            is_refused = sent.is_none();
            sent.unwrap_or(Err(io::ErrorKind::ResourceBusy.into()))
        };
        let polled = socket.poll_write(cx, wanted, send);
        drop(slices);
        self.waits_for_client = polled.is_pending();
        // An object's shelf may be another one later, with other bytes present.
        if file.changeable().is_some() {
            self.mapping = Some((Arc::clone(&batch.source), mapping));
        }
        let written = ready!(polled);
        if is_refused {
            // A writer waits: the file is not sendable any more, and its extents are copied.
            return Poll::Ready(Ok(0));
        }
        let written = written.map_err(classify)? as u64;
        let from_memory = written.min(self.memory.len() as u64);
        let count = usize::try_from(from_memory).expect("no more than is in memory");
        self.advance_memory(count, observer);
        let sent = written - from_memory;
        self.is_long |= sent < batch.bytes;
        observer.sent(sent, SentBy::Gathered);
        if sent > 0 {
            self.advance(sent, file).map_err(SendError::Source)?;
        }
        Poll::Ready(Ok(sent))
    }

    /// Waits until a range is in the page cache. Ready with `false`: a part of it cannot be read, and the
    /// file is copied from now on, so that only the disk pool reads that part.
    fn poll_available(
        &mut self,
        cx: &mut Context<'_>,
        io_thread: &IoThread,
        file: &File,
        range: &Range<u64>,
    ) -> Poll<Result<bool, SendError>> {
        let end = |extent: Option<&Extent>| match extent {
            Some(Extent::Source { range, .. }) => range.end,
            _ => 0,
        };
        let next = match file.changeable() {
            Some(_) => {
                let end = end(self.extents.get(self.current));
                range.end..end.min(range.end.saturating_add(self.window_bytes))
            }
            // To the last byte of the response, which is nearly always one of the same file. The bucket's own
            // setting limits it.
            None => range.end..end(self.extents.last()),
        };
        let polled = self.prefetcher.poll_available(cx, io_thread, file, range, next);
        match ready!(polled).map_err(SendError::Source)? {
            Availability::Cached => Poll::Ready(Ok(true)),
            Availability::Unreadable => {
                // A page behind the end of a truncated file is unreadable too.
                file.check().map_err(SendError::Source)?;
                file.stop_sending();
                tracing::warn!("part of a file is unreadable, sending it by copy; check the disk");
                Poll::Ready(Ok(false))
            }
        }
    }

    /// Checks that the file is unchanged, once in a turn of the event loop.
    fn check(&mut self, file: &File) -> Result<(), SendError> {
        if !self.is_checked {
            file.check().map_err(SendError::Source)?;
            self.is_checked = true;
        }
        Ok(())
    }

    /// Advances past bytes of extents that the kernel has accepted, the last of them of this file.
    fn advance(&mut self, bytes: u64, file: &File) -> Result<(), ReadError> {
        if bytes == 0 {
            return Err(ReadError::Truncated);
        }
        file.record_sent(bytes);
        self.sent += bytes;
        while let Some(extent) = self.extents.get(self.current)
            && extent.len() <= self.sent
        {
            self.sent -= extent.len();
            self.current += 1;
            if std::mem::take(&mut self.is_long) {
                // Once more at the end: the file may have changed since the last check.
                file.check()?;
            }
        }
        Ok(())
    }

    fn start_copying(&mut self, source: Arc<dyn Source>, range: Range<u64>) {
        let extents = Extents::from(Extent::Source { source, range });
        self.copying = Some(Box::new(ExtentBody::new(extents, Protocol::Http1)));
    }

    /// Reads the next piece of the current extent into memory, and returns its length; 0 at the end of the
    /// window.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, ReadError>> {
        let copying = self.copying.as_mut().expect("it is being copied");
        let Some(piece) = ready!(Pin::new(&mut **copying).poll_next(cx)).transpose()? else {
            self.copying = None;
            return Poll::Ready(Ok(0));
        };
        let length = piece.len() as u64;
        (self.memory, self.memory_is) = (piece, Some(SentBy::Copied));
        self.hold = Hold::Pool;
        self.sent += length;
        if self.extents.get(self.current).is_some_and(|extent| extent.len() <= self.sent) {
            (self.current, self.sent, self.copying) = (self.current + 1, 0, None);
        }
        Poll::Ready(Ok(length))
    }
}

/// Classifies the error of a send from a file to a socket: the file's or the client's.
fn classify(error: io::Error) -> SendError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::FAULT) => SendError::Source(ReadError::Truncated),
        Some(Errno::IO | Errno::INVAL | Errno::OVERFLOW | Errno::NOMEM | Errno::STALE) => {
            SendError::Source(error.into())
        }
        _ => SendError::Client(error),
    }
}
