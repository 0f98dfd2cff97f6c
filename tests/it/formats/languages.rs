//! Languages and track names (kind K12).
