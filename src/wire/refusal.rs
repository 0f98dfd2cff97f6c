//! The refusal of a request before it reaches a route.

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
    /// The connection has too many concurrent requests.
    TooManyRequests,
}
