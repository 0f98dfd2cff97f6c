//! Measures Headwater beside other file servers on this machine.
//!
//! Every peer serves the same files from one core (or two) while a client on another core asks
//! for them; the peers take turns, so that what drifts on the machine drifts for all of them.
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
mod disk;
mod interrupt;
mod library;
mod long;
mod machine;
mod memory;
mod options;
mod paused;
mod peers;
mod process;
mod queue;
mod random;
mod report;
mod requests;
mod rounds;
mod served;
mod stage;
mod stats;
mod titles;
mod trace;
mod tree;
mod turn;
mod verify;

use clap::Parser;

use options::Role;

fn main() -> anyhow::Result<()> {
    let options = options::Options::parse();
    if let Some(Role::ActixFiles { media, workers }) = &options.role {
        return peers::actix_files::serve(media, *workers);
    }
    if let Some(svg) = options.svg.as_ref().filter(|_| !options.redraw.is_empty()) {
        return report::chart::redraw(&options.redraw, svg);
    }
    interrupt::install()?;
    bench::run(&options)
}
