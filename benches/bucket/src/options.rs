//! The command line, with its defaults.

use std::path::PathBuf;

use clap::Parser;

use crate::cell::Cell;

/// Measure what a bucket costs a Headwater: CPU per byte beside a folder, and memory of slow downloads.
#[derive(Debug, Parser)]
#[command(name = "bucket", version)]
pub struct Options {
    /// The Headwater binary.
    #[arg(long, value_name = "FILE", default_value = "target/release/headwater")]
    pub headwater: PathBuf,

    /// A Python that has moto, the S3 server of the tests: `scripts/setup test` installs it.
    #[arg(long, value_name = "FILE", default_value = "target/bucket/bin/python")]
    pub python: PathBuf,

    /// The loads: a range size (`64k`, `1m`), `segments` for video segments of HLS, `memory` for slow
    /// downloads, `hedge` for cold objects of which some come late.
    #[arg(
        long,
        value_name = "CELL",
        value_delimiter = ',',
        default_value = "64k,256k,1m,segments,memory,hedge"
    )]
    pub cells: Vec<Cell>,

    /// Seconds of load per turn.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,

    /// Turns of each root in every cell.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub turns: u64,

    /// Connections of a load.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub connections: u16,

    /// Number of titles.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub titles: u64,

    /// Duration of each of them, in seconds.
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(20..=36000))]
    pub title_s: u64,

    /// Slow downloads at a time, of the cell `memory`.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub viewers: u16,

    /// Number of objects, of the cell `hedge`.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(100..=100_000))]
    pub objects: u64,

    /// Folder for files, caches and logs, on a disk; the program makes a folder in it and deletes it at the
    /// end.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch: PathBuf,

    /// The core of the server.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub server_core: usize,

    /// The core of the clients and of this program.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub client_core: usize,

    /// The congestion control of the server's connections.
    #[arg(long, value_name = "NAME", default_value = "cubic")]
    pub congestion: String,

    /// Seed of offsets; equal seeds request equal ranges.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_match_the_readme() {
        let options = Options::parse_from(["bucket"]);
        assert_eq!(options.cells.len(), 6);
        assert_eq!((options.seconds, options.turns, options.connections), (3, 7, 32));
        assert_eq!((options.titles, options.title_s, options.viewers), (4, 300, 200));
        assert_eq!(options.objects, 2000);
    }
}
