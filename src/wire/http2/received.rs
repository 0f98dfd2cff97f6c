//! Received bytes on their way to h2.
//!
//! As soon as h2 knows the length of a frame, it allocates memory for all of it. So a frame that is longer
//! than h2's first buffer is held back until all of it has arrived: a client that announces a long frame, and
//! sends a few bytes of it, costs a few bytes.

use bytes::{Buf as _, BytesMut};
use tokio::io::ReadBuf;

/// Bytes that wait for h2, or for the rest of their frame.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Bytes that h2 gets next.
    ready: BytesMut,
    /// The beginning of a long frame.
    held: BytesMut,
}

impl Received {
    /// Whether h2 has bytes to get.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the beginning of a long frame is held back.
    pub(super) fn holds_frame(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives h2 as many bytes as it takes.
    pub(super) fn take(&mut self, into: &mut ReadBuf<'_>) {
        let length = self.ready.len().min(into.remaining());
        into.put_slice(&self.ready[..length]);
        self.ready.advance(length);
        if self.ready.is_empty() {
            self.ready = BytesMut::new();
        }
    }

    /// Adds bytes, of which, together with those that are held, the last `incomplete` are to be held back.
    pub(super) fn add(&mut self, bytes: &[u8], incomplete: usize) {
        self.held.extend_from_slice(bytes);
        let complete = self.held.len().saturating_sub(incomplete);
        if incomplete == 0 {
            self.ready = std::mem::take(&mut self.held);
        } else if complete > 0 {
            let rest = BytesMut::from(&self.held[complete..]);
            self.held.truncate(complete);
            self.ready = std::mem::replace(&mut self.held, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(received: &mut Received) -> Vec<u8> {
        let mut buffer = [0; 100];
        let mut into = ReadBuf::new(&mut buffer);
        received.take(&mut into);
        into.filled().to_vec()
    }

    #[test]
    fn the_beginning_of_a_long_frame_waits_for_its_end() {
        let mut received = Received::default();
        received.add(b"short, lo", 2);
        assert_eq!(take(&mut received), b"short, ");
        received.add(b"n", 3);
        assert!(received.holds_frame() && !received.is_ready());
        received.add(b"g, ne", 2);
        assert_eq!(take(&mut received), b"long, ");
        received.add(b"xt", 0);
        assert_eq!(take(&mut received), b"next");
        assert!(!received.holds_frame() && !received.is_ready());
    }
}
