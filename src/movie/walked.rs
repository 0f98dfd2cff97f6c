//! The samples of one segment, in memory: the result of a walk over a container that has no tables of them.

use std::fmt::Debug;

use super::Sample;
use crate::extent::{ReadAt, ReadError};

/// The bit of [`Packed::size_and_sync`] that marks a sync sample.
const SYNC: u32 = 1 << 31;

/// Reads the samples of segments, of a container whose index only has their cuts.
///
/// All tracks of the container are cut at the same times, and a segment has the samples of all of them.
pub trait SegmentReader: Debug + Send + Sync {
    /// Reads the samples of a segment. One without samples is empty, as is one that does not exist.
    ///
    /// # Errors
    /// If the source cannot be read.
    fn read(&self, source: &dyn ReadAt, segment: usize) -> Result<WalkedSegment, ReadError>;

    /// The part of the file in which the samples of a segment are, with what is between them; empty if it does
    /// not exist. Reads nothing.
    fn span(&self, segment: usize) -> std::ops::Range<u64>;

    /// Approximate memory use, in bytes.
    fn memory_bytes(&self) -> usize;
}

/// The samples of a segment, of all tracks of the container that its movie has, in the order of these.
#[derive(Clone, Debug, Default)]
pub struct WalkedSegment {
    /// Offset in the file from which those of the samples count.
    base: u64,
    tracks: Box<[WalkedTrack]>,
}

/// The samples of a track, without gaps between them: each is decoded when the one before it ends.
#[derive(Clone, Debug, Default)]
struct WalkedTrack {
    first_dts: i64,
    samples: Box<[Packed]>,
}

/// A sample in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Packed {
    /// Counts from the base of the segment.
    offset: u32,
    size_and_sync: u32,
    duration: u32,
    composition: i32,
}

impl WalkedSegment {
    /// A segment with these samples in decoding order, for each track. Each sample lasts until the next one is
    /// decoded, and the last one as long as it says.
    ///
    /// `None` if they are farther apart than 4 GiB, or longer than 2, or if their times do not rise.
    pub fn new(tracks: &[Vec<Sample>]) -> Option<Self> {
        let base = tracks.iter().flatten().map(|sample| sample.offset).min().unwrap_or(0);
        let packed = |samples: &Vec<Sample>| {
            let ends = samples.iter().skip(1).map(|next| Some(next.dts)).chain([None]);
            let pack = |(sample, end): (&Sample, Option<i64>)| {
                let duration = match end {
                    Some(end) => u32::try_from(end.checked_sub(sample.dts)?).ok()?,
                    None => sample.duration,
                };
                Some(Packed {
                    offset: u32::try_from(sample.offset - base).ok()?,
                    size_and_sync: Some(sample.size).filter(|size| *size < SYNC)?
                        | if sample.is_sync { SYNC } else { 0 },
                    duration,
                    composition: sample.composition,
                })
            };
            let first_dts = samples.first().map_or(0, |first| first.dts);
            let samples = samples.iter().zip(ends).map(pack).collect::<Option<_>>()?;
            Some(WalkedTrack { first_dts, samples })
        };
        Some(Self { base, tracks: tracks.iter().map(packed).collect::<Option<_>>()? })
    }

    /// The number of samples of a track, by its place.
    pub fn count(&self, place: usize) -> usize {
        self.tracks.get(place).map_or(0, |track| track.samples.len())
    }

    /// Approximate memory use, in bytes.
    pub fn bytes(&self) -> usize {
        let track_bytes =
            |track: &WalkedTrack| size_of::<WalkedTrack>() + size_of_val(&*track.samples);
        size_of::<Self>() + self.tracks.iter().map(track_bytes).sum::<usize>()
    }
}

/// A place between two samples of a track in a walked segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    next: usize,
    /// When the next sample is decoded.
    dts: i64,
}

impl Cursor {
    /// The next sample of a track, numbered within the segment.
    pub(super) fn next(&mut self, segment: &WalkedSegment, place: usize) -> Option<Sample> {
        let track = segment.tracks.get(place)?;
        let packed = track.samples.get(self.next)?;
        if self.next == 0 {
            self.dts = track.first_dts;
        }
        let sample = Sample {
            number: u32::try_from(self.next).unwrap_or(u32::MAX),
            offset: segment.base + u64::from(packed.offset),
            size: packed.size_and_sync & !SYNC,
            dts: self.dts,
            duration: packed.duration,
            composition: packed.composition,
            is_sync: packed.size_and_sync & SYNC != 0,
            description: 1,
            is_hidden: false,
            is_silence: false,
        };
        self.next += 1;
        self.dts = self.dts.saturating_add(packed.duration.into());
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u32, offset: u64, dts: i64, duration: u32) -> Sample {
        Sample {
            number,
            offset,
            size: 1000 + number,
            dts,
            duration,
            composition: -7,
            is_sync: number.is_multiple_of(2),
            description: 1,
            is_hidden: false,
            is_silence: false,
        }
    }

    #[test]
    fn a_walked_segment_returns_the_samples_that_it_was_made_of() {
        let far = 5 << 32;
        let tracks = [
            vec![sample(0, far + 500, -40, 40), sample(1, far + 3000, 0, 40)],
            vec![],
            vec![sample(0, far, 7, 3), sample(1, far + 9000, 10, 3), sample(2, far + 1, 13, 5)],
        ];
        let segment = WalkedSegment::new(&tracks).expect("they are near each other");
        for (place, expected) in tracks.iter().enumerate() {
            let mut cursor = Cursor::default();
            let found: Vec<_> = std::iter::from_fn(|| cursor.next(&segment, place)).collect();
            assert_eq!((&found, segment.count(place)), (expected, expected.len()));
        }
        assert!(Cursor::default().next(&segment, 3).is_none());
        assert!(segment.bytes() >= 5 * 16);
    }

    #[test]
    fn a_gap_between_samples_belongs_to_the_one_before() {
        let tracks = [vec![sample(0, 0, 0, 10), sample(1, 1, 25, 10)]];
        let segment = WalkedSegment::new(&tracks).expect("they are near each other");
        let mut cursor = Cursor::default();
        let mut next = || cursor.next(&segment, 0).map(|sample| (sample.dts, sample.duration));
        assert_eq!([next(), next(), next()], [Some((0, 25)), Some((25, 10)), None]);
    }

    #[test]
    fn samples_that_do_not_fit_make_no_segment() {
        let apart = [vec![sample(0, 0, 0, 1), sample(1, 1 << 32, 1, 1)]];
        let backward = [vec![sample(0, 0, 5, 1), sample(1, 1, 4, 1)]];
        let long = [vec![Sample { size: 1 << 31, ..sample(0, 0, 0, 1) }]];
        for tracks in [&apart[..], &backward, &long] {
            assert!(WalkedSegment::new(tracks).is_none());
        }
        assert_eq!(WalkedSegment::new(&[]).expect("nothing fits").count(0), 0);
    }
}
