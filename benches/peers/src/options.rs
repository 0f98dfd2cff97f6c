//! The command line, with its defaults.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::cell::Cell;

/// Measure Headwater beside other file servers: CPU per byte and per request, in turns.
#[derive(Debug, Parser)]
#[command(name = "peers", version, args_override_self = true)]
pub struct Options {
    /// The Headwater binary.
    #[arg(long, value_name = "FILE", default_value = "target/release/headwater")]
    pub headwater: PathBuf,

    /// A further argument for `headwater serve`; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub headwater_arg: Vec<String>,

    /// The nginx binary.
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nginx")]
    pub nginx: PathBuf,

    /// The servers to measure. Without nginx, ratios are to the best of them.
    #[arg(
        long,
        value_name = "FAMILY",
        value_enum,
        value_delimiter = ',',
        default_value = "headwater,nginx,caddy,actix-files,node"
    )]
    pub peers: Vec<Family>,

    /// The loads: a range size (`4k`, `1m`), a size and its connections (`256k@1000`), `whole` for
    /// complete downloads of one large file, `beside-cold` for hot ranges beside downloads from the
    /// disk, `hls-video` and `hls-audio` for segments, which nginx sends as files, `paused` or `paused@N` for the
    /// memory of viewers that stop reading. Of the queue beside bare ffmpeg: `storyboard`,
    /// `rendition`, `responsive`.
    /// With `:own`, each server reads its own copy of the files from the disk. With `:drain`, the
    /// client discards bodies in the kernel, so that the server's core is the bottleneck. `:own`,
    /// `:drain`, segments and `paused` are for Headwater and nginx only.
    #[arg(
        long,
        value_name = "CELL",
        value_delimiter = ',',
        default_value = "4k,64k,256k,1m,4m,whole,256k@1000,4k:h2,64k:h2,1m:h2,\
                         4k:drain,64k:drain,256k:drain,1m:drain,4m:drain,256k@1000:drain,\
                         beside-cold,256k:own,1m:own,4m:own,whole:own,paused,hls-video,hls-audio,\
                         storyboard,rendition,responsive"
    )]
    pub cells: Vec<Cell>,

    /// Seconds of load per turn (cells of whole files take as long as their downloads).
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,

    /// Turns of Headwater and nginx in every cell.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub turns: u64,

    /// Turns of the other peers, which take part in the first turns of a cell only, so that a run
    /// does not take twice as long; also the number of server starts in a `paused` cell.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub others_turns: u64,

    /// Number of files for ranges.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub files: u64,

    /// Size of each of them, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub file_mib: u64,

    /// Size of the file for whole downloads, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub whole_mib: u64,

    /// Size of each of the 16 files for cold downloads, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub cold_mib: u64,

    /// Number of titles for segments.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub titles: u64,

    /// Duration of each of them, in seconds.
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(20..=36000))]
    pub title_s: u64,

    /// Duration of the video of the `storyboard` cell, in seconds.
    #[arg(long, value_name = "S", default_value_t = 7200, value_parser = clap::value_parser!(u64).range(60..=36000))]
    pub storyboard_s: u64,

    /// Duration of the video of the `rendition` and `responsive` cells, in seconds.
    #[arg(long, value_name = "S", default_value_t = 480, value_parser = clap::value_parser!(u64).range(60..=36000))]
    pub rendition_s: u64,

    /// Folder for files, logs and server state, on a disk; the program makes a folder in it and
    /// deletes it at the end.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch: PathBuf,

    /// Limit the servers' disk reads to this rate, in MiB/s, to see how they serve while they wait
    /// for the disk. Needs root and the blkio controller of cgroup v1.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub disk_mib_s: Option<u64>,

    /// The core of the servers.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub server_core: usize,

    /// The core of the clients and of this program; the queue uses it, too.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub client_core: usize,

    /// The congestion control of every server's connections.
    #[arg(long, value_name = "NAME", default_value = "cubic")]
    pub congestion: String,

    /// Seed of file contents and offsets; equal seeds request equal ranges.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Write every turn's raw figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draw the results into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Measure nothing: draw the results of earlier runs (files of --json) into one chart (--svg).
    #[arg(long, value_name = "JSON", value_delimiter = ',', requires = "svg")]
    pub redraw: Vec<PathBuf>,

    #[command(subcommand)]
    pub role: Option<Role>,
}

impl Options {
    /// The cores of the queue's server and of all that it starts.
    pub fn all_cores(&self) -> Vec<usize> {
        vec![self.server_core, self.client_core]
    }
}

/// What this program does instead of measuring.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Be the peer actix-files: a program that serves a folder with it and nothing else.
    #[command(hide = true)]
    ActixFiles { media: PathBuf, workers: usize },
}

/// Peers that share a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Family {
    Headwater,
    Nginx,
    Caddy,
    ActixFiles,
    Node,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_match_the_readme() {
        let options = Options::parse_from(["peers"]);
        assert_eq!(options.cells.len(), 27);
        assert_eq!((options.seconds, options.turns, options.others_turns), (3, 9, 3));
        assert_eq!((options.files, options.file_mib), (200, 8));
        assert_eq!((options.titles, options.title_s), (20, 600));
        assert_eq!((options.storyboard_s, options.rendition_s), (7200, 480));
        assert_eq!((options.server_core, options.all_cores()), (0, vec![0, 1]));
        assert_eq!(options.peers.len(), 5);
    }

    #[test]
    fn hyphenated_server_arguments_are_passed_through() {
        let options = Options::parse_from(["peers", "--headwater-arg", "--tcp-congestion=cubic"]);
        assert_eq!(options.headwater_arg, ["--tcp-congestion=cubic"]);
    }

    #[test]
    fn a_run_may_leave_peers_out() {
        let options = Options::parse_from(["peers", "--peers", "nginx,actix-files"]);
        assert_eq!(options.peers, [Family::Nginx, Family::ActixFiles]);
    }

    #[test]
    fn the_last_of_two_equal_options_wins() {
        let options = Options::parse_from(["peers", "--svg", "a", "--svg", "b"]);
        assert_eq!(options.svg, Some("b".into()));
    }

    #[test]
    fn redraw_requires_svg() {
        assert!(Options::try_parse_from(["peers", "--redraw", "a.json"]).is_err());
        let options = Options::parse_from(["peers", "--redraw", "a.json,b.json", "--svg", "c"]);
        assert_eq!(options.redraw.len(), 2);
    }
}
