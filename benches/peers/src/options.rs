//! What can be typed on the command line, with its defaults.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::cell::Cell;

/// Measure Headwater beside nginx: CPU per byte and per request, in turn, one core each.
#[derive(Debug, Parser)]
#[command(name = "peers", version)]
pub struct Options {
    /// The Headwater binary to measure.
    #[arg(long, value_name = "FILE", default_value = "target/release/headwater")]
    pub headwater: PathBuf,

    /// A further argument for `headwater serve`; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub headwater_arg: Vec<String>,

    /// The nginx binary to measure.
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nginx")]
    pub nginx: PathBuf,

    /// Measure this family of peers only; the ratio is then to the best peer that is left.
    #[arg(long, value_name = "FAMILY")]
    pub only: Option<Family>,

    /// What to measure: a range size (`4k`, `1m`), a size and its connections (`256k@1000`),
    /// or `whole` for complete downloads of one large file.
    #[arg(
        long,
        value_name = "CELL",
        value_delimiter = ',',
        default_value = "4k,64k,256k,1m,4m,whole,256k@1000"
    )]
    pub cells: Vec<Cell>,

    /// Seconds of load per turn (whole-file cells take as long as their downloads do).
    #[arg(long, value_name = "S", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,

    /// Turns of every peer in every cell; the medians are taken over them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub turns: u64,

    /// Files that ranges are asked of.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub files: u64,

    /// Size of each of them, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub file_mib: u64,

    /// Size of the file that is downloaded whole, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub whole_mib: u64,

    /// Give every peer its own copy of the files and let it bring them into the page cache
    /// itself: how it does that decides what sending them costs later. Otherwise all send the
    /// same pages, read by this program. Needs memory for all copies.
    #[arg(long)]
    pub own_copies: bool,

    /// Where to put the files, logs and server state; a folder made there is deleted at the end.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch: PathBuf,

    /// The core that all servers run on.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub server_core: usize,

    /// The core that the clients and this program run on.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub client_core: usize,

    /// The congestion control that every server's connections get.
    #[arg(long, value_name = "NAME", default_value = "cubic")]
    pub congestion: String,

    /// Where random file contents and offsets start from; equal seeds ask for equal ranges.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Write every turn's raw figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Peers that share a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Family {
    Headwater,
    Nginx,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_what_the_readme_says() {
        let options = Options::parse_from(["peers"]);
        assert_eq!(options.cells.len(), 7);
        assert_eq!((options.seconds, options.turns), (4, 5));
        assert_eq!(options.files * options.file_mib, 512);
        assert_eq!((options.server_core, options.client_core), (0, 1));
    }

    #[test]
    fn hyphenated_server_arguments_are_taken_as_they_are() {
        let options = Options::parse_from(["peers", "--headwater-arg", "--tcp-congestion=cubic"]);
        assert_eq!(options.headwater_arg, ["--tcp-congestion=cubic"]);
    }
}
