//! Single frames of a movie: a small virtual MP4 of exactly the samples that decoding them needs.
//!
//! The decoder gets nothing else, so that the images of a two-hour title cost some MB of reading. The
//! index comes first and the samples follow in decode order, each once: so it can be read through a pipe.
//! Its time only counts frames: [second](Stills::times_ms) `n` shows the `n`th requested frame, however
//! far apart the frames are in the title.

use std::sync::Arc;

use super::{
    boxes::{self, Writer},
    cmaf::Runs,
    cues::in_ms,
    track_boxes,
};
use crate::{
    extent::{Extents, ReadAt, ReadError, Source},
    movie::{FourCc, LeftOut, Movie, Sample, Syncs, Track},
};

/// The maximum number of samples that are decoded for one exact frame: ten seconds at sixty a second. If
/// the key frame is farther away, the nearest key frame is used instead.
pub const EXACT_SAMPLES_MAX: usize = 600;

/// The number of segments that are searched for a key frame in each direction. A segment starts with one,
/// unless it was cut because of its length.
const SEGMENTS_MAX: usize = 4;

/// Ticks per second of the small movie.
const TIMESCALE: u32 = 1000;

/// Why a movie has no usable frame.
#[derive(Debug, thiserror::Error)]
pub enum StillsError {
    /// The movie has no video track.
    #[error("the title has no video")]
    NoVideo,
    /// Its video tracks are unplayable; with the reason of the first.
    #[error("the video of the title is unplayable: {0}")]
    Unplayable(String),
    /// The video is encrypted.
    #[error("the video of the title is encrypted")]
    Encrypted,
    /// The video has no key frame, so decoding cannot start.
    #[error("the video of the title has no key frames")]
    NoKeyFrame,
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Frames of a track: their samples, not read yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stills {
    samples: Vec<PlacedSample>,
    /// For each second, when its frame is presented in the title, in milliseconds.
    pub times_ms: Vec<u64>,
    /// The second of the requested frame, if only one was requested.
    pub second: u32,
}

/// A sample and its times in the small movie, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct PlacedSample {
    sample: Sample,
    decoded: u32,
    presented: u32,
    duration: u32,
}

/// A key frame and its presentation time, in ticks.
#[derive(Clone, Copy, Debug)]
struct KeyFrame {
    sample: Sample,
    presented: i64,
}

/// Selects the video track for images: the leading one.
pub fn track(movie: &Movie) -> Result<&Track, StillsError> {
    match movie.leading_video().map(|place| &movie.tracks[place]) {
        None => {
            let is_video = |left_out: &&LeftOut| left_out.handler == Some(FourCc(*b"vide"));
            Err(match movie.left_out.iter().find(is_video) {
                Some(left_out) => StillsError::Unplayable(left_out.why.clone()),
                None => StillsError::NoVideo,
            })
        }
        Some(track) if track.entry.encryption.is_some() => Err(StillsError::Encrypted),
        Some(track) => Ok(track),
    }
}

/// The video that must be encoded before a title plays in segments: no segment holds it, and it is the
/// title's only video.
pub fn encoded_video(movie: &Movie) -> Option<&Track> {
    let track = track(movie).ok().filter(|track| !is_cover(movie, track))?;
    track.index.segments.first()?;
    track.entry.packageable().is_err().then_some(track)
}

/// Whether a track is cover art: one frame beside audio.
pub fn is_cover(movie: &Movie, track: &Track) -> bool {
    let samples = track.sample_count().unwrap_or(track.index.presented_samples);
    samples == 1 && movie.tracks.iter().any(Track::is_audio)
}

/// The start of the segment that contains a time, in milliseconds: the key frame at or before the time that
/// the index in memory knows, without a read. A time outside the track is clamped to it.
pub fn segment_start_ms(track: &Track, time_ms: u64) -> u64 {
    let segment = segment_at(track, ticks_within(track, time_ms));
    let start = track.index.segments.get(segment).map_or(0, |segment| segment.start);
    in_ms(start, track.timescale)
}

