//! Single pictures of a movie: a small virtual MP4 of exactly the samples that they take.
//!
//! A decoder is given nothing else, so that the pictures of a film of two hours cost some MB of reading.
//! The index stands in front and the samples behind it in the order of decoding, each once: it can be
//! read through a pipe. Time in it is a matter of counting: [second](Stills::times_ms) `n` shows the
//! picture that was asked for as number `n`, however long the film goes on between two of them.

use std::sync::Arc;

use super::{
    boxes::{self, Writer},
    cmaf::Runs,
    cues::in_ms,
};
use crate::{
    extent::{Extents, ReadAt, ReadError, Source},
    movie::{Movie, Sample, Syncs, Track},
};

/// The most samples that are decoded for one exact picture: ten seconds at sixty a second. The key
/// frame before it has to do where it is farther away.
pub const EXACT_SAMPLES_MAX: usize = 600;

/// How many segments are looked through for a key frame, each way. A segment begins with one, unless
/// it was cut for its length alone.
const SEGMENTS_MAX: usize = 4;

/// Ticks of what is made in a second.
const TIMESCALE: u32 = 1000;

/// Why there is no picture of a movie.
#[derive(Debug, thiserror::Error)]
pub enum StillsRefused {
    /// It is sound, or text.
    #[error("there are no pictures in this title")]
    NoPictures,
    /// Nobody here has the key.
    #[error("the pictures of this title are encrypted")]
    Encrypted,
    /// Decoding can begin nowhere.
    #[error("no picture of this title can be decoded by itself: it has no key frames")]
    NoKeyFrame,
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Pictures of a track, found but not yet read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stills {
    placed: Vec<Placed>,
    /// When each second's picture is shown in the title, in milliseconds.
    pub times_ms: Vec<u64>,
    /// The second with the picture that was asked for, where only one was.
    pub second: u32,
}

/// A sample, and its place in what is made, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Placed {
    sample: Sample,
    decoded: u32,
    shown: u32,
    lasts: u32,
}

/// A key frame, and when it is shown, in ticks.
#[derive(Clone, Copy, Debug)]
struct KeyFrame {
    sample: Sample,
    presented: i64,
}

/// The track of a movie that its pictures are taken from: what is played, else the first there is.
pub fn track(movie: &Movie) -> Result<&Track, StillsRefused> {
    let pictures = || movie.tracks.iter().filter(|track| track.is_video());
    let is_played = |track: &&Track| track.entry.packageable().is_ok();
    let track = pictures().find(is_played).or_else(|| pictures().next());
    match track {
        None => Err(StillsRefused::NoPictures),
        Some(track) if track.entry.encryption.is_some() => Err(StillsRefused::Encrypted),
        Some(track) => Ok(track),
    }
}

/// The key frames nearest to times in milliseconds, in their order. A time before the first picture or
/// behind the last is taken for that of the first or the last. Takes some table reads for each.
pub fn nearest<R: ReadAt + ?Sized>(
    track: &Track,
    times_ms: &[u64],
    reader: &R,
) -> Result<Stills, StillsRefused> {
    let mut stills = Stills { placed: Vec::new(), times_ms: Vec::new(), second: 0 };
    for (second, time_ms) in (0..).zip(times_ms) {
        let time = ticks_within(track, *time_ms);
        let KeyFrame { sample, presented } = nearest_to(track, time, reader)?;
        stills.times_ms.push(in_ms(presented, track.timescale));
        match stills.placed.last_mut() {
            // It goes on being shown.
            Some(last) if last.sample.number == sample.number => last.lasts += 1,
            _ => stills.placed.push(Placed { sample, decoded: second, shown: second, lasts: 1 }),
        }
    }
    Ok(stills)
}

/// The picture that is shown at a time, with all samples that have to be decoded for it; the nearest
/// key frame if these are too many.
pub fn exact<R: ReadAt + ?Sized>(
    track: &Track,
    time_ms: u64,
    reader: &R,
) -> Result<Stills, StillsRefused> {
    match run_to(track, ticks_within(track, time_ms), reader)? {
        Some((samples, presented)) => Ok(in_sequence(track, samples, presented)),
        None => nearest(track, &[time_ms], reader),
    }
}

