//! Measures Headwater beside other file servers on this machine.
//!
//! Every peer serves the same files from one core while a client on another core requests them. The
//! peers take turns, so that drift of the machine affects all of them. Two figures count: CPU time
//! per request, and, with a client that discards bodies in the kernel, requests per second per core.
//! With a client that copies, the client is usually the slower side, and its requests per second say
//! little about the server.
//!
//! A `Drop` ends everything that must not outlive the program: servers, files, the changed
//! congestion control.

pub mod bench;
pub mod cell;
pub mod clients;
pub mod congestion;
mod cpu;
pub mod dataset;
mod disk;
pub mod interrupt;
mod library;
pub mod machine;
mod memory;
pub mod options;
mod paused;
pub mod peers;
pub mod process;
mod queue;
pub mod random;
pub mod report;
pub mod requests;
mod rounds;
mod served;
mod stage;
pub mod stats;
pub mod titles;
mod tree;
pub mod turn;
pub mod units;
pub mod verify;
