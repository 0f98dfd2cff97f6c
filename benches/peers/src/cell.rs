//! A cell of the table: one kind of load, on so many cores, from files that came into the page
//! cache one way or the other.

use std::fmt;
use std::str::FromStr;

use crate::titles::product::Product;

/// Connections of a range cell that names none.
const CONNECTIONS: usize = 32;

/// Length of the hot ranges that are asked for beside cold downloads, in bytes.
const HOT_LENGTH: u64 = 64 << 10;

/// Viewers of a `paused` cell that names no number.
const VIEWERS: usize = 10_000;

/// MiB of indices that Headwater may keep in an `index-memory` cell that names no number: its default.
const INDEX_CACHE_MIB: usize = 256;

/// Most connections of a cell: one address has no more ports.
const MOST: usize = 20_000;

/// Downloads of the whole file per turn.
pub const DOWNLOADS: usize = 3;

/// Downloads at a time that need the disk in a `beside-cold` cell.
pub const COLD_DOWNLOADS: usize = 4;

/// One row of the table for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub work: Work,
    /// How many cores, and workers, each server has.
    pub cores: usize,
    /// Whether each server has its own copy of the files, which it has read in from the disk by
    /// itself. Otherwise all send the same pages, read in by this program.
    pub own: bool,
}

/// What the clients do, the same for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Ranges of `length` bytes at random aligned offsets, as fast as `connections` get them.
    Ranges { length: u64, connections: usize },
    /// [`DOWNLOADS`] complete downloads of the large file, one after the other.
    Whole,
    /// Hot ranges, while [`COLD_DOWNLOADS`] complete downloads come from the disk.
    BesideCold,
    /// What is made of titles just in time, and what others send as files made beforehand, as fast
    /// as `connections` get it.
    Made { product: Product, connections: usize },
    /// Viewers that have received the first bytes of the large file and then take no more.
    Paused { viewers: usize },
    /// Many long titles are asked for, while Headwater may keep indices of so many MiB.
    IndexMemory { budget_mib: usize },
    /// Long titles that nobody has asked for yet, on a disk whose page cache is empty.
    FirstByte,
    /// The storyboard of a film of two hours, by the queue and by bare ffmpeg.
    Storyboard,
    /// A rendition of a film, by the queue and by bare ffmpeg.
    Rendition,
    /// Ranges and segments at a moderate rate, while the machine is idle and while it encodes.
    Responsive,
}

/// What servers serve in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Files of random bytes, the same for all.
    Shared,
    /// Such files, but each server has its own copy.
    Own,
    /// Films, and what is made of them.
    Titles,
    /// Films of two hours without bytes of their samples.
    Long,
    /// Whole films, of which the queue makes something.
    Films,
}

impl Cell {
    /// What servers serve in this cell.
    pub fn files(self) -> Files {
        match self.work {
            Work::Made { .. } => Files::Titles,
            Work::IndexMemory { .. } | Work::FirstByte => Files::Long,
            work if work.is_queued() => Files::Films,
            _ if self.own => Files::Own,
            _ => Files::Shared,
        }
    }

    /// Whether this cell starts servers for itself alone.
    pub fn is_alone(self) -> bool {
        let is_of_one = matches!(self.work, Work::Paused { .. });
        is_of_one || matches!(self.files(), Files::Long | Files::Films)
    }
}

impl Work {
    /// Length and connections of the ranges that are asked for, if any are.
    pub fn ranges(self) -> Option<(u64, usize)> {
        match self {
            Work::Ranges { length, connections } => Some((length, connections)),
            Work::BesideCold => Some((HOT_LENGTH, CONNECTIONS)),
            _ => None,
        }
    }

    /// Whether something is made by the queue, or beside it.
    pub fn is_queued(self) -> bool {
        matches!(self, Work::Storyboard | Work::Rendition | Work::Responsive)
    }

    /// Whether the large file is asked for.
    pub fn needs_whole_file(self) -> bool {
        matches!(self, Work::Whole | Work::Paused { .. })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Work::Whole => write!(out, "whole file, 1 connection"),
            Work::Ranges { length, connections: 1 } => {
                write!(out, "{}, 1 connection", size(length))
            }
            Work::Ranges { length, connections } => {
                let connections = thousands(connections as f64);
                write!(out, "{}, {connections} connections", size(length))
            }
            Work::BesideCold => {
                write!(out, "hot {} beside {COLD_DOWNLOADS} cold downloads", size(HOT_LENGTH))
            }
            Work::Made { product, connections } => {
                write!(out, "{product}, {} connections", thousands(connections as f64))
            }
            Work::Paused { viewers } => {
                write!(out, "{} paused viewers", thousands(viewers as f64))
            }
            Work::IndexMemory { budget_mib } => write!(out, "indices of at most {budget_mib} MiB"),
            Work::FirstByte => write!(out, "first byte of cold titles"),
            Work::Storyboard => write!(out, "storyboard of a long film"),
            Work::Rendition => write!(out, "rendition of 360p of a film of 720p"),
            Work::Responsive => write!(out, "answers while films are encoded"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.work.fmt(out)?;
        if self.cores > 1 {
            write!(out, ", {} cores", self.cores)?;
        }
        if self.own {
            write!(out, ", own cold-read copy")?;
        }
        Ok(())
    }
}

impl FromStr for Cell {
    type Err = String;

