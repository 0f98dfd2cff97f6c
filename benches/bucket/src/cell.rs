//! A cell of the tables: one kind of load.

use std::fmt;
use std::str::FromStr;

use peers::units::{parse_size, size};

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Ranges of so many bytes at random aligned offsets.
    Ranges(u64),
    /// Video segments of HLS.
    Segments,
    /// Slow downloads, and the memory that they take.
    Memory,
    /// Cold requests to a bucket of which a few responses begin late.
    Hedge,
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        match typed {
            "segments" => Ok(Cell::Segments),
            "memory" => Ok(Cell::Memory),
            "hedge" => Ok(Cell::Hedge),
            typed => parse_size(typed).map(Cell::Ranges).ok_or_else(|| {
                "it is no size (64k), nor `segments`, `memory` or `hedge`".to_owned()
            }),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Cell::Ranges(length) => write!(out, "ranges of {}", size(length)),
            Cell::Segments => write!(out, "video segments"),
            Cell::Memory => write!(out, "slow downloads"),
            Cell::Hedge => write!(out, "cold objects"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_typed_as_sizes_and_words() {
        assert_eq!("64k".parse(), Ok(Cell::Ranges(65536)));
        assert_eq!("segments".parse(), Ok(Cell::Segments));
        assert_eq!("memory".parse(), Ok(Cell::Memory));
        assert_eq!("hedge".parse(), Ok(Cell::Hedge));
        assert!("many".parse::<Cell>().is_err());
    }
}
