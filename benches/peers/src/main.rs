//! Measures Headwater beside other file servers on this machine.
//!
//! Every peer serves the same files from one core while a client on another core asks for
//! them; the peers take turns, so that what drifts on the machine drifts for all of them.
//! The figure that counts is CPU time per request and per byte: over loopback the client is
//! usually the slower side, and then requests per second say little about the server.
//!
//! `main` parses and hands over; [`bench::run`] does the work, and everything that must not
//! outlive it (servers, files, the changed congestion control) is ended by a `Drop`.

mod bench;
mod cell;
mod clients;
mod congestion;
mod cpu;
mod dataset;
mod interrupt;
mod machine;
mod options;
mod peers;
mod process;
mod random;
mod report;
mod requests;
mod rounds;
mod stats;
mod turn;
mod verify;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    let options = options::Options::parse();
    interrupt::install()?;
    bench::run(&options)
}