    /// Reads `WORK`, `WORK/CORES` or `WORK:own`.
    fn from_str(typed: &str) -> Result<Self, String> {
        let (rest, own) = match typed.strip_suffix(":own") {
            Some(rest) => (rest, true),
            None => (typed, false),
        };
        let (work, cores) = match rest.split_once('/') {
            Some((work, "1")) => (work, 1),
            Some((work, "2")) => (work, 2),
            Some((_, cores)) => return Err(format!("`{typed}`: {cores} is neither 1 nor 2 cores")),
            None => (rest, 1),
        };
        let work = parse_work(work)?;
        if own && !matches!(work, Work::Ranges { .. } | Work::Whole) {
            return Err(format!("`{typed}`: only ranges and whole files have `:own`"));
        }
        Ok(Cell { work, cores, own })
    }
}

fn parse_work(typed: &str) -> Result<Work, String> {
    let (name, count) = match typed.split_once('@') {
        Some((name, count)) => {
            let parsed = count.parse::<usize>().ok().filter(|count| (1..=MOST).contains(count));
            let count = parsed.ok_or_else(|| {
                format!("`{count}` in `{typed}` is not a number from 1 to {MOST}")
            })?;
            (name, Some(count))
        }
        None => (typed, None),
    };
    match (name, count) {
        ("whole", None) => Ok(Work::Whole),
        ("beside-cold", None) => Ok(Work::BesideCold),
        ("paused", count) => Ok(Work::Paused { viewers: count.unwrap_or(VIEWERS) }),
        ("index-memory", count) => {
            Ok(Work::IndexMemory { budget_mib: count.unwrap_or(INDEX_CACHE_MIB) })
        }
        ("first-byte", None) => Ok(Work::FirstByte),
        ("storyboard", None) => Ok(Work::Storyboard),
        ("rendition", None) => Ok(Work::Rendition),
        ("responsive", None) => Ok(Work::Responsive),
        (name, connections) if let Some(product) = Product::parse(name) => {
            Ok(Work::Made { product, connections: connections.unwrap_or(CONNECTIONS) })
        }
        (length, connections) => {
            let length = parse_size(length).ok_or_else(|| {
                format!(
                    "`{typed}` is neither a name, such as `whole` or `hls-video`, nor a size such \
                     as 4k, 256k@1000 or 1m"
                )
            })?;
            Ok(Work::Ranges { length, connections: connections.unwrap_or(CONNECTIONS) })
        }
    }
}

/// `64k` → 65,536; bytes without a letter.
pub fn parse_size(typed: &str) -> Option<u64> {
    let (digits, unit) = match typed.to_ascii_lowercase().strip_suffix(['k', 'm']) {
        Some(digits) if typed.ends_with(['k', 'K']) => (digits.to_owned(), 1 << 10),
        Some(digits) => (digits.to_owned(), 1 << 20),
        None => (typed.to_owned(), 1),
    };
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(unit).filter(|&bytes| bytes > 0)
}

/// 65,536 → `64 KiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        b if b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b if b % (1 << 10) == 0 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}

/// 12929.4 → `12,929`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_typed_and_shown_in_words() {
        let table = [
            ("4k", "4 KiB, 32 connections"),
            ("256K@1000", "256 KiB, 1,000 connections"),
            ("1m", "1 MiB, 32 connections"),
            ("100@1", "100 B, 1 connection"),
            ("whole", "whole file, 1 connection"),
            ("64k/2", "64 KiB, 32 connections, 2 cores"),
            ("64k@8/2", "64 KiB, 8 connections, 2 cores"),
            ("256k:own", "256 KiB, 32 connections, own cold-read copy"),
            ("whole/2:own", "whole file, 1 connection, 2 cores, own cold-read copy"),
            ("beside-cold", "hot 64 KiB beside 4 cold downloads"),
            ("paused", "10,000 paused viewers"),
            ("paused@20", "20 paused viewers"),
            ("hls-video", "video segments, 32 connections"),
            ("hls-audio@1000/2", "audio segments, 1,000 connections, 2 cores"),
            ("play-64k", "64 KiB of play.mp4, 32 connections"),
            ("playlist", "playlists, 32 connections"),
            ("mpd@8", "MPDs, 8 connections"),
            ("index-memory", "indices of at most 256 MiB"),
            ("index-memory@16", "indices of at most 16 MiB"),
            ("first-byte", "first byte of cold titles"),
            ("storyboard", "storyboard of a long film"),
            ("rendition", "rendition of 360p of a film of 720p"),
            ("responsive", "answers while films are encoded"),
        ];
        for (typed, shown) in table {
            assert_eq!(typed.parse::<Cell>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let typed =
            ["", "k", "0k", "4g", "4k@", "4k@0", "4k@99999", "-1k", "4k/3", "4k/", "4k:mine"];
        for typed in typed.into_iter().chain(["whole@3", "paused:own", "play", "play-", "mpd:own"])
        {
            assert!(typed.parse::<Cell>().is_err(), "{typed}");
        }
    }

    #[test]
    fn thousands_are_grouped_from_the_right() {
        let table = [(7.0, "7"), (999.6, "1,000"), (40184.2, "40,184")];
        for (value, shown) in table {
            assert_eq!(thousands(value), shown);
        }
        assert_eq!(thousands(1234567.0), "1,234,567");
    }
}
