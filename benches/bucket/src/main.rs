//! Measures what a bucket costs a Headwater, beside the same files in a folder of the same server.
//!
//! Both roots take turns under equal requests, so that drift of the machine affects both. The figure that
//! counts is CPU time of the server per byte: everything is in the cache, and what remains is the way from a
//! name to the socket. A second part measures memory: slow downloads from a bucket, with a cache that is much
//! larger than memory, and with a disk that has no room for one. A third counts what hedges do to cold requests, and
//! what they cost.

mod bench;
mod cell;
mod cost;
#[path = "../../../tests/it/support/fault_proxy.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod fault_proxy;
mod hedge;
mod memory;
mod moto;
mod options;
mod origin;
mod slow_viewers;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    let options = options::Options::parse();
    peers::interrupt::install()?;
    bench::run(&options)
}
