//! A sink in memory, for reads past a cache that cannot store.

use std::{
    io,
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::fetch::Sink;
use crate::extent::disk::{Buffer, Buffers};

/// The bytes of a range of at most a buffer.
#[derive(Debug)]
pub(super) struct Collected {
    range: Range<u64>,
    buffers: Buffers,
    /// The longest wait for a buffer.
    longest: Duration,
    /// `None` until the first bytes are there: what waits for a response holds no buffer.
    buffer: Mutex<Option<Buffer>>,
}

impl Collected {
    pub(super) fn new(range: Range<u64>, buffers: Buffers, longest: Duration) -> Self {
        Self { range, buffers, longest, buffer: Mutex::default() }
    }

    /// The bytes, once all are there.
    pub(super) fn take(&self) -> Bytes {
        let len = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        self.swap(None).map_or_else(Bytes::new, |buffer| buffer.freeze(len))
    }

    fn swap(&self, buffer: Option<Buffer>) -> Option<Buffer> {
        std::mem::replace(&mut self.buffer.lock().unwrap_or_else(PoisonError::into_inner), buffer)
    }
}

impl Sink for Collected {
    async fn missing(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        Ok(vec![range])
    }

    async fn store(&self, offset: u64, bytes: Bytes) -> io::Result<()> {
        let len =
            |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let start = offset.max(self.range.start);
        let end = offset.saturating_add(bytes.len() as u64).min(self.range.end);
        if start >= end {
            return Ok(());
        }
        let mut buffer = match self.swap(None) {
            Some(buffer) => buffer,
            None => {
                let taken = self.buffers.take(self.longest).await;
                taken.ok_or_else(|| io::Error::other("all of body_buffers_mib is in use"))?
            }
        };
        let into = &mut buffer.front(len(self.range.start, end))[len(self.range.start, start)..];
        into.copy_from_slice(&bytes[len(offset, start)..len(offset, end)]);
        self.swap(Some(buffer));
        Ok(())
    }
}
