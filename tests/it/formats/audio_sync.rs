//! Audio whose samples are flagged as not sync (kind K2).
