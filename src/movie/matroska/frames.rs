//! Frames of a segment as a walk finds them, and the samples that they become.

use std::ops::Range;

use super::{
    audio_times::{self, Grid, Timed},
    clusters::{ClusterTrack, Gathered},
    tail::Tail,
    video_times,
};
use crate::movie::Sample;

/// A frame of a walk.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) bytes: Range<u64>,
    /// In ticks of the track: of its block, and the frames in front of it in a lace.
    pub(super) time: i64,
    /// Whether it is the first of its block.
    pub(super) is_first: bool,
    pub(super) samples: Option<u32>,
    pub(super) is_key: bool,
    /// In ticks of the track.
    pub(super) discard: i64,
    pub(super) duration: Option<u32>,
}

impl Frame {
    /// The size of the sample; `None` if no sample can be that long.
    pub(super) fn size(&self, track: &ClusterTrack) -> Option<u32> {
        let bytes = u32::try_from(self.bytes.end - self.bytes.start).ok()?;
        bytes.checked_add(u32::try_from(track.prefix.len()).ok()?).filter(|size| *size < 1 << 31)
    }

    fn sample(&self, track: &ClusterTrack, number: usize) -> Sample {
        Sample {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            offset: self.bytes.start,
            size: self.size(track).unwrap_or(0),
            dts: self.time,
            duration: 0,
            composition: 0,
            is_sync: self.is_key,
            description: 1,
            is_hidden: false,
            is_silence: false,
        }
    }
}

/// The samples of the leading video, of which the next segment's first is decoded at `next`.
pub(super) fn video_samples(
    track: &ClusterTrack,
    raise: u32,
    frames: &[Frame],
    next: Option<i64>,
) -> Vec<Sample> {
    let presented: Vec<i64> = frames.iter().map(|frame| frame.time).collect();
    let times = video_times::decoding_times(&presented, raise.into(), next);
    let last = frames.iter().max_by_key(|frame| frame.time).and_then(|frame| frame.duration);
    let usual = last.filter(|ticks| *ticks > 0).unwrap_or(track.usual_duration);
    let end = times.last().map(|last| next.unwrap_or(last.saturating_add(usual.into())));
    let ends = times.iter().skip(1).copied().chain(end);
    let sample = |((number, frame), (dts, end)): ((usize, &Frame), (&i64, i64))| Sample {
        dts: *dts,
        duration: difference(end, *dts),
        composition: composition(frame.time, *dts),
        ..frame.sample(track, number)
    };
    frames.iter().enumerate().zip(times.iter().zip(ends)).map(sample).collect()
}

/// The samples of audio, behind which the frame `next` is.
pub(super) fn audio_samples(
    track: &ClusterTrack,
    frames: &[Frame],
    next: Option<&Frame>,
) -> Vec<Sample> {
    let timed = |frame: &Frame| Timed {
        block_time: frame.is_first.then_some(frame.time),
        samples: frame.samples,
    };
    let next_timed =
        next.iter().map(|next| Timed { block_time: Some(next.time), samples: next.samples });
    let all: Vec<Timed> = frames.iter().map(timed).chain(next_timed).collect();
    let grid = Grid { origin: track.first, usual: track.usual_duration };
    let times = audio_times::starts(&all, track.clock, grid);
    let sample = |(number, frame): (usize, &Frame)| {
        let dts = times[number];
        let own = frame.samples.unwrap_or(track.usual_duration);
        let is_last = number + 1 == frames.len();
        let until_next = times.get(number + 1).map(|next| difference(*next, dts));
        // A pause behind the segment belongs to none.
        let duration =
            until_next.filter(|ticks| !is_last || *ticks <= own.saturating_mul(2)).unwrap_or(own);
        let discard = u32::try_from(frame.discard).unwrap_or(0);
        let duration =
            if times.len() == number + 1 { duration.saturating_sub(discard) } else { duration };
        Sample { dts, duration, is_sync: true, ..frame.sample(track, number) }
    };
    frames.iter().enumerate().map(sample).collect()
}

/// The end of a track whose last frames these are.
pub(super) fn tail(track: &ClusterTrack, gathered: &Gathered) -> Option<Tail> {
    let frames = &gathered.frames;
    let last = frames.iter().max_by_key(|frame| frame.time)?;
    let times: Vec<i64> = frames.iter().map(|frame| frame.time).collect();
    let end = if track.is_audio() {
        let samples = audio_samples(track, frames, None);
        samples.iter().map(|sample| sample.dts.saturating_add(sample.duration.into())).max()?
    } else {
        let own = last.duration.filter(|ticks| *ticks > 0);
        last.time.saturating_add(own.unwrap_or(track.usual_duration).into())
    };
    Some(Tail { last: last.time, end, distance: video_times::usual_distance(&times) })
}

fn difference(end: i64, start: i64) -> u32 {
    u32::try_from(end.saturating_sub(start).max(0)).unwrap_or(u32::MAX)
}

fn composition(presented: i64, dts: i64) -> i32 {
    let offset = presented.saturating_sub(dts);
    i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX })
}
