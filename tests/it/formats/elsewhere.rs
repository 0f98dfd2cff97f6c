//! Media in another file, and compressed movie headers (kind K15).
