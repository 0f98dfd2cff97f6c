//! Frame rates (kind K6).
