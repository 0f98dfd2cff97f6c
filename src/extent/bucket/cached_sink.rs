//! The cache as the place where fetched bytes go.

use std::{io, ops::Range};

use bytes::Bytes;

use super::{CachedObject, Sink};

impl Sink for CachedObject {
    async fn missing(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        self.in_pool(move |cached| Self::missing(cached, range)).await.map_err(io::Error::other)
    }

    async fn store(&self, offset: u64, bytes: Bytes) -> io::Result<()> {
        let store = move |cached: &Self| Self::store(cached, offset, &bytes);
        self.in_pool(store).await.map_err(io::Error::other)?
    }
}
