//! Why a request is refused before anybody looks at what it asks for.

/// Travels with a request that is answered with an error and nothing else, so that every error is
/// made in one place. After it an HTTP/1 connection closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is no HTTP request, or its framing is not certain; what exactly is wrong with it.
    Malformed(&'static str),
    /// The target is longer than [`TARGET_BYTES_MAX`](super::http1::TARGET_BYTES_MAX).
    TargetTooLong,
    /// The head is longer than [`HEAD_BYTES_MAX`](super::http1::HEAD_BYTES_MAX), or has too many fields.
    HeadTooLarge,
    /// Its content comes in chunks, whose end nobody here would look for.
    LengthRequired,
    /// Its content is longer than the route that reads it takes; how many bytes that takes.
    ContentTooLarge(usize),
    /// The head, or the content behind it, took too long to arrive.
    Timeout,
    /// The client's address has as many connections as one may have.
    TooManyConnections,
    /// The connection has as many requests as one may have at a time.
    TooManyRequests,
}
