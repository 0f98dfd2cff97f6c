//! Fair shares of bounded resources, so that no client takes one from all others.
//!
//! A [`ClientKey`] says on whose account work is done.

mod client_key;

pub use client_key::ClientKey;
