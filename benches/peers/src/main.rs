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

mod bench;
mod cell;
mod clients;
mod congestion;
mod cpu;
mod dataset;
mod disk;
mod interrupt;
mod library;
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
mod tree;
mod turn;
mod units;
mod verify;

use clap::Parser;

use options::Role;

fn main() -> anyhow::Result<()> {
    let options = options::Options::parse();
    if let Some(Role::ActixFiles { media, workers }) = &options.role {
        return peers::actix_files::serve(media, *workers);
    }
    if let Some(svg) = options.svg.as_ref().filter(|_| !options.redraw.is_empty()) {
        return report::redraw(&options.redraw, svg);
    }
    interrupt::install()?;
    bench::run(&options)
}
