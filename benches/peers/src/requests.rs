//! The list of ranges that one turn asks for.
//!
//! The list is made here and handed to the load generator, so that all peers of a turn are
//! asked for the same ranges in the same order, and the bytes that are compared afterwards
//! are bytes that were asked for under load.

use anyhow::{Result, ensure};

use crate::cell::Work;
use crate::dataset::Shape;
use crate::random::Random;

/// Ranges in a list; the load generator starts again at its end.
const COUNT: usize = 4096;

/// One range of one clip, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub clip: u64,
    pub offset: u64,
    pub length: u64,
}

impl Asked {
    /// Value of the `Range` field, which names its last byte (RFC 9110, 14.1.2).
    pub fn range(&self) -> String {
        format!("bytes={}-{}", self.offset, self.offset + self.length - 1)
    }

    /// Value of the `Content-Range` field of the only right answer.
    pub fn content_range(&self, file_length: u64) -> String {
        let last = self.offset + self.length - 1;
        format!("bytes {}-{last}/{file_length}", self.offset)
    }
}

/// What the load generator is to ask for.
#[derive(Debug)]
pub struct Ranges {
    /// Length of every range, in bytes.
    pub length: u64,
    pub connections: usize,
    pub list: Vec<Asked>,
}

impl Ranges {
    /// The ranges of turn `number` of some work, at random multiples of their length; none if it
    /// asks for whole files. They differ from turn to turn.
    pub fn of(work: Work, shape: &Shape, seed: u64, number: u64) -> Result<Option<Self>> {
        let Some((length, connections)) = work.ranges() else {
            return Ok(None);
        };
        let places = shape.file_length / length;
        ensure!(
            places > 0,
            "ranges of {length} bytes do not fit into files of {} bytes: raise --file-mib",
            shape.file_length
        );
        let mut random = Random::new(seed, length << 16 | number);
        let asked = |_| Asked {
            clip: random.below(shape.files),
            offset: random.below(places) * length,
            length,
        };
        Ok(Some(Ranges { length, connections, list: (0..COUNT).map(asked).collect() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        Shape { files: 3, file_length: 10_000, whole_length: None, cold_length: None };

    fn ranges(length: u64, number: u64) -> Result<Option<Ranges>> {
        let connections = 1;
        let work = Work::Ranges { length, connections };
        Ranges::of(work, &SHAPE, 1, number)
    }

    #[test]
    fn ranges_are_aligned_and_inside() {
        for asked in ranges(4096, 0).unwrap().unwrap().list {
            assert!(asked.clip < 3);
            assert!(asked.offset == 0 || asked.offset == 4096);
        }
    }

    #[test]
    fn turns_repeat_but_differ() {
        let list = |number| ranges(100, number).unwrap().unwrap().list;
        assert_eq!(list(0), list(0));
        assert_ne!(list(0), list(1));
    }

    #[test]
    fn a_range_longer_than_its_file_is_refused() {
        assert!(ranges(10_001, 0).is_err());
    }

    #[test]
    fn fields_name_the_last_byte() {
        let asked = Asked { clip: 0, offset: 4096, length: 4096 };
        assert_eq!(asked.range(), "bytes=4096-8191");
        assert_eq!(asked.content_range(10_000), "bytes 4096-8191/10000");
    }
}
