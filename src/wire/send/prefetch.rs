//! Reads ranges of a file into the page cache before they are sent.

use std::{
    ops::Range,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, future::BoxFuture};
use rustix::io::Errno;

use crate::{
    extent::{File, ReadError},
    wire::io_thread::IoThread,
};

/// Whether a range can be sent from the page cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Availability {
    /// The range is in the page cache, or on a file system that has none.
    Cached,
    /// A part of the range cannot be read. A sendfile(2) of that part would try the disk again, and the I/O
    /// thread would wait for it.
    Unreadable,
}

/// Reads the range that is to be sent, and then the next one ahead, in the disk pool.
#[derive(Default)]
pub(super) struct Prefetcher {
    /// The read in progress: of the range that is to be sent, or of the next.
    read: Option<Read>,
    /// Whether the file is not in the page cache, so that reading ahead pays.
    is_cold: bool,
}

struct Read {
    range: Range<u64>,
    done: BoxFuture<'static, Result<(), ReadError>>,
}

impl Prefetcher {
    /// Whether a read is in progress.
    pub(super) fn is_active(&self) -> bool {
        self.read.is_some()
    }

    /// Waits until a range is available, and then starts to read the `next` one, if there is one and the
    /// file is cold.
    pub(super) fn poll_available(
        &mut self,
        cx: &mut Context<'_>,
        io_thread: &IoThread,
        file: &File,
        range: &Range<u64>,
        next: Range<u64>,
    ) -> Poll<Result<Availability, ReadError>> {
        let is_expected = |read: &Read| read.range.contains(&range.start);
        if !self.read.as_ref().is_some_and(is_expected) {
            if io_thread.page_cache.is_cached(file, range, io_thread.now()) {
                if file.changeable().is_none() {
                    // What was fetched ahead comes to an end, too.
                    file.expect(&next);
                }
                return Poll::Ready(Ok(Availability::Cached));
            }
            self.is_cold = true;
            self.start(io_thread, file, range.clone());
        }
        if let Some(read) = &mut self.read {
            let result = ready!(read.done.poll_unpin(cx));
            if result.is_ok() {
                io_thread.page_cache.record_populated(file, &read.range, io_thread.now());
            }
            self.read = None;
            if availability(result)? == Availability::Unreadable {
                return Poll::Ready(Ok(Availability::Unreadable));
            }
        }
        // Sent without another check: not every file system keeps pages.
        self.read_ahead(cx, io_thread, file, next);
        Poll::Ready(Ok(Availability::Cached))
    }

    /// Starts to read a window while the one before it is sent.
    fn read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        io_thread: &IoThread,
        file: &File,
        next: Range<u64>,
    ) {
        if !self.is_cold || next.is_empty() {
            return;
        }
        if file.changeable().is_none() {
            // Fetched ahead, and read into the page cache by that.
            file.expect(&next);
            return;
        }
        if io_thread.page_cache.is_cached(file, &next, io_thread.now()) {
            self.is_cold = false;
            return;
        }
        self.start(io_thread, file, next);
        // Polled once to start the read; its result is used when the window is due.
        if let Some(read) = &mut self.read
            && read.done.poll_unpin(cx).is_ready()
        {
            self.read = None;
        }
    }

    fn start(&mut self, io_thread: &IoThread, file: &File, range: Range<u64>) {
        let done = io_thread.page_cache.populate(file, range.clone(), io_thread.now());
        self.read = Some(Read { range, done });
    }
}

/// The availability of a range after its read. An unreadable range is copied, which sends every byte before
/// the unreadable one.
fn availability(read: Result<(), ReadError>) -> Result<Availability, ReadError> {
    match read {
        Ok(()) => Ok(Availability::Cached),
        // The kernel reports a failed read of a mapped page as EFAULT.
        Err(ReadError::Io(error))
            if matches!(Errno::from_io_error(&error), Some(Errno::FAULT | Errno::IO)) =>
        {
            Ok(Availability::Unreadable)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extent::disk::Unavailable;

    #[test]
    fn an_unreadable_range_is_not_sent_from_the_page_cache() {
        let available = |read| availability(read).ok();
        assert_eq!(available(Ok(())), Some(Availability::Cached));
        for errno in [Errno::FAULT, Errno::IO] {
            let failed = Err(ReadError::Io(errno.into()));
            assert_eq!(available(failed), Some(Availability::Unreadable), "{errno}");
        }
        let stale = ReadError::Io(Errno::STALE.into());
        for other in [stale, ReadError::Unavailable(Unavailable::Deadline)] {
            assert_eq!(available(Err(other)), None);
        }
    }
}
