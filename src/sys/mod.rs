//! Operating system calls, and the only `unsafe` code.
//!
//! Each folder is one seam: the calls of Linux, and their substitutes on other systems.

pub mod file;
pub mod memory;
pub mod net;
pub mod sandbox;
pub mod sched;
