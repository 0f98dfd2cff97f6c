//! The clusters of a file, as segments: each begins with a key frame of the leading track, and a walk over the
//! headers of its blocks gives the samples of all tracks.
//!
//! Video belongs to a segment by its place in the file: from the key frame of the segment to that of the next.
//! Audio belongs to it by its time, because files interleave it loosely. Every frame so has exactly one
//! segment, and a walk depends on nothing but the file and the cuts.

use std::ops::Range;

use bytes::Bytes;

use super::{
    blocks::{Block, BlockWalk, Step},
    clock::Clock,
    frame_lengths::{self, FrameLength},
    frames::{Frame, audio_samples, video_samples},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{SEGMENT_SAMPLES_MAX, Sample},
};

/// The most work of one walk: a segment of five minutes with ten tracks needs as much.
pub(super) const WORK_MAX: u64 = 1 << 18;

/// How far apart in the file frames of the same time may be, in milliseconds.
const INTERLEAVING_MS: i64 = 1000;

/// The most frames that are presented before a key frame and follow it in the file.
const LEADING_MAX: usize = 64;

/// Where a segment begins: with a key frame of the leading track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cut {
    /// The time of the block, in ticks of the file.
    pub(super) time: i64,
    /// Offset of its cluster.
    pub(super) cluster: u64,
}

/// What a walk has to know of a track.
#[derive(Clone, Debug)]
pub(super) struct ClusterTrack {
    /// Its number in blocks.
    pub(super) number: u64,
    pub(super) clock: Clock,
    /// Added to block times to get presentation times, in ticks of the track.
    pub(super) shift: i64,
    /// Bytes that each frame lacks, few.
    pub(super) prefix: Bytes,
    pub(super) kind: TrackKind,
    /// Duration of a frame, where nothing else tells it, in ticks of the track.
    pub(super) usual_duration: u32,
    /// Time of its first and last block in ticks of the track, if they are known.
    pub(super) first: i64,
    pub(super) last: Option<i64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TrackKind {
    /// How long before its decoding a frame may be presented, in ticks.
    Video {
        raise: u32,
    },
    Audio {
        length: FrameLength,
    },
}

/// The clusters of a file, shared by its tracks.
#[derive(Debug)]
pub(crate) struct Clusters {
    pub(super) cuts: Box<[Cut]>,
    /// Offset of the first cluster with a frame of a track.
    pub(super) start: u64,
    /// End of the segment element.
    pub(super) end: u64,
    pub(super) tracks: Box<[ClusterTrack]>,
    /// The place of the leading track, at whose key frames segments begin.
    pub(super) leading: usize,
    /// What the codec of the leading track delays, in nanoseconds: its block times include it.
    pub(super) delay_ns: i64,
}

/// The frames of a track in one segment.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) frames: Vec<Frame>,
    /// The first frame behind the segment.
    pub(super) next: Option<Frame>,
    /// The time of the last seen frame.
    seen: Option<i64>,
}

/// Where a walk is in the leading video.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Before,
    Inside,
    /// Behind: the time of the next key frame, and the least time of frames presented before it.
    Leading {
        key: i64,
        least: i64,
        seen: usize,
    },
    Behind {
        least: Option<i64>,
    },
}