/// Finds the key frames nearest to times in milliseconds, in order. A time outside the track is clamped
/// to its first or last frame. Costs some table reads for each.
pub fn nearest<R: ReadAt + ?Sized>(
    track: &Track,
    times_ms: &[u64],
    reader: &R,
) -> Result<Stills, StillsError> {
    let mut stills = Stills { samples: Vec::new(), times_ms: Vec::new(), second: 0 };
    for (second, time_ms) in (0..).zip(times_ms) {
        let time = ticks_within(track, *time_ms);
        let KeyFrame { sample, presented } = nearest_key_frame(track, time, reader)?;
        stills.times_ms.push(in_ms(presented, track.timescale));
        match stills.samples.last_mut() {
            // The same key frame again.
            Some(last) if last.sample == sample => last.duration += 1,
            _ => stills.samples.push(PlacedSample {
                sample,
                decoded: second,
                presented: second,
                duration: 1,
            }),
        }
    }
    Ok(stills)
}

/// Finds the frame that is presented at a time, with all samples that decoding it needs; the nearest key
/// frame if these are too many.
pub fn exact<R: ReadAt + ?Sized>(
    track: &Track,
    time_ms: u64,
    reader: &R,
) -> Result<Stills, StillsError> {
    match samples_up_to(track, ticks_within(track, time_ms), reader)? {
        Some((samples, presented)) => Ok(arrange(track, samples, presented)),
        None => nearest(track, &[time_ms], reader),
    }
}

/// Converts a time into ticks, clamped to the track.
fn ticks_within(track: &Track, time_ms: u64) -> i64 {
    let ticks = u128::from(time_ms) * u128::from(track.timescale.get()) / 1000;
    let first = track.index.segments.first().map_or(0, |segment| segment.start);
    let last = track.index.end.saturating_sub(1).max(first);
    i64::try_from(ticks).unwrap_or(i64::MAX).clamp(first, last)
}

/// The segment of a time.
fn segment_at(track: &Track, time: i64) -> usize {
    let after = track.index.segments.partition_point(|segment| segment.start <= time);
    after.saturating_sub(1)
}

fn nearest_key_frame<R: ReadAt + ?Sized>(
    track: &Track,
    time: i64,
    reader: &R,
) -> Result<KeyFrame, StillsError> {
    // A frame that the edit list cuts out is the last resort.
    match nearest_of(track, time, reader, |sample| !sample.is_hidden)? {
        Some(key_frame) => Ok(key_frame),
        None => nearest_of(track, time, reader, |_| true)?.ok_or(StillsError::NoKeyFrame),
    }
}

fn nearest_of<R: ReadAt + ?Sized>(
    track: &Track,
    time: i64,
    reader: &R,
    is_usable: fn(&Sample) -> bool,
) -> Result<Option<KeyFrame>, StillsError> {
    let at = segment_at(track, time);
    let (mut before, mut after) = key_frames_around(track, at, time, reader, is_usable)?;
    for earlier in (at.saturating_sub(SEGMENTS_MAX)..at).rev() {
        if before.is_some() {
            break;
        }
        before = key_frames_around(track, earlier, time, reader, is_usable)?.0;
    }
    for later in at + 1..=at + SEGMENTS_MAX {
        if after.is_some() {
            break;
        }
        after = key_frames_around(track, later, time, reader, is_usable)?.1;
    }
    let distance = |key_frame: &KeyFrame| key_frame.presented.abs_diff(time);
    match before.into_iter().chain(after).min_by_key(distance) {
        Some(key_frame) => Ok(Some(key_frame)),
        // A movie with one key frame has it at the start.
        None => {
            let (before, after) = key_frames_around(track, 0, time, reader, is_usable)?;
            Ok(before.or(after))
        }
    }
}

