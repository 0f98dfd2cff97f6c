//! The work budget of a file.
//!
//! A file of a few KiB can declare 2^25 overlapping samples in each of 64 tracks, or a million fragments
//! that each track must read. The budget grows with the length of the file, so that an honest file never
//! exceeds it: its samples have bytes, and its fragments have samples.

/// The budget of the shortest file.
const WORK_MIN: u64 = 1 << 18;

/// The budget of the longest file: a day of video at 60 frames per second with ten audio tracks, or with
/// three in fragments of a second.
const WORK_MAX: u64 = 1 << 26;

/// The most segments of all tracks of a movie, which decide the index's memory: a day of six-second
/// segments in nine tracks.
const SEGMENTS_MAX: usize = 1 << 17;

/// The budget left for a file's tracks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Units of work, see [`sample_cost`] and [`fragment_cost`].
    pub(super) work: u64,
    /// Segments.
    pub(super) segments: usize,
}

impl Budget {
    /// The budget of a file of this length in bytes.
    pub(super) fn new(file_len: u64) -> Self {
        let work = file_len.saturating_add(WORK_MIN).min(WORK_MAX);
        Self { work, segments: SEGMENTS_MAX }
    }
}

/// The cost of reading a sample of this size in bytes. Empty samples exist, where a frame repeats or a text
/// track is silent, but no real file consists of them.
pub(super) fn sample_cost(size: u32) -> u64 {
    if size == 0 { 8 } else { 1 }
}

/// The longest fragment header at the lowest rate, in bytes: ten seconds of video and audio need less.
const SHORT_FRAGMENT_BYTES: u64 = 16 * 1024;

/// The cost of a fragment header of this length in bytes: reading it, and parsing the boxes that fit in.
/// A sparse file gets a long one for free.
pub(super) fn fragment_cost(length: u64) -> u64 {
    32 + length / 16 + length.saturating_sub(SHORT_FRAGMENT_BYTES) / 4
}
