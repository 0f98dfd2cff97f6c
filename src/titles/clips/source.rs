//! The body of a clip.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};

use super::{Built, ClipFiles, Clips, Key};
use crate::{
    extent::{Charge, Extent, Extents, ReadError, Source, Totals, VirtualSource},
    package::clip::Layout,
    titles::Error,
};

/// A clip that is being sent. It holds no layout, so that a client that does not read costs a few hundred
/// bytes and its window.
#[derive(Debug)]
pub(super) struct VirtualClip {
    clips: Arc<Clips>,
    files: ClipFiles,
    key: Arc<Key>,
    totals: Totals,
    _charge: Charge,
}

impl VirtualClip {
    pub(super) fn new(
        clips: Arc<Clips>,
        files: ClipFiles,
        key: Arc<Key>,
        layout: &Layout,
        charge: Charge,
    ) -> Self {
        Self { clips, files, key, totals: layout.totals(), _charge: charge }
    }

    /// The layout, if the cache has it.
    fn layout_now(&self) -> Result<Option<Arc<Layout>>, ReadError> {
        let built = self.clips.cached(&self.key);
        built.map(|built| check(built, &self.totals)).transpose()
    }

    /// The layout, computed again if the cache has evicted it.
    fn layout(&self) -> impl Future<Output = Result<Arc<Layout>, ReadError>> + use<> {
        let (clips, files) = (Arc::clone(&self.clips), self.files.clone());
        let (key, totals) = (Arc::clone(&self.key), self.totals);
        async move {
            let built = clips.layout(&files, &key).await;
            check(built.map_err(read_error)?, &totals)
        }
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.files.file) as _
    }
}

/// A layout that was computed again must be the one that the head of the response promised.
fn check(built: Built, totals: &Totals) -> Result<Arc<Layout>, ReadError> {
    built.ok().filter(|layout| layout.totals() == *totals).ok_or(ReadError::Changed)
}

fn read_error(error: Error) -> ReadError {
    match error {
        Error::Read(error) => error,
        Error::StorageUnavailable(cause) => cause.into(),
        error => ReadError::Io(std::io::Error::other(error)),
    }
}

impl VirtualSource for VirtualClip {
    fn window_now(&self, range: Range<u64>) -> Result<Option<Extents>, ReadError> {
        let Some(layout) = self.layout_now()? else { return Ok(None) };
        let window = layout.window(range, &self.source());
        window.map(Some).map_err(|_| ReadError::Changed)
    }

    fn window(&self, range: Range<u64>) -> BoxFuture<'static, Result<Extents, ReadError>> {
        let (layout, source) = (self.layout(), self.source());
        async move { layout.await?.window(range, &source).map_err(|_| ReadError::Changed) }.boxed()
    }

    fn totals(&self) -> Totals {
        self.totals
    }
}

/// Byte for byte, for connections that copy.
impl Source for VirtualClip {
    fn len(&self) -> u64 {
        self.totals.in_memory + self.totals.in_file
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let Some(layout) = self.layout_now()? else { return Ok(None) };
        match layout.first_extent(range, &self.source()) {
            Ok(Some(Extent::Memory(bytes))) => Ok(Some(bytes)),
            Ok(Some(Extent::Source { source, range })) => source.read_now(range),
            Ok(None) | Err(_) => Err(ReadError::Changed),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        async move {
            match self.layout().await?.first_extent(range, &self.source()) {
                Ok(Some(Extent::Memory(bytes))) => Ok(bytes),
                Ok(Some(Extent::Source { source, range })) => source.read(range).await,
                Ok(None) | Err(_) => Err(ReadError::Changed),
            }
        }
        .boxed()
    }

    fn as_virtual(&self) -> Option<&dyn VirtualSource> {
        Some(self)
    }
}
