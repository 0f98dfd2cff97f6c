//! Viewers of more titles than the cache has room for: what they receive is evicted meanwhile.

use std::{sync::Barrier, thread};

use crate::support::{
    bucket::Bucket,
    client::{Client, head},
    folder::Folder,
    server::{Serving, serve_with},
};

/// The smallest cache, in MiB: four shelves.
const CACHE_MIB: usize = 64;

/// The viewers.
const VIEWERS: usize = 64;

/// The viewers that one thread reads for.
const VIEWERS_PER_THREAD: usize = 8;

/// The least that a viewer reads in its turn, in bytes; the fastest read 64 times as much.
const STEP: usize = 8 << 10;

/// Titles whose bytes hold their own offset and the number of their title.
#[derive(Clone, Copy)]
struct Titles {
    count: usize,
    /// The length of each, in bytes.
    length: usize,
    /// The bytes that each viewer reads.
    viewed: usize,
}

/// A viewer of a part of a title.
struct Viewer {
    client: Client,
    title: usize,
    /// The offset of the next byte.
    at: usize,
    end: usize,
    /// The bytes of a turn.
    step: usize,
    /// Whether it pauses until the others have seen all.
    is_paused: bool,
}

impl Titles {
    /// Every 8 bytes of a title, by their offset.
    fn word(title: usize, offset: usize) -> [u8; 8] {
        (((title as u64 + 1) << 48) | offset as u64).to_be_bytes()
    }

    fn bytes(title: usize, range: std::ops::Range<usize>) -> Vec<u8> {
        let start = range.start / 8 * 8;
        let words = (start..range.end).step_by(8).flat_map(|at| Self::word(title, at));
        words.skip(range.start - start).take(range.len()).collect()
    }

    fn put(&self, bucket: &Bucket) {
        for title in 0..self.count {
            bucket.put(&format!("{title}.mp4"), Self::bytes(title, 0..self.length));
        }
    }

    /// A viewer: each of another speed, and from another place of its title.
    fn viewer(&self, serving: &Serving, number: usize) -> Viewer {
        let title = number % self.count;
        // Not at a chunk's beginning.
        let at = (self.length - self.viewed) / VIEWERS * number + number;
        let end = at + self.viewed;
        let mut client = Client::narrow(serving.address, 16 << 10);
        let range = format!("Range: bytes={at}-{}", end - 1);
        client.send(head("GET", &format!("/media/{title}.mp4"), &[&range]));
        let step = STEP << (number % 7);
        Viewer { client, title, at, end, step, is_paused: number % 8 == 5 }
    }

    /// All viewers at the same time.
    fn view(&self, serving: &Serving) {
        let others_are_done = Barrier::new(VIEWERS / VIEWERS_PER_THREAD);
        thread::scope(|scope| {
            for first in (0..VIEWERS).step_by(VIEWERS_PER_THREAD) {
                let others_are_done = &others_are_done;
                scope.spawn(move || {
                    let numbers = first..first + VIEWERS_PER_THREAD;
                    let mut viewers: Vec<_> = numbers.map(|n| self.viewer(serving, n)).collect();
                    viewers.iter_mut().for_each(Viewer::begin);
                    while read_in_turn(viewers.iter_mut().filter(|viewer| !viewer.is_paused)) {}
                    others_are_done.wait();
                    while read_in_turn(viewers.iter_mut()) {}
                });
            }
        });
    }
}

impl Viewer {
    /// Reads the head, and the first bytes.
    fn begin(&mut self) {
        let response = self.client.read_head().expect("a head");
        assert_eq!(response.status, 206, "{response:?}");
        self.read();
    }

    /// Reads the bytes of a turn, and compares them. Returns whether there were any.
    fn read(&mut self) -> bool {
        let range = self.at..self.end.min(self.at + self.step);
        let read = self.client.read_exactly(range.len()).expect("bytes");
        assert!(
            read == Titles::bytes(self.title, range.clone()),
            "wrong bytes in {range:?} of {}",
            self.title
        );
        self.at = range.end;
        !range.is_empty()
    }
}

/// Each viewer has a turn. Returns whether any of them read something.
fn read_in_turn<'a>(viewers: impl Iterator<Item = &'a mut Viewer>) -> bool {
    viewers.fold(false, |has_read, viewer| viewer.read() | has_read)
}

/// Views titles from a bucket through the smallest cache.
fn view(titles: Titles) {
    let bucket = Bucket::new();
    titles.put(&bucket);
    let credentials = Folder::new();
    let root = bucket.root(&credentials, &bucket.endpoint());
    let settings = format!("cache_mib = {CACHE_MIB}\nindex_titles = false\n{root}");
    let serving = serve_with(&[], &settings);
    serving.until_scanned();
    titles.view(&serving);
    let evicted = serving.metric("headwater_cache_evicted_bytes_total");
    let cached = serving.metric("headwater_cache_bytes");
    assert!(evicted > 0, "all of it was in the cache");
    assert!(cached <= (CACHE_MIB as u64) << 20, "{cached} bytes");
}

#[test]
fn viewers_at_all_speeds_see_no_wrong_byte_while_their_titles_are_evicted() {
    view(Titles { count: 6, length: 24 << 20, viewed: 3 << 20 });
}

/// As many bytes as the acceptance of buckets asks for.
#[test]
#[ignore = "it takes minutes: titles of 2 GiB"]
fn titles_of_2_gib_are_viewed_through_a_cache_of_64_mib() {
    view(Titles { count: 32, length: 64 << 20, viewed: 32 << 20 });
}
