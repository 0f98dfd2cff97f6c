//! A movie's index: tracks, samples, time. Bytes in, facts out; what they are for is decided above.

pub mod codec;