impl Clusters {
    /// The number of segments.
    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }

    /// Approximate memory use in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&self.cuts[..]) + size_of_val(&self.tracks[..])
    }

    /// The part of the file with the blocks of a segment, and with some of its neighbours' at its borders.
    pub(super) fn range(&self, segment: usize) -> Option<Range<u64>> {
        let cluster = self.cuts.get(segment)?.cluster;
        let behind = self.cuts.partition_point(|cut| cut.cluster <= cluster);
        let end = self.cuts.get(behind).map_or(self.end, |cut| cut.cluster);
        let start = if segment == 0 { self.start } else { cluster };
        Some(start..end.max(start))
    }

    /// The samples of all tracks in one segment, in the order of decoding. A damaged segment has those in front
    /// of the damage, or none.
    pub(super) fn walk<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
    ) -> Result<Vec<Vec<Sample>>, ReadError> {
        let Some(span) = self.times(segment) else {
            return Ok(vec![Vec::new(); self.tracks.len()]);
        };
        let (mut gathered, next) = self.gather(source, segment, &span)?;
        self.look_back(source, segment, &span, &mut gathered)?;
        let tracks = self.tracks.iter().zip(gathered);
        let samples = tracks.map(|(track, gathered)| match track.kind {
            TrackKind::Video { raise } => video_samples(track, raise, &gathered.frames, next),
            TrackKind::Audio { .. } => {
                audio_samples(track, &gathered.frames, gathered.next.as_ref())
            }
        });
        Ok(samples.collect())
    }

    /// The presentation times of the leading video in one segment, in the order of the file, and the earliest of
    /// the next segment.
    pub(super) fn presented<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
    ) -> Result<Vec<i64>, ReadError> {
        let Some(span) = self.times(segment) else { return Ok(Vec::new()) };
        let (mut gathered, _) = self.gather(source, segment, &span)?;
        Ok(gathered.swap_remove(self.leading).frames.iter().map(|frame| frame.time).collect())
    }

    /// When a segment begins, in ticks of a track.
    pub(super) fn presented_at(&self, track: &ClusterTrack, cut: &Cut) -> i64 {
        let delay = track.clock.ticks_of_ns(self.delay_ns);
        track.clock.ticks(cut.time).saturating_sub(delay)
    }

    /// The place of the track with this number.
    pub(super) fn place_of_track(&self, number: u64) -> Option<usize> {
        self.tracks.iter().position(|track| track.number == number)
    }

    /// For each track, the times of blocks in a segment, in ticks of the track.
    fn times(&self, segment: usize) -> Option<Vec<Range<i64>>> {
        let (cut, next) = (self.cuts.get(segment)?, self.cuts.get(segment + 1));
        let range = |track: &ClusterTrack| {
            let of = |cut: &Cut| self.presented_at(track, cut).saturating_sub(track.shift);
            let start = if segment == 0 { i64::MIN } else { of(cut) };
            start..next.map_or(i64::MAX, of)
        };
        Some(self.tracks.iter().map(range).collect())
    }

    /// Walks from the cluster of a segment on until it has all frames of it, and the first ones of the next: when
    /// the next video is decoded.
    fn gather<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
        times: &[Range<i64>],
    ) -> Result<(Vec<Gathered>, Option<i64>), ReadError> {
        let mut gathered: Vec<Gathered> = Vec::new();
        gathered.resize_with(self.tracks.len(), Gathered::default);
        let cut = self.cuts[segment];
        let mut place = match self.tracks[self.leading].kind {
            TrackKind::Video { .. } => Place::Before,
            TrackKind::Audio { .. } => Place::Behind { least: None },
        };
        let too_late = self.cuts.get(segment + 1).map(|next| self.too_late(next.time));
        let start = if segment == 0 { self.start } else { cut.cluster };
        let mut walk = BlockWalk::new(source, start, self.end, WORK_MAX);
        while let Some(step) = walk.next()? {
            let block = match step {
                Step::Block(block) => block,
                Step::Cluster(cluster) => {
                    if place == Place::Before && cluster.start > cut.cluster {
                        place = Place::Behind { least: None };
                    }
                    let is_late = too_late.is_some_and(|late| cluster.time() > late);
                    if is_late && matches!(place, Place::Behind { .. }) {
                        break;
                    }
                    continue;
                }
                Step::Other(_) => continue,
            };
            let Some(track) = self.place_of_track(block.track) else { continue };
            if let TrackKind::Video { .. } = self.tracks[track].kind {
                place = self.place_of(segment, place, &block);
                if place == Place::Inside {
                    self.add(
                        &mut walk,
                        track,
                        &block,
                        &(i64::MIN..i64::MAX),
                        &mut gathered[track],
                    )?;
                }
            } else {
                self.add(&mut walk, track, &block, &times[track], &mut gathered[track])?;
            }
            let is_done = |(place, track): (usize, &ClusterTrack)| {
                let Gathered { next, seen, .. } = &gathered[place];
                let has_ended =
                    |last: i64| last < times[place].start || seen.is_some_and(|seen| seen >= last);
                !track.is_audio() || next.is_some() || track.last.is_some_and(has_ended)
            };
            if matches!(place, Place::Behind { .. }) && self.tracks.iter().enumerate().all(is_done)
            {
                break;
            }
        }
        let least = match place {
            Place::Leading { least, .. } => Some(least),
            Place::Behind { least } => least,
            Place::Before | Place::Inside => None,
        };
        Ok((gathered, least))
    }

    /// The time of a cluster, in ticks of the file, that has no frames of a segment that ends at this time.
    fn too_late(&self, end: i64) -> i64 {
        let per_second =
            self.tracks.first().map_or(1000, |track| track.clock.file_ticks(INTERLEAVING_MS));
        end.saturating_add(per_second)
    }

    /// Where a walk is with a block of the leading video.
    fn place_of(&self, segment: usize, place: Place, block: &Block) -> Place {
        let time = self.tracks[self.leading].clock.ticks(block.time);
        match place {
            Place::Before if self.cut_of(block) == Some(segment) => Place::Inside,
            Place::Inside if self.cut_of(block).is_some_and(|cut| cut > segment) => {
                Place::Leading { key: time, least: time, seen: 0 }
            }
            Place::Leading { key, least, seen } if time < key && seen < LEADING_MAX => {
                Place::Leading { key, least: least.min(time), seen: seen + 1 }
            }
            Place::Leading { least, .. } => Place::Behind { least: Some(least) },
            place => place,
        }
    }

    /// The cut that a key frame fits: the last one in its cluster that is not later than it, by more than a tick.
    fn cut_of(&self, block: &Block) -> Option<usize> {
        let latest = block.time.saturating_add(1);
        let place = self.cuts.partition_point(|cut| cut.time <= latest).checked_sub(1)?;
        (block.is_key && self.cuts[place].cluster == block.cluster).then_some(place)
    }

    /// Whether frames are presented before the key frame of a segment and follow it in the file.
    pub(super) fn has_leading_frames<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
    ) -> Result<bool, ReadError> {
        const WORK: u64 = 1 << 10;
        let Some(cut) = self.cuts.get(segment) else { return Ok(false) };
        let leading = self.tracks[self.leading].number;
        let mut walk = BlockWalk::new(source, cut.cluster, self.end, WORK);
        let mut key = None;
        while let Some(step) = walk.next()? {
            let Step::Block(block) = step else { continue };
            match key {
                _ if block.track != leading => {}
                Some(key) => return Ok(block.time < key),
                None if self.cut_of(&block) == Some(segment) => key = Some(block.time),
                None => {}
            }
        }
        Ok(false)
    }

    /// Adds the frames of a block that are in a range of time.
    pub(super) fn add<R: ReadAt + ?Sized>(
        &self,
        walk: &mut BlockWalk<'_, R>,
        place: usize,
        block: &Block,
        times: &Range<i64>,
        gathered: &mut Gathered,
    ) -> Result<(), ReadError> {
        let track = &self.tracks[place];
        let Some(ranges) = walk.frames(block)? else { return Ok(()) };
        let count = ranges.len();
        let mut time = track.clock.ticks(block.time);
        let mut is_first = true;
        let duration = block.duration.and_then(|ticks| i64::try_from(ticks).ok());
        let duration = duration.map(|ticks| track.clock.ticks(ticks));
        for (number, bytes) in ranges.into_iter().enumerate() {
            let samples = track.samples(walk, &bytes)?;
            let is_last = number + 1 == count;
            let frame = Frame {
                time,
                is_first,
                samples,
                is_key: block.is_key,
                discard: if is_last { track.clock.ticks_of_ns(block.discard_ns) } else { 0 },
                duration: duration
                    .and_then(|ticks| u32::try_from(ticks).ok())
                    .filter(|_| count == 1),
                bytes,
            };
            gathered.seen = gathered.seen.max(Some(time));
            time = time.saturating_add(samples.unwrap_or(track.usual_duration).into());
            let is_full = gathered.frames.len() >= SEGMENT_SAMPLES_MAX as usize;
            if frame.time >= times.end {
                gathered.next.get_or_insert(frame);
            } else if frame.time >= times.start && !is_full && frame.size(track).is_some() {
                gathered.frames.push(frame);
                is_first = false;
            }
        }
        Ok(())
    }

    /// Looks for audio of a segment that is in front of its cluster, if its first frames are missing.
    fn look_back<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
        times: &[Range<i64>],
        gathered: &mut [Gathered],
    ) -> Result<(), ReadError> {
        let end = self.cuts[segment].cluster;
        let earlier = self.cuts[..segment].iter().rfind(|cut| cut.cluster < end);
        let Some(earlier) = earlier else { return Ok(()) };
        let is_short = |(place, track): (usize, &ClusterTrack)| {
            if !track.is_audio() {
                return false;
            }
            let first = gathered[place].frames.first();
            let length =
                i64::from(first.and_then(|first| first.samples).unwrap_or(track.usual_duration));
            let start = times[place].start;
            let can_begin = track.first < start && track.last.is_none_or(|last| last >= start);
            let gap = first.map_or(i64::MAX, |first| first.time.saturating_sub(start));
            can_begin && gap.saturating_add(2 * track.clock.rounding()) >= length
        };
        let short: Vec<usize> = self
            .tracks
            .iter()
            .enumerate()
            .filter(|track| is_short(*track))
            .map(|(place, _)| place)
            .collect();
        if short.is_empty() {
            return Ok(());
        }
        let mut found: Vec<Gathered> = Vec::new();
        found.resize_with(self.tracks.len(), Gathered::default);
        let mut walk = BlockWalk::new(source, earlier.cluster, end, WORK_MAX);
        while let Some(step) = walk.next()? {
            let Step::Block(block) = step else { continue };
            let is_its = |place: &&usize| self.tracks[**place].number == block.track;
            if let Some(place) = short.iter().find(is_its) {
                self.add(&mut walk, *place, &block, &times[*place], &mut found[*place])?;
            }
        }
        for place in short {
            let Gathered { frames, next, .. } = std::mem::take(&mut found[place]);
            let gathered = &mut gathered[place];
            gathered.frames.splice(0..0, frames);
            gathered.frames.truncate(SEGMENT_SAMPLES_MAX as usize);
            gathered.next = next.or(gathered.next.take());
        }
        Ok(())
    }
}

impl ClusterTrack {
    pub(super) fn is_audio(&self) -> bool {
        matches!(self.kind, TrackKind::Audio { .. })
    }

    /// The length of a frame, if its codec tells it.
    fn samples<R: ReadAt + ?Sized>(
        &self,
        walk: &mut BlockWalk<'_, R>,
        frame: &Range<u64>,
    ) -> Result<Option<u32>, ReadError> {
        let TrackKind::Audio { length } = self.kind else { return Ok(None) };
        let bytes = frame.end - frame.start;
        if !length.needs_bytes() {
            return Ok(length.samples(&[], bytes));
        }
        let first = walk.first_bytes(frame, frame_lengths::BYTES_MAX)?;
        if self.prefix.is_empty() {
            return Ok(length.samples(first, bytes));
        }
        let first = [&self.prefix[..], first].concat();
        Ok(length.samples(&first, bytes.saturating_add(self.prefix.len() as u64)))
    }
}
