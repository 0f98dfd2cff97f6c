//! The refusal of a request before it reaches a route.

/// The most bytes of a refused request line that are kept.
const LINE_BYTES_MAX: usize = 1024;

/// The reason of a refusal. The extensions of the refused request carry it, so that one place writes every
/// error response. After that response an HTTP/1 connection closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The bytes are no HTTP request, or its framing is ambiguous; with the reason.
    Malformed(&'static str),
    /// The target is longer than [`TARGET_BYTES_MAX`](super::http1::TARGET_BYTES_MAX).
    TargetTooLong,
    /// The head is longer than [`HEAD_BYTES_MAX`](super::http1::HEAD_BYTES_MAX), or has too many fields.
    HeadTooLarge,
    /// The content is chunked, and no route decodes chunks.
    LengthRequired,
    /// The content is longer than its route accepts; the limit in bytes.
    ContentTooLarge(usize),
    /// The head, or the content behind it, took too long to arrive.
    Timeout,
}

/// The first line of a refused head, as far as it arrived, for the log. The extensions of the request that
/// takes the place of the refused one carry it.
#[derive(Clone, Debug)]
pub struct RefusedLine(Box<[u8]>);

impl RefusedLine {
    /// Finds the line in the received bytes.
    pub(super) fn find(received: &[u8]) -> Self {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let mut lines = received.split(is_line_end);
        let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
        Self(line[..line.len().min(LINE_BYTES_MAX)].into())
    }

    /// The bytes of the line; none if nothing arrived.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
