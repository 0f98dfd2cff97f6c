//! What can be typed on the command line, with its defaults.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::cell::Cell;

/// Measure Headwater beside other file servers: CPU per byte and per request, in turn.
#[derive(Debug, Parser)]
#[command(name = "peers", version, args_override_self = true)]
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

    /// The Caddy binary to measure.
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/caddy")]
    pub caddy: PathBuf,

    /// The Node.js binary to measure.
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/node")]
    pub node: PathBuf,

    /// Who is measured. Without nginx, ratios are to the best of those that are.
    #[arg(
        long,
        value_name = "FAMILY",
        value_enum,
        value_delimiter = ',',
        default_value = "headwater,nginx,caddy,actix-files,node"
    )]
    pub peers: Vec<Family>,

    /// What to measure: a range size (`4k`, `1m`), a size and its connections (`256k@1000`),
    /// `whole` for complete downloads of one large file, `beside-cold` for hot ranges while
    /// other downloads come from the disk, `paused` or `paused@N` for the memory of viewers who
    /// take nothing. Of titles: `hls-video` and `hls-audio` for segments, `play-64k` for ranges of
    /// the virtual file, `playlist`, `mpd`; nginx sends them as files (Headwater and nginx only).
    /// Of Headwater alone: `index-memory` or `index-memory@MIB`, and `first-byte`, which needs root.
    /// Of its queue beside bare ffmpeg: `storyboard`, `rendition`, and `responsive`.
    /// With `/2` behind it, servers have two cores; with `:own`, each has read its own copy of the
    /// files in from the disk by itself (Headwater and nginx only).
    #[arg(
        long,
        value_name = "CELL",
        value_delimiter = ',',
        default_value = "4k,64k,256k,1m,4m,whole,256k@1000,beside-cold,\
                         256k:own,1m:own,4m:own,whole:own,64k/2,1m/2,paused,\
                         hls-video,hls-audio,play-64k,play-1m,playlist,mpd,\
                         index-memory@256,index-memory@16,first-byte,\
                         storyboard,rendition,responsive"
    )]
    pub cells: Vec<Cell>,

    /// Seconds of load per turn (whole-file cells take as long as their downloads do).
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,

    /// Turns of Headwater and nginx in every cell; the medians are taken over them.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub turns: u64,

    /// Turns of the other peers, who take part in the first turns of a cell only, so that a run
    /// does not take twice as long; also how often the servers of a `paused` cell are started.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub others_turns: u64,

    /// Files that ranges are asked of.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub files: u64,

    /// Size of each of them, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub file_mib: u64,

    /// Size of the file that is downloaded whole, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub whole_mib: u64,

    /// Size of each of the 16 files that are downloaded cold, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub cold_mib: u64,

    /// Titles that segments, playlists and whole films are made of.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub titles: u64,

    /// Length of each of them, in seconds.
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(20..=36000))]
    pub title_s: u64,

    /// Titles of two hours whose indices are asked for in an `index-memory` cell.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10000))]
    pub long_titles: u64,

    /// Length of the film of the `storyboard` cell, in seconds.
    #[arg(long, value_name = "S", default_value_t = 7200, value_parser = clap::value_parser!(u64).range(60..=36000))]
    pub storyboard_s: u64,

    /// Length of the film that is encoded in the `rendition` and `responsive` cells, in seconds.
    #[arg(long, value_name = "S", default_value_t = 480, value_parser = clap::value_parser!(u64).range(60..=36000))]
    pub rendition_s: u64,

    /// Where to put the files, logs and server state, on a disk; a folder made there is deleted
    /// at the end.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch: PathBuf,

    /// Have the servers read from the disk at this rate at most, in MiB/s, so that one can see what
    /// they do while they wait for it. Needs root and the blkio controller of cgroup v1.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub disk_mib_s: Option<u64>,

    /// The core that servers with one core run on.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub server_core: usize,

    /// The core that the clients and this program run on; servers with two cores run on it too.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub client_core: usize,

    /// The congestion control that every server's connections get.
    #[arg(long, value_name = "NAME", default_value = "cubic")]
    pub congestion: String,

    /// Where random file contents and offsets start from; equal seeds ask for equal ranges.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Have no turns: count the system calls per request in cells of ranges, by strace.
    #[arg(long)]
    pub strace: bool,

    /// Write every turn's raw figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draw the results into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Measure nothing: draw what earlier runs wrote by --json, all into the chart of --svg.
    #[arg(long, value_name = "JSON", value_delimiter = ',', requires = "svg")]
    pub redraw: Vec<PathBuf>,

    #[command(subcommand)]
    pub role: Option<Role>,
}

impl Options {
    /// The cores of a server that has `count` of them.
    pub fn cores(&self, count: usize) -> Vec<usize> {
        [self.server_core, self.client_core].into_iter().take(count).collect()
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
    fn the_defaults_are_what_the_readme_says() {
        let options = Options::parse_from(["peers"]);
        assert_eq!(options.cells.len(), 27);
        assert_eq!((options.seconds, options.turns, options.others_turns), (3, 9, 3));
        assert_eq!((options.files, options.file_mib), (200, 8));
        assert_eq!((options.titles, options.title_s, options.long_titles), (20, 600, 1000));
        assert_eq!((options.storyboard_s, options.rendition_s), (7200, 480));
        assert_eq!(options.cores(1), [0]);
        assert_eq!(options.cores(2), [0, 1]);
        assert_eq!(options.peers.len(), 5);
    }

    #[test]
    fn hyphenated_server_arguments_are_taken_as_they_are() {
        let options = Options::parse_from(["peers", "--headwater-arg", "--tcp-congestion=cubic"]);
        assert_eq!(options.headwater_arg, ["--tcp-congestion=cubic"]);
    }

    #[test]
    fn a_run_may_leave_peers_out() {
        let options = Options::parse_from(["peers", "--peers", "nginx,actix-files"]);
        assert_eq!(options.peers, [Family::Nginx, Family::ActixFiles]);
    }

    #[test]
    fn what_is_typed_last_counts() {
        let options = Options::parse_from(["peers", "--svg", "a", "--svg", "b"]);
        assert_eq!(options.svg, Some("b".into()));
    }

    #[test]
    fn drawing_again_needs_somewhere_to_draw() {
        assert!(Options::try_parse_from(["peers", "--redraw", "a.json"]).is_err());
        let options = Options::parse_from(["peers", "--redraw", "a.json,b.json", "--svg", "c"]);
        assert_eq!(options.redraw.len(), 2);
    }
}
