//! A cell of the table: one kind of load, on files that came into the page cache in one way, with
//! one client.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::units::{connections, parse_size, size, thousands};

/// Connections of a cell that gives no number.
const CONNECTIONS: usize = 32;

/// Length of the hot ranges that are requested beside cold downloads, in bytes.
const HOT_LENGTH: u64 = 64 << 10;

/// Viewers of a `paused` cell that gives no number.
const VIEWERS: usize = 10_000;

/// Most connections of a cell: one address has no more ports.
const MAX_CONNECTIONS: usize = 20_000;

/// Downloads of the whole file per turn.
pub const DOWNLOADS: usize = 3;

/// Concurrent downloads from the disk in a `beside-cold` cell.
pub const COLD_DOWNLOADS: usize = 4;

/// One row of the table for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub work: Work,
    /// Whether each server has its own copy of the files and reads it from the disk itself.
    /// Otherwise all servers send the same pages, which this program has read in.
    pub own: bool,
    /// Whether the client discards bodies in the kernel. Otherwise it copies them, as wrk does.
    pub drain: bool,
    /// Whether the requests are made over HTTP/2, by h2load with connections of its own.
    #[serde(default)]
    pub http2: bool,
}

/// The load, the same for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Ranges of `length` bytes at random aligned offsets, as fast as `connections` get them.
    Ranges { length: u64, connections: usize },
    /// [`DOWNLOADS`] complete downloads of the large file, one after the other.
    Whole,
    /// Hot ranges, beside [`COLD_DOWNLOADS`] complete downloads from the disk.
    BesideCold,
    /// Segments that Headwater makes just in time and nginx sends from files.
    Segments {
        #[serde(default)]
        track: Track,
        connections: usize,
    },
    /// Viewers that receive the first bytes of the large file and then stop reading.
    Paused { viewers: usize },
    /// A storyboard of two hours of video, by the queue and by bare ffmpeg.
    Storyboard,
    /// A rendition, by the queue and by bare ffmpeg.
    Rendition,
    /// Ranges and segments at a moderate rate, on an idle machine and on one that encodes.
    Responsive,
}

/// The track of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Track {
    /// Video, whose samples are long.
    #[default]
    Video,
    /// Audio, whose samples are short, in as many places of the file.
    Audio,
}

impl fmt::Display for Track {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Track::Video => "video",
            Track::Audio => "audio",
        })
    }
}

/// The files that servers serve in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Random bytes, one copy for all servers.
    Shared,
    /// Random bytes, one copy for each server.
    Own,
    /// Titles and their segments.
    Titles,
    /// Videos that jobs read.
    JobSources,
}

impl Cell {
    pub fn files(self) -> Files {
        match self.work {
            Work::Segments { .. } => Files::Titles,
            Work::Storyboard | Work::Rendition | Work::Responsive => Files::JobSources,
            _ if self.own => Files::Own,
            _ => Files::Shared,
        }
    }

    /// Whether this cell starts its own servers.
    pub fn starts_servers(self) -> bool {
        matches!(self.work, Work::Paused { .. }) || self.files() == Files::JobSources
    }
}

impl Work {
    /// Length and connections of the ranges, if the load consists of ranges.
    pub fn ranges(self) -> Option<(u64, usize)> {
        match self {
            Work::Ranges { length, connections } => Some((length, connections)),
            Work::BesideCold => Some((HOT_LENGTH, CONNECTIONS)),
            _ => None,
        }
    }

    pub fn needs_whole_file(self) -> bool {
        matches!(self, Work::Whole | Work::Paused { .. })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Work::Whole => write!(out, "whole file, 1 connection"),
            Work::Ranges { length, connections: count } => {
                write!(out, "{}, {}", size(length), connections(count))
            }
            Work::BesideCold => {
                write!(out, "hot {} beside {COLD_DOWNLOADS} cold downloads", size(HOT_LENGTH))
            }
            Work::Segments { track, connections: count } => {
                write!(out, "{track} segments, {}", connections(count))
            }
            Work::Paused { viewers } => {
                write!(out, "{} paused viewers", thousands(viewers as f64))
            }
            Work::Storyboard => write!(out, "storyboard of two hours"),
            Work::Rendition => write!(out, "rendition of 360p from 720p"),
            Work::Responsive => write!(out, "responses beside encoding"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = if self.own { ", own cold-read copy" } else { "" };
        let drain = if self.drain { ", bodies discarded" } else { "" };
        let http2 = if self.http2 { ", HTTP/2" } else { "" };
        match self.work {
            Work::Ranges { length, .. } if self.http2 => {
                write!(out, "{}{own}{http2}", size(length))
            }
            work => write!(out, "{work}{own}{drain}{http2}"),
        }
    }
}

impl FromStr for Cell {
    type Err = String;

