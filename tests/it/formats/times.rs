//! Times that make no sense (kind K5).
