//! How much work a file may be.
//!
//! A file of some KiB can tell of 2^25 samples on top of each other, again in each of 64 tracks, or of
//! a million fragments that each track has to look at. What a file may cost grows with its length, so
//! that one that tells the truth never notices: its samples have bytes, and its fragments have samples.

/// What any file may cost, however short.
const WORK_MIN: u64 = 1 << 18;

/// What any file may cost, however long: a day of sixty pictures a second with ten tracks of sound, or
/// with three in fragments of a second.
const WORK_MAX: u64 = 1 << 26;

/// The most segments that all tracks of a movie may have together, which is what its index takes in
/// memory: a day of segments of six seconds in nine tracks.
const SEGMENTS_MAX: usize = 1 << 17;

/// What is left for a file's tracks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Work: see [`of_sample`] and [`of_fragment`].
    pub(super) work: u64,
    /// Segments.
    pub(super) segments: usize,
}

impl Budget {
    /// What a file of so many bytes may cost.
    pub(super) fn of(file_len: u64) -> Self {
        let work = file_len.saturating_add(WORK_MIN).min(WORK_MAX);
        Self { work, segments: SEGMENTS_MAX }
    }
}

/// What it costs to look at a sample of so many bytes. There are such without any, where a picture stays
/// or nothing is said, but a file of nothing else is none that anybody made.
pub(super) fn of_sample(size: u32) -> u64 {
    if size == 0 { 8 } else { 1 }
}

/// The longest header of a fragment that costs as little as it can, in bytes: ten seconds of pictures
/// and sound take less.
const SHORT_FRAGMENT_BYTES: u64 = 16 * 1024;

/// What it costs to look at a fragment's header of so many bytes: reading it, and the boxes that there
/// is room for. Of a sparse file a long one is made of nothing.
pub(super) fn of_fragment(length: u64) -> u64 {
    32 + length / 16 + length.saturating_sub(SHORT_FRAGMENT_BYTES) / 4
}