/// A time in ticks, when something is shown.
fn ticks_within(track: &Track, time_ms: u64) -> i64 {
    let ticks = u128::from(time_ms) * u128::from(track.timescale.get()) / 1000;
    let first = track.index.segments.first().map_or(0, |segment| segment.start);
    let last = track.index.end.saturating_sub(1).max(first);
    i64::try_from(ticks).unwrap_or(i64::MAX).clamp(first, last)
}

/// The segment that a time is in.
fn segment_at(track: &Track, time: i64) -> usize {
    let behind = track.index.segments.partition_point(|segment| segment.start <= time);
    behind.saturating_sub(1)
}

fn nearest_to<R: ReadAt + ?Sized>(
    track: &Track,
    time: i64,
    reader: &R,
) -> Result<KeyFrame, StillsRefused> {
    let at = segment_at(track, time);
    let (mut before, mut behind) = around(track, at, time, reader)?;
    for earlier in (at.saturating_sub(SEGMENTS_MAX)..at).rev() {
        if before.is_some() {
            break;
        }
        before = around(track, earlier, time, reader)?.0;
    }
    for later in at + 1..=at + SEGMENTS_MAX {
        if behind.is_some() {
            break;
        }
        behind = around(track, later, time, reader)?.1;
    }
    let far = |key_frame: &KeyFrame| key_frame.presented.abs_diff(time);
    match before.into_iter().chain(behind).min_by_key(far) {
        Some(key_frame) => Ok(key_frame),
        // A film with one key frame has it at its beginning.
        None => {
            let (before, behind) = around(track, 0, time, reader)?;
            before.or(behind).ok_or(StillsRefused::NoKeyFrame)
        }
    }
}

