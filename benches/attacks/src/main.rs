//! Attacks a Headwater of its own, and measures what innocent clients notice.
//!
//! For each attack it starts the given binary in a control group with little memory, and lets innocent
//! clients at one address ask for pages, posters, clips and ranges: first in quiet, then while hostile
//! clients at another address attack, then afterwards. A row of the table says what the server used
//! and what the innocents waited; a verdict compares both with what [`outcome`] allows.
//!
//! A `Drop` ends everything that must not outlive the program: servers, control groups, files.

mod attacks;
mod bench;
mod cage;
mod hostile;
mod http1;
mod innocent;
#[path = "../../peers/src/interrupt.rs"]
mod interrupt; // the one of the other bench: both end what they started on Ctrl-C
mod latency;
mod library;
mod options;
mod outcome;
mod report;
mod server;
mod soak;
mod thread;
mod trial;
mod usage;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    let options = options::Options::parse();
    let chosen = options.chosen()?;
    if options.list {
        report::list(&chosen);
        return Ok(ExitCode::SUCCESS);
    }
    interrupt::install()?;
    let held = match options.soak {
        Some(minutes) => soak::run(&options, &chosen, minutes)?,
        None => bench::run(&options, &chosen)?,
    };
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
