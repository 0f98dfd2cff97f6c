//! A cell of the table: one kind of load.

use std::fmt;
use std::str::FromStr;

/// Connections of a range cell that names none.
const CONNECTIONS: usize = 32;

/// Downloads of the whole file per turn.
pub const DOWNLOADS: usize = 3;

/// One kind of load, the same for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Ranges of `length` bytes at random aligned offsets, as fast as `connections` get them.
    Ranges { length: u64, connections: usize },
    /// [`DOWNLOADS`] complete downloads of the large file, one after the other.
    Whole,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Cell::Whole => write!(out, "whole file, 1 connection"),
            Cell::Ranges { length, connections: 1 } => {
                write!(out, "{}, 1 connection", size(length))
            }
            Cell::Ranges { length, connections } => {
                let connections = thousands(connections as f64);
                write!(out, "{}, {connections} connections", size(length))
            }
        }
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        if typed == "whole" {
            return Ok(Cell::Whole);
        }
        let (length, connections) = match typed.split_once('@') {
            Some((length, connections)) => {
                let connections = connections.parse().map_err(|_| {
                    format!("`{connections}` in `{typed}` is not a number of connections")
                })?;
                (length, connections)
            }
            None => (typed, CONNECTIONS),
        };
        let length = parse_size(length).ok_or_else(|| {
            format!("`{typed}` is neither `whole` nor a size such as 4k, 256k@1000 or 1m")
        })?;
        if !(1..=10_000).contains(&connections) {
            return Err(format!(
                "`{typed}`: connections must be from 1 to 10,000 (one address has no more ports)"
            ));
        }
        Ok(Cell::Ranges { length, connections })
    }
}

/// `64k` → 65,536; bytes without a letter.
fn parse_size(typed: &str) -> Option<u64> {
    let (digits, unit) = match typed.to_ascii_lowercase().strip_suffix(['k', 'm']) {
        Some(digits) if typed.ends_with(['k', 'K']) => (digits.to_owned(), 1 << 10),
        Some(digits) => (digits.to_owned(), 1 << 20),
        None => (typed.to_owned(), 1),
    };
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(unit).filter(|&bytes| bytes > 0)
}

/// 65,536 → `64 KiB`.
fn size(bytes: u64) -> String {
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
        ];
        for (typed, shown) in table {
            assert_eq!(typed.parse::<Cell>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for typed in ["", "k", "0k", "4g", "4k@", "4k@0", "4k@99999", "-1k"] {
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