/// The last key frame of a segment that is shown at a time or before, and the first that is shown later.
fn around<R: ReadAt + ?Sized>(
    track: &Track,
    number: usize,
    time: i64,
    reader: &R,
) -> Result<(Option<KeyFrame>, Option<KeyFrame>), ReadError> {
    let (Some(segment), Some(end)) = (track.index.segments.get(number), track.segment_end(number))
    else {
        return Ok((None, None));
    };
    let count = match segment.shape.syncs {
        Syncs::First => 1,
        Syncs::All | Syncs::Some => end - segment.first_sample,
    };
    let mut walk = track.walk(reader, segment);
    let mut before = None;
    for _ in 0..count {
        let Some(Ok(sample)) = walk.next_sample()? else {
            return Err(ReadError::Changed);
        };
        if !sample.is_sync {
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

/// The samples from a key frame to the picture that is shown at a time, in the order of decoding, and
/// when that is shown; `None` if they are too many or the first is no key frame.
fn run_to<R: ReadAt + ?Sized>(
    track: &Track,
    time: i64,
    reader: &R,
) -> Result<Option<(Vec<Sample>, i64)>, ReadError> {
    let Some(segment) = track.index.segments.get(segment_at(track, time)) else {
        return Ok(None);
    };
    // No composition offset is less than what raises the least to zero.
    let earliest = |sample: &Sample| {
        let decoded = sample.dts.saturating_add(track.timeline.shift);
        decoded.saturating_sub(i64::from(track.index.raise))
    };
    let mut walk = track.walk(reader, segment);
    let mut run: Vec<Sample> = Vec::new();
    // How many samples the picture takes, and when it is shown.
    let mut found: Option<(usize, i64)> = None;
    for _ in segment.first_sample..track.index.end_sample {
        let Some(Ok(sample)) = walk.next_sample()? else {
            return Err(ReadError::Changed);
        };
        if earliest(&sample) > time {
            break;
        }
        let presented = track.timeline.presented(sample.dts, sample.composition);
        if sample.is_sync && presented <= time {
            run.clear();
            found = None;
        }
        if run.len() < EXACT_SAMPLES_MAX {
            run.push(sample);
        } else if presented <= time {
            return Ok(None);
        }
        let is_later = found.is_none_or(|(_, shown)| presented > shown);
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

/// Samples with a second for each, in the order in which they are shown.
fn in_sequence(track: &Track, samples: Vec<Sample>, wanted: i64) -> Stills {
    let presented = |sample: &Sample| track.timeline.presented(sample.dts, sample.composition);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|place| presented(&samples[*place]));
    let times: Vec<i64> = order.iter().map(|place| presented(&samples[*place])).collect();
    let mut shown = vec![0; samples.len()];
    (0..).zip(&order).for_each(|(second, place)| shown[*place] = second);
    let placed = (0..).zip(samples).zip(shown);
    let placed =
        placed.map(|((decoded, sample), shown)| Placed { sample, decoded, shown, lasts: 1 });
    let second = times.partition_point(|time| *time < wanted);
    Stills {
        placed: placed.collect(),
        times_ms: times.into_iter().map(|time| in_ms(time, track.timescale)).collect(),
        second: u32::try_from(second).expect("a few hundred"),
    }
}

impl Stills {
    /// How many bytes of the file have to be read for it.
    pub fn bytes(&self) -> u64 {
        self.placed.iter().map(|placed| u64::from(placed.sample.size)).sum()
    }

    /// The pictures as an MP4.
    ///
    /// `track` is what they were found in, and `file` the source that the track is of.
    pub fn movie(&self, track: &Track, file: &Arc<dyn Source>) -> Result<Extents, ReadError> {
        let mut runs = Runs::default();
        self.placed.iter().for_each(|placed| runs.add(&placed.sample));
        let mut header = file_type();
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
        runs.behind(header.into_bytes(), file)
    }

    /// By how much what is shown is later than what is decoded, so that nothing is shown before, in
    /// seconds.
    fn delay(&self) -> u32 {
        let early = |placed: &Placed| placed.decoded.saturating_sub(placed.shown);
        self.placed.iter().map(early).max().unwrap_or(0)
    }

    /// The index, for media that begin at an offset.
    fn write_moov(&self, track: &Track, media: u32) -> Vec<u8> {
        let lasts = u64::try_from(self.times_ms.len()).unwrap_or(0) * u64::from(TIMESCALE);
        let media_time = i64::from(self.delay()) * i64::from(TIMESCALE);
        let mut writer = Writer::default();
        writer.boxed(b"moov", |moov| {
            boxes::movie_header(moov, TIMESCALE, lasts, 2);
            moov.boxed(b"trak", |trak| {
                boxes::track_header(trak, 1, lasts, false, &track.display);
                boxes::edit_list(trak, &[(lasts, media_time)]);
                trak.boxed(b"mdia", |mdia| {
                    boxes::media_header(mdia, TIMESCALE, lasts, "");
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

    /// `stbl` (ISO/IEC 14496-12 section 8.5): all samples in one chunk.
    fn write_tables(&self, stbl: &mut Writer, track: &Track, media: u32) {
        let count = u32::try_from(self.placed.len()).expect("as many as were asked for");
        let delay = self.delay();
        stbl.full(b"stsd", 0, 0, |stsd| {
            stsd.u32(1);
            stsd.bytes(&track.entry.entry);
        });
        stbl.full(b"stts", 0, 0, |stts| {
            stts.u32(count);
            for placed in &self.placed {
                stts.u32(1);
                stts.u32(placed.lasts.saturating_mul(TIMESCALE));
            }
        });
        if self.placed.iter().any(|placed| placed.shown != placed.decoded) {
            stbl.full(b"ctts", 0, 0, |ctts| {
                ctts.u32(count);
                for placed in &self.placed {
                    ctts.u32(1);
                    ctts.u32((placed.shown + delay - placed.decoded).saturating_mul(TIMESCALE));
                }
            });
        }
        let syncs = (1..).zip(&self.placed).filter(|(_, placed)| placed.sample.is_sync);
        let syncs: Vec<u32> = syncs.map(|(number, _)| number).collect();
        if syncs.len() < self.placed.len() {
            stbl.full(b"stss", 0, 0, |stss| {
                stss.u32(u32::try_from(syncs.len()).expect("no more than samples"));
                syncs.iter().for_each(|number| stss.u32(*number));
            });
        }
        stbl.full(b"stsz", 0, 0, |stsz| {
            stsz.u32(0);
            stsz.u32(count);
            self.placed.iter().for_each(|placed| stsz.u32(placed.sample.size));
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

/// `ftyp` (section 4.3).
fn file_type() -> Writer {
    let mut writer = Writer::default();
    writer.boxed(b"ftyp", |ftyp| {
        ftyp.bytes(b"isom");
        ftyp.u32(0x200);
        [b"isom", b"iso2", b"mp41"].into_iter().for_each(|brand| ftyp.bytes(brand));
    });
    writer
}
