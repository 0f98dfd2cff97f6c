//! Windows of virtual sources: the extents that a response holds at a time.

use std::{
    ops::Range,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, future::BoxFuture};

use crate::extent::{Extents, ReadError, VirtualSource};

/// Finds the next window of a virtual source.
#[derive(Default)]
pub(super) struct WindowFinder {
    /// The computation in progress.
    finding: Option<BoxFuture<'static, Result<Extents, ReadError>>>,
}

impl WindowFinder {
    /// Whether a window is being computed.
    pub(super) fn is_active(&self) -> bool {
        self.finding.is_some()
    }

    /// The extents of the first bytes of `range`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &dyn VirtualSource,
        range: &Range<u64>,
    ) -> Poll<Result<Extents, ReadError>> {
        if self.finding.is_none()
            && let Some(window) = source.window_now(range.clone())?
        {
            return Poll::Ready(Ok(window));
        }
        let finding = self.finding.get_or_insert_with(|| source.window(range.clone()));
        let window = ready!(finding.poll_unpin(cx));
        self.finding = None;
        Poll::Ready(window)
    }
}
