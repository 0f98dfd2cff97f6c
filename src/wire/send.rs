//! Extents on their way to a socket: which goes by which call.
//!
//! - A long range of a file goes by sendfile(2), a window at a time, straight from the page cache.
//! - Short ranges of one file among other short things go together by one sendmsg(2), as slices of a
//!   mapping that nobody here reads.
//! - Bytes in memory are sent as they are.
//! - What must not be referred to (network file systems, files that were changed just now) is read in
//!   pieces and copied.
//!
//! Before a window goes its pages are brought into memory, off the loop; and each time that the loop
//! has turned it is made sure that the file is still the one whose length was promised.

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
use futures::{FutureExt as _, future::BoxFuture};
use rustix::io::Errno;

use super::{
    body::{ExtentBody, ResponseObserver},
    connection::Protocol,
    gather_batch::GatherBatch,
    socket::Socket,
    worker::Worker,
};
use crate::extent::{Extent, Extents, ReadError, Source, disk::File};
use crate::sys::net::{self, Mapping, Slice};

/// From this length on a range's head goes by itself, in bytes, and the client can begin with it; below
/// that it waits for the packet to be full. One packet more is nothing beside the others then, and
/// over loopback the server's CPU was a tenth less at 256 KiB and 1 MiB, as it is nginx's (whose
/// `tcp_nopush` is this choice for all lengths).
const HEAD_ALONE_FROM_BYTES: u64 = 128 * 1024;

/// From so many extents on what is left of one waits in the kernel for the next, so that their ends are no
/// packets of their own. It costs two calls, and saves one packet for each extent.
const CORKED_FROM_EXTENTS: usize = 8;

/// Why an answer could not be sent to its end.
#[derive(Debug)]
pub(super) enum SendError {
    /// The client is gone, or takes nothing.
    Client(io::Error),
    /// The bytes cannot be had.
    Source(ReadError),
}

/// An answer that is being sent: what is in memory, and then its extents.
pub(super) struct Sending {
    /// The head, an extent in memory, or a piece that was copied; as far as it is not sent.
    memory: Bytes,
    /// What is in memory lies in a buffer of the pool, which must not wait with a client.
    is_pooled: bool,
    extents: Extents,
    /// Which extent is being sent, and how much of it has been.
    place: usize,
    sent: u64,
    window_bytes: u64,
    /// The files were looked at in this turn of the loop.
    is_checked: bool,
    /// One call was not enough for the present extent, so that time has passed since it was begun.
    is_long: bool,
    /// A range that is being brought into memory: the one that is to be sent, or the one behind it.
    filling: Option<Filling>,
    /// Whether ranges have to be brought in, so that it is worth to begin early with the next.
    is_cold: bool,
    /// Pieces of the present extent, if it is copied.
    copying: Option<Box<ExtentBody>>,
    /// Small packets are held back until the answer has been sent.
    is_corked: bool,
    /// The file cannot be mapped, so that each of its extents goes by itself.
    cannot_map: bool,
    /// What slices are sent from, and of which file it is.
    mapping: Option<(Arc<dyn Source>, Mapping)>,
}

struct Filling {
    range: Range<u64>,
    filled: BoxFuture<'static, Result<(), ReadError>>,
}

impl Sending {
    /// Sends these extents, in windows of so many bytes. `is_checked` says that their files were
    /// looked at in this turn of the loop.
    pub(super) fn new(head: Bytes, extents: Extents, window_bytes: u64, is_checked: bool) -> Self {
        Self {
            memory: head,
            is_pooled: false,
            extents,
            place: 0,
            sent: 0,
            window_bytes,
            is_checked,
            is_long: false,
            filling: None,
            is_cold: false,
            copying: None,
            is_corked: false,
            cannot_map: false,
            mapping: None,
        }
    }

