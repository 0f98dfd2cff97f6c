//! A file longer than any window, and multipart requests for it.

use std::{ops::Range, sync::LazyLock};

use crate::support::{
    client::{Client, head},
    folder::Folder,
    sent_files::{Dice, assert_same, offsets},
};

/// The length of a file of which the server owes a client more than a window after it has begun to
/// read, in bytes.
pub const LENGTH: usize = (20 << 20) + 777;

/// The content of the file: every 8 bytes hold their own offset.
pub static OLD: LazyLock<Vec<u8>> = LazyLock::new(|| offsets(LENGTH));

/// A folder with the old file in it.
pub fn one_file() -> Folder {
    let folder = Folder::new();
    folder.put("a.mp4", &*OLD);
    folder
}

/// Sixteen parts within this range; none of them is longer than this.
pub fn scattered(dice: &mut Dice, within: Range<usize>, most: usize) -> Vec<Range<usize>> {
    let step = within.len() / 16;
    let parts = (0..16).map(|number| {
        let length = 1 + dice.roll(most.min(step - 1));
        let first = within.start + number * step + dice.roll(step - length);
        first..first + length
    });
    parts.collect()
}

/// A request for parts.
pub fn ask_for(parts: &[Range<usize>]) -> String {
    let parts: Vec<_> =
        parts.iter().map(|part| format!("{}-{}", part.start, part.end - 1)).collect();
    head("GET", "/media/a.mp4", &[&format!("Range: bytes={}", parts.join(","))])
}

/// Reads the response to a request for parts.
#[track_caller]
pub fn read_and_assert_parts(client: &mut Client, parts: &[Range<usize>]) {
    let response = client.read("GET").unwrap_or_else(|broken| panic!("{parts:?}: {broken:?}"));
    assert_eq!(response.status, 206);
    let boundary = response.field("content-type").expect("a type");
    let boundary = boundary.strip_prefix("multipart/byteranges; boundary=").expect("several");
    let mut expected = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let (lead, last) = (if number == 0 { "" } else { "\r\n" }, part.end - 1);
        let range = format!("content-range: bytes {}-{last}/{LENGTH}", part.start);
        let head = format!("{lead}--{boundary}\r\ncontent-type: video/mp4\r\n{range}\r\n\r\n");
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&OLD[part.clone()]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_same(&response.body, &expected, &format!("{parts:?}"));
}