    /// Reads `WORK`, or `WORK` with the suffixes `:own`, `:drain` or `:h2`.
    fn from_str(typed: &str) -> Result<Self, String> {
        let mut parts = typed.split(':');
        let work = parse_work(parts.next().unwrap_or_default())?;
        let mut cell = Cell { work, own: false, drain: false, http2: false };
        let is_ranges = matches!(work, Work::Ranges { .. });
        for suffix in parts {
            match suffix {
                "own" if is_ranges || work == Work::Whole => cell.own = true,
                "drain" if !cell.http2 && (is_ranges || matches!(work, Work::Segments { .. })) => {
                    cell.drain = true;
                }
                "h2" if is_ranges && !cell.drain => cell.http2 = true,
                _ => return Err(format!("`{typed}` cannot have the suffix `:{suffix}`")),
            }
        }
        Ok(cell)
    }
}

fn parse_work(typed: &str) -> Result<Work, String> {
    let (name, count) = match typed.split_once('@') {
        Some((name, count)) => {
            let valid = count.parse::<usize>().ok().filter(|n| (1..=MAX_CONNECTIONS).contains(n));
            let invalid =
                || format!("`{count}` in `{typed}` is not a number from 1 to {MAX_CONNECTIONS}");
            (name, Some(valid.ok_or_else(invalid)?))
        }
        None => (typed, None),
    };
    let segments = |track| Ok(Work::Segments { track, connections: count.unwrap_or(CONNECTIONS) });
    match (name, count) {
        ("whole", None) => Ok(Work::Whole),
        ("beside-cold", None) => Ok(Work::BesideCold),
        ("paused", count) => Ok(Work::Paused { viewers: count.unwrap_or(VIEWERS) }),
        ("hls-video", _) => segments(Track::Video),
        ("hls-audio", _) => segments(Track::Audio),
        ("storyboard", None) => Ok(Work::Storyboard),
        ("rendition", None) => Ok(Work::Rendition),
        ("responsive", None) => Ok(Work::Responsive),
        (length, count) => {
            let invalid = || {
                format!(
                    "`{typed}` is neither a name such as `whole` or `hls-video`, nor a size such \
                     as 4k, 256k@1000 or 1m"
                )
            };
            let length = parse_size(length).ok_or_else(invalid)?;
            Ok(Work::Ranges { length, connections: count.unwrap_or(CONNECTIONS) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_parsed_as_typed_and_shown_in_words() {
        let table = [
            ("4k", "4 KiB, 32 connections"),
            ("256K@1000", "256 KiB, 1,000 connections"),
            ("1m", "1 MiB, 32 connections"),
            ("100@1", "100 B, 1 connection"),
            ("whole", "whole file, 1 connection"),
            ("256k:own", "256 KiB, 32 connections, own cold-read copy"),
            ("whole:own", "whole file, 1 connection, own cold-read copy"),
            ("64k:h2", "64 KiB, HTTP/2"),
            ("64k:drain", "64 KiB, 32 connections, bodies discarded"),
            ("1m:own:drain", "1 MiB, 32 connections, own cold-read copy, bodies discarded"),
            ("beside-cold", "hot 64 KiB beside 4 cold downloads"),
            ("paused", "10,000 paused viewers"),
            ("paused@20", "20 paused viewers"),
            ("hls-video", "video segments, 32 connections"),
            ("hls-video@8:drain", "video segments, 8 connections, bodies discarded"),
            ("hls-audio", "audio segments, 32 connections"),
            ("storyboard", "storyboard of two hours"),
            ("rendition", "rendition of 360p from 720p"),
            ("responsive", "responses beside encoding"),
        ];
        for (typed, shown) in table {
            assert_eq!(typed.parse::<Cell>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let typed = ["", "k", "0k", "4g", "4k@", "4k@0", "4k@99999", "-1k", "4k:mine", "4k:"];
        let more = ["whole@3", "paused:own", "whole:drain", "responsive:drain", "hls-video:own"];
        for typed in typed.into_iter().chain(more) {
            assert!(typed.parse::<Cell>().is_err(), "{typed}");
        }
    }
}