    /// Sends as much as the socket takes. Ready when the last byte is in the kernel, or when no more
    /// can be sent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        worker: &Worker,
        tally: &mut impl ResponseObserver,
    ) -> Poll<Result<(), SendError>> {
        if !self.is_corked && self.extents.get(CORKED_FROM_EXTENTS).is_some() {
            self.is_corked = true;
            socket.cork(true);
        }
        let polled = self.poll_turn(cx, socket, worker, tally);
        if self.is_corked && polled.is_ready() {
            self.is_corked = false;
            socket.cork(false);
        }
        if polled.is_pending() {
            self.is_checked = false;
            self.is_long = true;
            if std::mem::take(&mut self.is_pooled) {
                self.memory = Bytes::copy_from_slice(&self.memory);
            }
        }
        polled
    }

    /// Whether it is a disk that keeps the next byte from being sent, as far as is known.
    pub(super) fn waits_for_disk(&self) -> bool {
        self.filling.is_some() || (self.copying.is_some() && self.memory.is_empty())
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        worker: &Worker,
        tally: &mut impl ResponseObserver,
    ) -> Poll<Result<(), SendError>> {
        let mut turn_bytes = 0;
        while turn_bytes < self.window_bytes {
            if self.copying.is_none()
                && !self.cannot_map
                && let Some(run) = GatherBatch::at(&self.extents, self.place, self.sent)
            {
                turn_bytes += ready!(self.poll_run(cx, socket, worker, tally, &run))?;
                continue;
            }
            match self.extents.get(self.place) {
                Some(Extent::Source { source, range }) if self.copying.is_none() => {
                    let source = Arc::clone(source);
                    let window = self.window_of(range);
                    match source.as_file().filter(|file| file.is_sendable()) {
                        Some(file) => {
                            let sent = self.poll_window(cx, socket, worker, file, window);
                            let sent = ready!(sent)?;
                            tally.sent(sent);
                            turn_bytes += sent;
                        }
                        None => self.begin_copying(source, window),
                    }
                }
                _ if !self.memory.is_empty() => {
                    // What is copied may have to be waited for; what is in memory is there.
                    let more = self.copying.is_none() && self.extents.get(self.place).is_some();
                    ready!(self.poll_memory(cx, socket, more))?;
                }
                Some(Extent::Memory(bytes)) => {
                    // A run may have ended in the middle of it.
                    let sent = usize::try_from(self.sent).expect("it is in memory");
                    self.memory = bytes.slice(sent..);
                    (self.place, self.sent) = (self.place + 1, 0);
                    tally.sent(self.memory.len() as u64);
                }
                Some(Extent::Source { .. }) => {
                    let piece = ready!(self.poll_piece(cx)).map_err(SendError::Source)?;
                    tally.sent(piece);
                    tally.copied(piece);
                    // Copying a byte takes several times as long as handing it over.
                    turn_bytes += 4 * piece;
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        if self.is_done() {
            return Poll::Ready(Ok(()));
        }
        // Others want their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_done(&self) -> bool {
        self.memory.is_empty() && self.copying.is_none() && self.extents.get(self.place).is_none()
    }

    /// What is to be sent of the present extent until the file is looked at again. Windows end where
    /// those of other requests do, so that what one brings into memory is there for all.
    fn window_of(&self, range: &Range<u64>) -> Range<u64> {
        let start = range.start + self.sent;
        let end = (start / self.window_bytes + 1).saturating_mul(self.window_bytes);
        start..range.end.min(end)
    }

    /// Sends all that is in memory.
    fn poll_memory(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        more: bool,
    ) -> Poll<Result<(), SendError>> {
        while !self.memory.is_empty() {
            let written = ready!(socket.poll_write_bytes(cx, &self.memory, more));
            self.advance_memory(written.map_err(SendError::Client)?);
        }
        Poll::Ready(Ok(()))
    }

    /// So many bytes of what is in memory have been handed to the kernel.
    fn advance_memory(&mut self, bytes: usize) {
        self.memory.advance(bytes);
        if self.memory.is_empty() {
            // The buffer that it was a part of is not held any longer.
            (self.memory, self.is_pooled) = (Bytes::new(), false);
        }
    }

    /// Sends what is in memory, and a window of a file or the first part of it.
    fn poll_window(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        worker: &Worker,
        file: &File,
        window: Range<u64>,
    ) -> Poll<Result<u64, SendError>> {
        // Before the head goes: it would wait in the kernel, which was told that more follows.
        ready!(self.poll_at_hand(cx, worker, file, &window)).map_err(SendError::Source)?;
        let more = window.end - window.start < HEAD_ALONE_FROM_BYTES;
        ready!(self.poll_memory(cx, socket, more))?;
        self.check(file)?;
        let most = usize::try_from(window.end - window.start).unwrap_or(usize::MAX);
        let hand_over = |fd: BorrowedFd<'_>| net::hand_over(fd, file.as_fd(), window.start, most);
        let sent = socket.poll_write(cx, most, hand_over);
        let sent = ready!(sent).map_err(whose)? as u64;
        self.is_long |= sent < window.end - window.start;
        self.advance(sent, file).map_err(SendError::Source)?;
        Poll::Ready(Ok(sent))
    }

    /// Sends what is in memory and a run of short extents, or the first part of it.
    fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        worker: &Worker,
        tally: &mut impl ResponseObserver,
        run: &GatherBatch,
    ) -> Poll<Result<u64, SendError>> {
        let file = run.file();
        ready!(self.poll_at_hand(cx, worker, file, &run.span)).map_err(SendError::Source)?;
        self.check(file)?;
        let mapping = match self.mapping.take() {
            Some((of, mapping)) if Arc::ptr_eq(&of, &run.source) && mapping.covers(&run.span) => {
                mapping
            }
            _ => {
                // All of the answer by one mapping, if there is room for it.
                let all = run.span_of_all(&self.extents, self.place);
                let mapped = Mapping::new(file.as_fd(), &all);
                let Ok(mapping) = mapped.or_else(|_| Mapping::new(file.as_fd(), &run.span)) else {
                    self.cannot_map = true;
                    return Poll::Ready(Ok(0));
                };
                mapping
            }
        };
        let wanted = self.memory.len() + usize::try_from(run.bytes).expect("a run is short");
        let mut slices = vec![Slice::Memory(&self.memory)];
        slices.extend(run.slices(&self.extents, self.place, self.sent, &mapping));
        let more = self.extents.get(self.place + run.count).is_some();
        let written = socket.poll_write(cx, wanted, |fd| net::gather(fd, &slices, more));
        drop(slices);
        self.mapping = Some((Arc::clone(&run.source), mapping));
        let written = ready!(written).map_err(whose)? as u64;
        let of_memory = written.min(self.memory.len() as u64);
        self.advance_memory(usize::try_from(of_memory).expect("no more than is in memory"));
        let sent = written - of_memory;
        self.is_long |= sent < run.bytes;
        tally.sent(sent);
        if sent > 0 {
            self.advance(sent, file).map_err(SendError::Source)?;
        }
        Poll::Ready(Ok(sent))
    }

    /// Makes sure that a range is in memory, and that the one behind it will be.
    fn poll_at_hand(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        file: &File,
        range: &Range<u64>,
    ) -> Poll<Result<(), ReadError>> {
        let (residency, now) = (&worker.residency, worker.now());
        let is_awaited = |filling: &Filling| filling.range.contains(&range.start);
        if !self.filling.as_ref().is_some_and(is_awaited) {
            if residency.is_cached(file, range, now) {
                return Poll::Ready(Ok(()));
            }
            self.is_cold = true;
            self.fill(worker, file, range.clone());
        }
        if let Some(filling) = &mut self.filling {
            ready!(filling.filled.poll_unpin(cx))?;
            residency.remember_filled(file, &filling.range, now);
            self.filling = None;
        }
        // Whatever is to be known of it now: it is sent. Not every file system keeps pages.
        self.fill_ahead(cx, worker, file, range.end);
        Poll::Ready(Ok(()))
    }

    /// Has the window that begins at `start` brought in while the one before it is sent.
    fn fill_ahead(&mut self, cx: &mut Context<'_>, worker: &Worker, file: &File, start: u64) {
        let Some(Extent::Source { range, .. }) = self.extents.get(self.place) else {
            return;
        };
        let next = start..range.end.min(start.saturating_add(self.window_bytes));
        if self.is_cold && !next.is_empty() {
            if worker.residency.is_cached(file, &next, worker.now()) {
                self.is_cold = false;
                return;
            }
            self.fill(worker, file, next);
            // Asked once, so that it begins; what becomes of it is seen when its turn has come.
            if let Some(filling) = &mut self.filling
                && filling.filled.poll_unpin(cx).is_ready()
            {
                self.filling = None;
            }
        }
    }

    fn fill(&mut self, worker: &Worker, file: &File, range: Range<u64>) {
        let filled = worker.residency.fill(file, range.clone(), worker.now());
        self.filling = Some(Filling { range, filled });
    }

    /// Makes sure that the file is still the one that was promised, unless that was just done.
    fn check(&mut self, file: &File) -> Result<(), SendError> {
        if !self.is_checked {
            file.check().map_err(SendError::Source)?;
            self.is_checked = true;
        }
        Ok(())
    }

    /// So many bytes of extents have been handed to the kernel, the last of them of this file.
    fn advance(&mut self, bytes: u64, file: &File) -> Result<(), ReadError> {
        if bytes == 0 {
            return Err(ReadError::Truncated);
        }
        self.sent += bytes;
        while let Some(extent) = self.extents.get(self.place)
            && extent.len() <= self.sent
        {
            self.sent -= extent.len();
            self.place += 1;
            if std::mem::take(&mut self.is_long) {
                // Once more at the end: what was handed over since the last look may have changed.
                file.check()?;
            }
        }
        Ok(())
    }

    fn begin_copying(&mut self, source: Arc<dyn Source>, range: Range<u64>) {
        let extents = Extents::from(Extent::Source { source, range });
        self.copying = Some(Box::new(ExtentBody::new(extents, Protocol::Http1)));
    }

    /// Reads the next piece of the present extent into memory, and returns its length; 0 when the
    /// window has been read.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, ReadError>> {
        let copying = self.copying.as_mut().expect("it is being copied");
        let Some(piece) = ready!(Pin::new(&mut **copying).poll_next(cx)).transpose()? else {
            self.copying = None;
            return Poll::Ready(Ok(0));
        };
        let length = piece.len() as u64;
        (self.memory, self.is_pooled) = (piece, true);
        self.sent += length;
        if self.extents.get(self.place).is_some_and(|extent| extent.len() <= self.sent) {
            (self.place, self.sent, self.copying) = (self.place + 1, 0, None);
        }
        Poll::Ready(Ok(length))
    }
}

/// Whose fault it is that a call from a file to a socket has failed.
fn whose(error: io::Error) -> SendError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::FAULT) => SendError::Source(ReadError::Truncated),
        Some(Errno::IO | Errno::INVAL | Errno::OVERFLOW | Errno::NOMEM | Errno::STALE) => {
            SendError::Source(error.into())
        }
        _ => SendError::Client(error),
    }
}
