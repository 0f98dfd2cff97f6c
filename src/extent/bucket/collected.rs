//! A sink in memory, for reads past a cache that cannot store.

use std::{
    io,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};

use super::fetch::Sink;

/// The bytes of one flight, which arrive in order.
#[derive(Debug, Default)]
pub(super) struct Collected(Mutex<BytesMut>);

impl Collected {
    /// What has arrived.
    pub(super) fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).freeze()
    }
}

impl Sink for Collected {
    async fn missing(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        Ok(vec![range])
    }

    async fn store(&self, _: u64, bytes: Bytes) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes);
        Ok(())
    }
}
