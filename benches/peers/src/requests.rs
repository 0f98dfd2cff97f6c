//! The list of requests of one turn.
//!
//! The load generator receives this list, so that all peers of a turn get the same requests in the
//! same order, and the bytes that are compared afterwards are bytes that were requested under load.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use fastrand::Rng;

use crate::cell::Work;
use crate::dataset::{Dataset, Shape};
use crate::random::rng;

/// Requests in a list; the load generator starts again at its end.
const COUNT: usize = 4096;

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path of its URL, which is also its path in the document root.
    pub path: String,
    /// In bytes.
    pub length: u64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// The first byte of a range; `None` requests the whole.
    pub offset: Option<u64>,
    /// Exact length of the response's body, in bytes.
    pub length: u64,
}

impl Request {
    /// A request for all of a path, whose length is not known.
    pub fn whole(path: &str) -> Self {
        Request { path: path.to_owned(), offset: None, length: 0 }
    }

    /// Value of the `Range` field, which names its last byte (RFC 9110, 14.1.2).
    pub fn range(&self) -> Option<String> {
        let first = self.offset?;
        Some(format!("bytes={first}-{}", first + self.length - 1))
    }

    /// Value of the `Content-Range` field of the only right response.
    pub fn content_range(&self, file_length: u64) -> Option<String> {
        let first = self.offset?;
        Some(format!("bytes {first}-{}/{file_length}", first + self.length - 1))
    }

    /// The status of the only right response.
    pub fn status(&self) -> u16 {
        if self.offset.is_some() { 206 } else { 200 }
    }

    /// The request as HTTP/1.1.
    pub fn text(&self, host: SocketAddr) -> Vec<u8> {
        let range = self.range().map(|range| format!("Range: {range}\r\n")).unwrap_or_default();
        format!("GET {} HTTP/1.1\r\nHost: {host}\r\n{range}\r\n", self.path).into()
    }
}

/// Ranges of one length, or whole resources of any length, and the connections that they share.
#[derive(Debug)]
pub struct Requests {
    pub connections: usize,
    pub list: Vec<Request>,
}

impl Requests {
    /// The ranges of turn `number` of some work, at random multiples of their length; `None` if the
    /// work requests whole files. They differ from turn to turn.
    pub fn of_ranges(work: Work, shape: &Shape, seed: u64, number: u64) -> Result<Option<Self>> {
        let Some((length, connections)) = work.ranges() else {
            return Ok(None);
        };
        let clip = |clip| Target {
            path: format!("/media/{}", Dataset::clip(clip)),
            length: shape.file_length,
        };
        let clips: Vec<Target> = (0..shape.files).map(clip).collect();
        Self::parts(&clips, length, connections, rng(seed, length << 16 | number)).map(Some)
    }

    /// Ranges of `length` bytes of some targets, at random multiples of it.
    pub fn parts(
        targets: &[Target],
        length: u64,
        connections: usize,
        mut random: Rng,
    ) -> Result<Self> {
        let shortest = targets.iter().map(|target| target.length).min().unwrap_or(0);
        ensure!(
            (1..=shortest).contains(&length),
            "ranges of {length} bytes do not fit into files of {shortest} bytes: raise --file-mib"
        );
        let request = |_| {
            let target = &targets[random.usize(..targets.len())];
            let offset = random.u64(..target.length / length) * length;
            Request { path: target.path.clone(), offset: Some(offset), length }
        };
        Ok(Requests { connections, list: (0..COUNT).map(request).collect() })
    }

    /// Whole targets, in random order.
    pub fn whole(targets: &[Target], connections: usize, mut random: Rng) -> Result<Self> {
        ensure!(!targets.is_empty(), "there are no targets");
        let request = |_| {
            let target = &targets[random.usize(..targets.len())];
            Request { path: target.path.clone(), offset: None, length: target.length }
        };
        Ok(Requests { connections, list: (0..COUNT).map(request).collect() })
    }

    /// Length of all bodies of the first `count` responses, in bytes.
    pub fn body_bytes(&self, count: u64) -> u64 {
        let sum = |list: &[Request]| list.iter().map(|request| request.length).sum::<u64>();
        let length = self.list.len() as u64;
        let rest = usize::try_from(count % length).expect("it is below a length of a list");
        count / length * sum(&self.list) + sum(&self.list[..rest])
    }

    /// Lengths of the shortest and of the longest body, in bytes.
    pub fn lengths(&self) -> (u64, u64) {
        let lengths = || self.list.iter().map(|request| request.length);
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
        for request in ranges(4096, 0).unwrap().unwrap().list {
            assert!(["000", "001", "002"].iter().any(|n| request.path.contains(n)), "{request:?}");
            assert!(request.offset == Some(0) || request.offset == Some(4096));
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
        let request = Request { path: "/a".to_owned(), offset: Some(4096), length: 4096 };
        assert_eq!(request.content_range(10_000).unwrap(), "bytes 4096-8191/10000");
        assert_eq!(request.status(), 206);
        let text = request.text("127.0.0.1:80".parse().unwrap());
        let expected = "GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\nRange: bytes=4096-8191\r\n\r\n";
        assert_eq!(text, expected.as_bytes());
    }

    #[test]
    fn whole_targets_have_no_range_and_their_own_lengths() {
        let requests = Requests::whole(&targets(), 1, rng(1, 1)).unwrap();
        assert_eq!(requests.lengths(), (5, 7));
        for request in requests.list {
            assert_eq!(request.length, if request.path == "/a" { 5 } else { 7 });
            assert_eq!((request.range(), request.status()), (None, 200));
        }
        assert!(Requests::whole(&[], 1, rng(1, 1)).is_err());
    }

    #[test]
    fn bodies_are_summed_over_the_list_and_again_from_its_beginning() {
        let request = |length| Request { path: String::new(), offset: None, length };
        let requests = Requests { connections: 1, list: [1, 10, 100].map(request).into() };
        let sums = [0, 1, 2, 3, 4, 7].map(|count| requests.body_bytes(count));
        assert_eq!(sums, [0, 1, 11, 111, 112, 223]);
    }
}