/// The last key frame of a segment that is presented at a time or before, and the first after it.
fn key_frames_around<R: ReadAt + ?Sized>(
    track: &Track,
    number: usize,
    time: i64,
    reader: &R,
    is_usable: fn(&Sample) -> bool,
) -> Result<(Option<KeyFrame>, Option<KeyFrame>), ReadError> {
    let syncs = track.measured(number).map(|measured| measured.totals.shape.syncs);
    let samples_max = if syncs == Some(Syncs::First) { 1 } else { u32::MAX };
    let mut walk = track.walk_segment(reader, number);
    let mut before = None;
    for _ in 0..samples_max {
        let Some(sample) = walk.next_sample()? else { break };
        if !sample.is_sync || !is_usable(&sample) {
            continue;
        }
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let key_frame = Some(KeyFrame { sample, presented });
        if presented > time {
            return Ok((before, key_frame));
        }
        before = key_frame;
    }
    Ok((before, None))
}

/// The samples from a key frame to the frame that is presented at a time, in decode order, and when that
/// frame is presented; `None` if they are too many or the first is no key frame.
fn samples_up_to<R: ReadAt + ?Sized>(
    track: &Track,
    time: i64,
    reader: &R,
) -> Result<Option<(Vec<Sample>, i64)>, ReadError> {
    // No composition offset is below `-raise`.
    let earliest = |sample: &Sample| {
        let decoded = sample.dts.saturating_add(track.timeline.shift);
        decoded.saturating_sub(i64::from(track.index.raise))
    };
    let mut walk = track.walk_from(reader, segment_at(track, time));
    let mut run: Vec<Sample> = Vec::new();
    // The number of samples up to the frame, and when it is presented.
    let mut found: Option<(usize, i64)> = None;
    while let Some(sample) = walk.next_sample()? {
        if earliest(&sample) > time {
            break;
        }
        let presented = walk.presented(&sample, &track.timeline);
        if sample.is_sync && presented <= time {
            run.clear();
            found = None;
        }
        if run.len() < EXACT_SAMPLES_MAX {
            run.push(sample);
        } else if presented <= time {
            return Ok(None);
        }
        let is_later = !sample.is_hidden && found.is_none_or(|(_, found)| presented > found);
        if presented <= time && is_later {
            found = Some((run.len(), presented));
        }
    }
    let Some((count, presented)) = found.filter(|_| run.first().is_some_and(|first| first.is_sync))
    else {
        return Ok(None);
    };
    run.truncate(count);
    Ok(Some((run, presented)))
}

/// Assigns each sample a second, in order of presentation.
fn arrange(track: &Track, samples: Vec<Sample>, requested: i64) -> Stills {
    let presented = |sample: &Sample| track.timeline.presented(sample.dts, sample.composition);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|place| presented(&samples[*place]));
    let times: Vec<i64> = order.iter().map(|place| presented(&samples[*place])).collect();
    let mut seconds = vec![0; samples.len()];
    (0..).zip(&order).for_each(|(second, place)| seconds[*place] = second);
    let placed = (0..).zip(samples).zip(seconds).map(|((decoded, sample), presented)| {
        PlacedSample { sample, decoded, presented, duration: 1 }
    });
    let second = times.partition_point(|time| *time < requested);
    Stills {
        samples: placed.collect(),
        times_ms: times.into_iter().map(|time| in_ms(time, track.timescale)).collect(),
        second: u32::try_from(second).expect("a few hundred"),
    }
}

impl Stills {
    /// The number of bytes to read from the file.
    pub fn bytes(&self) -> u64 {
        self.samples.iter().map(|placed| u64::from(placed.sample.size)).sum()
    }

