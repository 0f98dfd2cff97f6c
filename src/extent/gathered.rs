//! Bytes of a file that were gathered from many places into memory.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};

use super::{File, ReadError, Source};

/// Bytes of a file in one piece in memory, with what is between them in a response. They are sent only while the
/// file still has them: its change cuts a response, as if the file itself were sent.
#[derive(Debug)]
pub struct Gathered {
    file: Arc<File>,
    bytes: Bytes,
}

impl Gathered {
    /// Bytes that were gathered from this file, in its present state.
    pub fn new(file: Arc<File>, bytes: Bytes) -> Self {
        Self { file, bytes }
    }

    /// The file, which must be checked before bytes are sent.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The bytes of a range.
    pub fn part(&self, range: &Range<u64>) -> Result<Bytes, ReadError> {
        let at = |offset| usize::try_from(offset).map_err(|_| ReadError::Truncated);
        let (start, end) = (at(range.start)?, at(range.end)?);
        let is_inside = start < end && end <= self.bytes.len();
        if is_inside { Ok(self.bytes.slice(start..end)) } else { Err(ReadError::Truncated) }
    }
}

impl Source for Gathered {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        if !self.file.is_sendable() {
            return Ok(None);
        }
        self.file.check()?;
        self.part(&range).map(Some)
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        async move {
            self.file.run_in_pool(File::check).await??;
            self.part(&range)
        }
        .boxed()
    }

    fn as_gathered(&self) -> Option<&Gathered> {
        Some(self)
    }
}
