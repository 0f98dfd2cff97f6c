//! Interlaced video (kind K11).
