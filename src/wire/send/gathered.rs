//! Sends bytes of a file that were gathered into memory.

use std::{
    ops::Range,
    task::{Context, Poll, ready},
};

use super::{ResponseObserver, ResponseSender, SendError};
use crate::{
    extent::Gathered,
    sys::net::{self, Slice},
    telemetry::SentBy,
    wire::socket::Socket,
};

impl ResponseSender {
    /// Sends the bytes in memory and gathered bytes of a file, or the first part of both.
    pub(super) fn poll_gathered(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        observer: &mut impl ResponseObserver,
        gathered: &Gathered,
        window: Range<u64>,
    ) -> Poll<Result<u64, SendError>> {
        let file = gathered.file();
        self.check(file)?;
        let end = window.end.min(window.start.saturating_add(self.turn_bytes_max(socket)));
        let part = gathered.part(&(window.start..end)).map_err(SendError::Source)?;
        let end = self.sent + part.len() as u64;
        let is_cut = self.extents.get(self.current).is_some_and(|extent| extent.len() > end);
        let more = is_cut || self.extents.get(self.current + 1).is_some();
        let slices = [Slice::Memory(&self.memory), Slice::Memory(&part)];
        let wanted = self.memory.len() + part.len();
        let written = socket.poll_write(cx, wanted, |fd| net::send_slices(fd, &slices, more));
        self.waits_for_client = written.is_pending();
        let written = ready!(written).map_err(SendError::Client)?;
        let from_memory = written.min(self.memory.len());
        self.advance_memory(from_memory, observer);
        let sent = (written - from_memory) as u64;
        observer.sent(sent, SentBy::Memory);
        if sent > 0 {
            self.advance(sent, file).map_err(SendError::Source)?;
        }
        Poll::Ready(Ok(sent))
    }
}
