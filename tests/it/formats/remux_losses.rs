//! What remuxing must keep (kind K10).
