//! Edit lists of several parts (kind K3).
