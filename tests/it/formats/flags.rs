//! Default, forced and enabled flags (kind K9).
