//! The list of requests that one turn makes.
//!
//! The list is made here and handed to the load generator, so that all peers of a turn are
//! asked for the same in the same order, and the bytes that are compared afterwards are bytes
//! that were asked for under load.

use anyhow::{Result, ensure};

use crate::cell::Work;
use crate::dataset::{Dataset, Shape};
use crate::random::Random;

/// Requests in a list; the load generator starts again at its end.
const COUNT: usize = 4096;

/// Something that can be asked for by a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path of its URL, which is also its path in the document root.
    pub path: String,
    /// In bytes.
    pub length: u64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path of the URL.
    pub path: String,
    /// The first byte of a range; all of it is asked for if this is absent.
    pub offset: Option<u64>,
    /// How many bytes the body of the answer must have.
    pub length: u64,
}

impl Asked {
    /// Value of the `Range` field, which names its last byte (RFC 9110, 14.1.2).
    pub fn range(&self) -> Option<String> {
        let first = self.offset?;
        Some(format!("bytes={first}-{}", first + self.length - 1))
    }

    /// Value of the `Content-Range` field of the only right answer.
    pub fn content_range(&self, file_length: u64) -> Option<String> {
        let first = self.offset?;
        Some(format!("bytes {first}-{}/{file_length}", first + self.length - 1))
    }

    /// The status of the only right answer.
    pub fn status(&self) -> u16 {
        if self.offset.is_some() { 206 } else { 200 }
    }
}

/// What the load generator is to ask for: ranges of one length, or whole answers of any.
#[derive(Debug)]
pub struct Requests {
    pub connections: usize,
    pub list: Vec<Asked>,
}

impl Requests {
    /// The ranges of turn `number` of some work, at random multiples of their length; none if it
    /// asks for whole files. They differ from turn to turn.
    pub fn of_ranges(work: Work, shape: &Shape, seed: u64, number: u64) -> Result<Option<Self>> {
        let Some((length, connections)) = work.ranges() else {
            return Ok(None);
        };
        let clip = |clip| Target {
            path: format!("/media/{}", Dataset::clip(clip)),
            length: shape.file_length,
        };
        let clips: Vec<Target> = (0..shape.files).map(clip).collect();
        Self::parts(&clips, length, connections, Random::new(seed, length << 16 | number)).map(Some)
    }

    /// Ranges of `length` bytes of some targets, at random multiples of it.
    pub fn parts(
        targets: &[Target],
        length: u64,
        connections: usize,
        mut random: Random,
    ) -> Result<Self> {
        let shortest = targets.iter().map(|target| target.length).min().unwrap_or(0);
        ensure!(
            (1..=shortest).contains(&length),
            "ranges of {length} bytes do not fit into files of {shortest} bytes: raise --file-mib"
        );
        let asked = |_| {
            let target = &targets[random.below(targets.len() as u64) as usize];
            let offset = random.below(target.length / length) * length;
            Asked { path: target.path.clone(), offset: Some(offset), length }
        };
        Ok(Requests { connections, list: (0..COUNT).map(asked).collect() })
    }

    /// All of some targets, at random.
    pub fn whole(targets: &[Target], connections: usize, mut random: Random) -> Result<Self> {
        ensure!(!targets.is_empty(), "there is nothing to ask for");
        let asked = |_| {
            let target = &targets[random.below(targets.len() as u64) as usize];
            Asked { path: target.path.clone(), offset: None, length: target.length }
        };
        Ok(Requests { connections, list: (0..COUNT).map(asked).collect() })
    }

    /// Bytes of the bodies of so many requests from the first on, in bytes.
    pub fn body_bytes(&self, requests: u64) -> u64 {
        let sum = |list: &[Asked]| list.iter().map(|asked| asked.length).sum::<u64>();
        let count = self.list.len() as u64;
        let rest = usize::try_from(requests % count).expect("it is below a length of a list");
        requests / count * sum(&self.list) + sum(&self.list[..rest])
    }

    /// Lengths of the shortest and of the longest body, in bytes.
    pub fn lengths(&self) -> (u64, u64) {
        let lengths = || self.list.iter().map(|asked| asked.length);
        (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        Shape { files: 3, file_length: 10_000, whole_length: None, cold_length: None };

    fn ranges(length: u64, number: u64) -> Result<Option<Requests>> {
        let connections = 1;
        let work = Work::Ranges { length, connections };
        Requests::of_ranges(work, &SHAPE, 1, number)
    }

    fn targets() -> Vec<Target> {
        [("/a", 5), ("/b", 7)].map(|(path, length)| Target { path: path.into(), length }).into()
    }

    #[test]
    fn ranges_are_aligned_and_inside() {
        for asked in ranges(4096, 0).unwrap().unwrap().list {
            assert!(["000", "001", "002"].iter().any(|n| asked.path.contains(n)), "{asked:?}");
            assert!(asked.offset == Some(0) || asked.offset == Some(4096));
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
        let asked = Asked { path: String::new(), offset: Some(4096), length: 4096 };
        assert_eq!(asked.range().unwrap(), "bytes=4096-8191");
        assert_eq!(asked.content_range(10_000).unwrap(), "bytes 4096-8191/10000");
        assert_eq!(asked.status(), 206);
    }

    #[test]
    fn whole_answers_have_no_range_and_their_own_lengths() {
        let requests = Requests::whole(&targets(), 1, Random::new(1, 1)).unwrap();
        assert_eq!(requests.lengths(), (5, 7));
        for asked in requests.list {
            assert_eq!(asked.length, if asked.path == "/a" { 5 } else { 7 });
            assert_eq!((asked.range(), asked.status()), (None, 200));
        }
        assert!(Requests::whole(&[], 1, Random::new(1, 1)).is_err());
    }

    #[test]
    fn bodies_are_summed_over_the_list_and_again_from_its_beginning() {
        let asked = |length| Asked { path: String::new(), offset: None, length };
        let requests = Requests { connections: 1, list: [1, 10, 100].map(asked).into() };
        let sums = [0, 1, 2, 3, 4, 7].map(|count| requests.body_bytes(count));
        assert_eq!(sums, [0, 1, 11, 111, 112, 223]);
    }
}