    /// Builds the MP4.
    ///
    /// `track` is the track of the frames, and `file` its source.
    pub fn movie(&self, track: &Track, file: &Arc<dyn Source>) -> Result<Extents, ReadError> {
        let mut runs = Runs::default();
        self.samples.iter().for_each(|placed| runs.add(&placed.sample, track));
        let mut header = Writer::default();
        track_boxes::write_file_type(&mut header, [track]);
        let moov = self.write_moov(track, 0).len();
        let mdat = if u32::try_from(runs.bytes + 8).is_ok() { 8 } else { 16 };
        let media = u32::try_from(header.len() + moov + mdat).expect("an index of a few samples");
        header.bytes(&self.write_moov(track, media));
        match u32::try_from(runs.bytes + 8) {
            Ok(size) => {
                header.u32(size);
                header.bytes(b"mdat");
            }
            Err(_) => {
                header.u32(1);
                header.bytes(b"mdat");
                header.u64(runs.bytes + 16);
            }
        }
        runs.after_header(header.into_bytes(), file)
    }

    /// The delay between decoding and presentation, in seconds: no frame is presented before it is
    /// decoded.
    fn delay(&self) -> u32 {
        let early = |placed: &PlacedSample| placed.decoded.saturating_sub(placed.presented);
        self.samples.iter().map(early).max().unwrap_or(0)
    }

    /// Writes the index, for samples that start at an offset.
    fn write_moov(&self, track: &Track, media: u32) -> Vec<u8> {
        let duration = u64::try_from(self.times_ms.len()).unwrap_or(0) * u64::from(TIMESCALE);
        let media_time = i64::from(self.delay()) * i64::from(TIMESCALE);
        let mut writer = Writer::default();
        writer.boxed(b"moov", |moov| {
            boxes::movie_header(moov, TIMESCALE, duration, 2);
            moov.boxed(b"trak", |trak| {
                track_boxes::write_header(trak, track, 1, duration, track_boxes::ENABLED);
                boxes::edit_list(trak, &[(duration, media_time)]);
                trak.boxed(b"mdia", |mdia| {
                    boxes::media_header(mdia, TIMESCALE, duration, "");
                    boxes::handler(mdia, &track.handler.0, "");
                    mdia.boxed(b"minf", |minf| {
                        boxes::media_kind(minf, &track.handler.0);
                        minf.boxed(b"stbl", |stbl| self.write_tables(stbl, track, media));
                    });
                });
            });
        });
        writer.into_bytes()
    }

    /// Writes `stbl` (ISO/IEC 14496-12 section 8.5), with all samples in one chunk.
    fn write_tables(&self, stbl: &mut Writer, track: &Track, media: u32) {
        let count = u32::try_from(self.samples.len()).expect("a few hundred");
        let delay = self.delay();
        stbl.full(b"stsd", 0, 0, |stsd| {
            stsd.u32(1);
            stsd.bytes(&track.entry.entry);
        });
        stbl.full(b"stts", 0, 0, |stts| {
            stts.u32(count);
            for placed in &self.samples {
                stts.u32(1);
                stts.u32(placed.duration.saturating_mul(TIMESCALE));
            }
        });
        if self.samples.iter().any(|placed| placed.presented != placed.decoded) {
            stbl.full(b"ctts", 0, 0, |ctts| {
                ctts.u32(count);
                for placed in &self.samples {
                    ctts.u32(1);
                    ctts.u32((placed.presented + delay - placed.decoded).saturating_mul(TIMESCALE));
                }
            });
        }
        let syncs = (1..).zip(&self.samples).filter(|(_, placed)| placed.sample.is_sync);
        let syncs: Vec<u32> = syncs.map(|(number, _)| number).collect();
        if syncs.len() < self.samples.len() {
            stbl.full(b"stss", 0, 0, |stss| {
                stss.u32(u32::try_from(syncs.len()).expect("no more than samples"));
                syncs.iter().for_each(|number| stss.u32(*number));
            });
        }
        stbl.full(b"stsz", 0, 0, |stsz| {
            stsz.u32(0);
            stsz.u32(count);
            self.samples.iter().for_each(|placed| stsz.u32(placed.sample.size));
        });
        stbl.full(b"stsc", 0, 0, |stsc| {
            [1, 1, count, 1].into_iter().for_each(|field| stsc.u32(field));
        });
        stbl.full(b"stco", 0, 0, |stco| {
            stco.u32(1);
            stco.u32(media);
        });
    }
}
