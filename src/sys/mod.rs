//! Operating system calls, and the only `unsafe` code.
//!
//! Each folder is one seam: what Linux offers, and what takes its place on other systems.

pub mod file;
pub mod net;
pub mod sandbox;
pub mod sched;
