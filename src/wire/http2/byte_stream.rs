//! The byte stream below a connection.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
    ops::Range,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use socket2::SockRef;
use tokio::{
    io::{Interest, ReadBuf},
    net::TcpStream,
};

use crate::{
    extent::{File, Source, disk::PageReferences},
    sys::net,
    wire::notsent_limit::NotSentLimit,
};

/// A connection's bytes: of a TCP connection, and later of TLS over one.
pub(in crate::wire) trait ByteStream {
    /// Reads bytes that have arrived. None: the client will send no more.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;

    /// Writes bytes in memory. `more` announces that more follow at once.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>>;

    /// Whether [`poll_send_file`](Self::poll_send_file) can send a file, as far as is known before.
    fn sends_file(&mut self, file: &File) -> bool;

    /// Sends a range of a file from the page cache. Ready with `None`: it must be read, and written.
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        source: &Arc<dyn Source>,
        range: &Range<u64>,
    ) -> Poll<io::Result<Option<usize>>>;

    /// Holds back partial packets, or releases them.
    fn set_cork(&self, is_corked: bool);

    /// Waits until a write would accept bytes. It may also be ready when none would be accepted.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether the connection was aborted, because a writer waited for a file that is being sent.
    fn is_aborted(&self) -> bool;

    /// Closes the sending side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A TCP connection without encryption.
pub(in crate::wire) struct Cleartext {
    /// Shared with `page_references`.
    stream: Arc<TcpStream>,
    notsent_limit: NotSentLimit,
    /// The files to whose pages the socket may refer, from the first send from a file on.
    page_references: Option<Arc<PageReferences>>,
}

impl Cleartext {
    pub(in crate::wire) fn new(stream: TcpStream, notsent_limit: NotSentLimit) -> Self {
        Self { stream: Arc::new(stream), notsent_limit, page_references: None }
    }

    fn page_references(&mut self) -> &Arc<PageReferences> {
        let new = || PageReferences::new(Arc::clone(&self.stream) as _);
        self.page_references.get_or_insert_with(new)
    }

    /// Calls `send`, which sends up to `wanted` bytes without blocking, once the socket accepts some.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut send: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let (mut sent, mut is_full) = (None, false);
            let result = self.stream.try_io(Interest::WRITABLE, || {
                let bytes = *sent.insert(send(self.stream.as_fd())?);
                // Less than wanted has usually filled the socket. If not, no event would announce that it is
                // writable.
                is_full = bytes < wanted && !net::has_room(self.stream.as_fd())?;
                if is_full { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if let Some(bytes) = sent {
                self.record(bytes, is_full);
                return Poll::Ready(Ok(bytes));
            }
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) => {}
            }
            ready!(self.stream.poll_write_ready(cx))?;
        }
    }

    fn record(&mut self, sent: usize, is_full: bool) {
        if let Some(references) = &self.page_references {
            references.count_written(sent);
        }
        self.notsent_limit.record(sent);
        if is_full && let Some(limit) = self.notsent_limit.adapt(Instant::now()) {
            // If the call fails, the previous limit stays.
            let _ = net::set_notsent_lowat(&*self.stream, limit);
        }
    }
}

impl ByteStream for Cleartext {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.stream.try_read_buf(into) {
                Ok(received) => {
                    if received > 0 && into.remaining() > 0 {
                        // A short read has emptied the socket, and no second one need confirm that.
                        let is_empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                        let _ = self.stream.try_io(Interest::READABLE, is_empty);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.stream.poll_read_ready(cx))?;
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.poll_send(cx, wanted, |socket| net::send_vectored(socket, slices, more))
    }

    fn sends_file(&mut self, file: &File) -> bool {
        file.is_sendable()
            && file.changeable().is_none_or(|file| self.page_references().prepare(file))
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        source: &Arc<dyn Source>,
        range: &Range<u64>,
    ) -> Poll<io::Result<Option<usize>>> {
        let sendable = source.as_file().filter(|file| self.sends_file(file));
        let Some((file, piece)) = sendable.and_then(|file| Some((file, file.piece(range.start)?)))
        else {
            return Poll::Ready(Ok(None));
        };
        let references = Arc::clone(self.page_references());
        let wanted =
            usize::try_from((range.end - range.start).min(piece.len)).unwrap_or(usize::MAX);
        let mut is_refused = false;
        let send = |socket: BorrowedFd<'_>| {
            let sendfile = || net::sendfile(socket, piece.as_fd(), piece.offset, wanted);
            let sent = match file.changeable() {
                Some(file) => references.send_by_reference(file, sendfile),
                None => Some(sendfile()),
            };
            is_refused = sent.is_none();
            sent.unwrap_or(Err(io::ErrorKind::ResourceBusy.into()))
        };
        let polled = ready!(self.poll_send(cx, wanted, send));
        if is_refused {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(polled.inspect(|sent| file.record_sent(*sent as u64)).map(Some))
    }

    fn set_cork(&self, is_corked: bool) {
        // If the call fails, more packets than necessary are sent.
        let _ = net::set_cork(&*self.stream, is_corked);
    }

    /// Asks the kernel: what a full socket does not accept would have been read in vain, and would wait in
    /// memory.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_room = || match net::has_room(self.stream.as_fd())? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        loop {
            match self.stream.try_io(Interest::WRITABLE, has_room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                asked => return Poll::Ready(asked),
            }
        }
    }

    fn is_aborted(&self) -> bool {
        self.page_references.as_ref().is_some_and(|references| references.is_aborted())
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.stream).shutdown(Shutdown::Write))
    }
}
