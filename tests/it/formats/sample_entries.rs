//! Tracks with several sample entries (kind K4).
