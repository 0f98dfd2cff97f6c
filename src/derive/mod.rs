//! What is made of a title by decoding it.

pub mod ladder;
