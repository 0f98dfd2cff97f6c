//! Fair shares of bounded resources, so that no client takes one from all others.
//!
//! A [`ClientKey`] says on whose account work is done. [`Shares`] gives out the places of a resource that
//! clients hold for long, such as connections. [`FairQueue`] orders the calls that wait for a thread, and
//! [`FairPermits`] those that wait for each other.

mod client_key;
mod fair_permits;
mod fair_queue;
mod places;

pub use client_key::ClientKey;
pub use fair_permits::{FairPermit, FairPermits};
pub use fair_queue::FairQueue;
pub use places::{REVOKED, Refused, Share, Shares};
