//! A file, and each way that it takes to a connection.

use std::{ops::Range, sync::LazyLock, thread};

use crate::support::{
    client::{Client, Response, head},
    folder::Folder,
    server::{Serving, serve_with},
};

/// The ways of a file to a connection, and the configuration that selects each.
pub const WAYS: [(&str, &str); 3] =
    [FROM_THE_PAGE_CACHE, ("in tiny windows", "write_quiet_ms = 0\nwindow_kib = 4"), COPIED];

/// Straight from the page cache, however new the file is.
pub const FROM_THE_PAGE_CACHE: (&str, &str) = ("from the page cache", "write_quiet_ms = 0");

/// Read into buffers, however old the file is.
pub const COPIED: (&str, &str) = ("copied", "write_quiet_ms = 3600000");

/// The receive buffer of clients to which the server cannot send far ahead, in bytes.
pub const NARROW: usize = 16 * 1024;

/// So small a send buffer that any call may end in the middle of anything.
pub const SMALL_SEND_BUFFER: &str = "send_buffer_kib = 4";

/// The length of a file of several windows and a part of one, in bytes.
pub const LENGTH: usize = (9 << 20) + 12_345;

/// The content of the file: every 8 bytes hold their own offset.
pub static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| offsets(LENGTH));

/// Like `pattern`, but in a plain loop: these are many.
pub fn offsets(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length.next_multiple_of(8)];
    for (word, place) in bytes.chunks_exact_mut(8).enumerate() {
        place.copy_from_slice(&(8 * word as u64).to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A folder with that file in it.
pub fn one_file() -> Folder {
    let folder = Folder::new();
    folder.put("a.mp4", &*WHOLE);
    folder
}

/// Runs a test in each way, with the configuration that selects it. All at the same time: some of
/// them wait.
pub fn in_each_way(test: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for (way, how) in WAYS {
            let test = &test;
            let in_this_way = move || {
                let _named = Named(way);
                test(how);
            };
            scope.spawn(in_this_way);
        }
    });
}

/// Runs a test with a server of each way, with more lines of configuration.
pub fn served_in_each_way(folder: &Folder, also: &str, test: impl Fn(&Serving) + Sync) {
    in_each_way(|how| test(&serve_with(&[folder.path("")], &format!("{how}\n{also}"))));
}

/// Names the way that failed.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("that was with files sent {}", self.0);
        }
    }
}

/// Pseudo-random numbers, the same in each run.
pub struct Dice(pub u64);

impl Dice {
    /// A number in `0..below`.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }

    /// A range of the file, of any order of magnitude up to this many bits.
    pub fn range(&mut self, bits: usize) -> Range<usize> {
        let most = 1 << self.roll(bits + 1);
        let (first, length) = (self.roll(LENGTH), 1 + self.roll(most));
        first..LENGTH.min(first + length)
    }
}

/// Reports where bytes first differ, not all of them.
#[track_caller]
pub fn assert_same(arrived: &[u8], expected: &[u8], what: &str) {
    let lengths = (arrived.len(), expected.len());
    assert_eq!(lengths.0, lengths.1, "{what}: wrong length");
    if arrived != expected {
        let at = arrived.iter().zip(expected).position(|(one, other)| one != other);
        panic!("{what}: wrong bytes from {} of {} on", at.expect("they differ"), lengths.1);
    }
}

/// A request for a range of the file.
pub fn ask(range: &Range<usize>) -> String {
    head("GET", "/media/a.mp4", &[&bytes(range)])
}

/// The Range field.
pub fn bytes(range: &Range<usize>) -> String {
    format!("Range: bytes={}-{}", range.start, range.end - 1)
}

/// Reads the response to a request for a range of the file.
#[track_caller]
pub fn read_and_assert_part(client: &mut Client, range: &Range<usize>) {
    let response = client.read("GET").unwrap_or_else(|broken| panic!("{range:?}: {broken:?}"));
    assert_part(&response, range);
}

/// Checks the response to a request for a range of the file.
#[track_caller]
pub fn assert_part(response: &Response, range: &Range<usize>) {
    assert_eq!(response.status, 206, "{range:?}");
    let content_range = format!("bytes {}-{}/{LENGTH}", range.start, range.end - 1);
    assert_eq!(response.field("content-range"), Some(&*content_range));
    assert_same(&response.body, &WHOLE[range.clone()], &content_range);
}
