//! CMAF (ISO/IEC 23000-19): init segments and media segments of a track.
//!
//! A segment is a header in memory and its samples in the source file. The index gives the length of the
//! header before the samples are read, so manifests know the exact size of each segment.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    auxiliary,
    boxes::{self, Writer},
    track_boxes,
};
use crate::{
    extent::{Extent, Extents, ReadAt, ReadError, Source},
    movie::{Sample, SampleTotals, SampleWalk, Syncs, Track, WalkedSegment},
};

/// Flags of a sync sample, and of a sample that depends on others (ISO/IEC 14496-12 section 8.8.3.1).
const SYNC: u32 = 0x0200_0000;
const NO_SYNC: u32 = 0x0101_0000;

/// Fields of `trun` (section 8.8.8).
const DATA_OFFSET: u32 = 0x1;
const FIRST_FLAGS: u32 = 0x4;
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const COMPOSITION: u32 = 0x800;

/// The init segment of a track (section 7.3.1 of CMAF): its header without samples. `protection` are the
/// `pssh` boxes of the movie.
pub fn init(track: &Track, protection: &[Bytes]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.boxed(b"ftyp", |ftyp| {
        ftyp.bytes(b"iso6");
        ftyp.u32(0);
        [b"iso6", b"cmfc", b"mp41"].into_iter().for_each(|brand| ftyp.bytes(brand));
        track_boxes::codec_brands([track]).into_iter().for_each(|brand| ftyp.bytes(brand));
    });
    writer.boxed(b"moov", |moov| {
        boxes::movie_header(moov, 1000, 0, 2);
        moov.boxed(b"trak", |trak| write_track(trak, track));
        moov.boxed(b"mvex", |mvex| {
            mvex.full(b"trex", 0, 0, |trex| {
                [1, 1, 0, 0, 0].into_iter().for_each(|field| trex.u32(field));
            });
        });
        protection.iter().for_each(|pssh| moov.bytes(pssh));
    });
    writer.into_bytes()
}

fn write_track(trak: &mut Writer, track: &Track) {
    // A client that requests the track has chosen it, so that it is enabled.
    let flags = track.carried.flags | track_boxes::ENABLED;
    track_boxes::write_header(trak, track, 1, 0, flags);
    let (_, media_time) = track.output_times();
    if media_time > 0 {
        // One edit that lasts to the end: an exact duration is not needed.
        boxes::edit_list(trak, &[(0, media_time)]);
    }
    track_boxes::write_media(trak, track, 0, |stbl| {
        stbl.full(b"stts", 0, 0, |stts| stts.u32(0));
        stbl.full(b"stsc", 0, 0, |stsc| stsc.u32(0));
        stbl.full(b"stsz", 0, 0, |stsz| stsz.zeros(8));
        stbl.full(b"stco", 0, 0, |stco| stco.u32(0));
        track_boxes::write_roll_description(stbl, track);
    });
    track_boxes::write_user_data(trak, track);
}

/// Length of a segment with its header, in bytes; `None` if there is no such segment, or if the index has not
/// measured it. Does not read the samples.
pub fn segment_len(track: &Track, number: usize) -> Option<u64> {
    let measured = track.measured(number)?;
    let samples = track.segment_end(number)? - measured.first_sample;
    let layout = Layout::new(track, &measured.totals);
    let payload = measured.totals.payload_bytes;
    Some((layout.moof_len(samples) + mdat_header_len(payload)) as u64 + payload)
}

/// Length of a segment's key frame as an I-frame segment, with its header, in bytes; `None` as for
/// [`segment_len`].
pub fn iframe_len(track: &Track, number: usize) -> Option<u64> {
    let totals = &track.measured(number)?.totals;
    let layout = Layout::new(track, totals).for_iframe(totals);
    let payload = u64::from(totals.first_bytes);
    Some((layout.moof_len(1) + mdat_header_len(payload)) as u64 + payload)
}

/// Packages a media segment by its number from 0; `None` if there is no such segment.
///
/// The extents refer to `file`, and `reader` reads the same source in a way that suits the caller.
pub fn segment<R: ReadAt + ?Sized>(
    track: &Track,
    number: usize,
    file: &Arc<dyn Source>,
    reader: &R,
) -> Result<Option<Extents>, ReadError> {
    if track.index.segments.get(number).is_none() {
        return Ok(None);
    }
    let (Some(measured), Some(end)) = (track.measured(number), track.segment_end(number)) else {
        let walked = track.read_segment(reader, number)?.ok_or(ReadError::Changed)?;
        return walked_segment(track, number, file, &walked);
    };
    let header = Header {
        track,
        number,
        count: end - measured.first_sample,
        layout: Layout::new(track, &measured.totals),
    };
    header.write(track.walk_segment(reader, number), file, reader).map(Some)
}

/// As [`segment`], from samples that were read before.
pub fn walked_segment(
    track: &Track,
    number: usize,
    file: &Arc<dyn Source>,
    walked: &WalkedSegment,
) -> Result<Option<Extents>, ReadError> {
    if track.index.segments.get(number).is_none() {
        return Ok(None);
    }
    let (layout, count) = match track.walked_totals(walked) {
        Some((totals, count)) => (Layout::new(track, &totals), count),
        None => (Layout::without_samples(track), 0),
    };
    let header = Header { track, number, count, layout };
    header.write(track.walk_again(walked), file, &[][..]).map(Some)
}

/// The part of the file that a segment's samples come from, with what is in it of other tracks.
pub fn samples_span(segment: &Extents) -> Option<Range<u64>> {
    let mut ranges = segment.iter().filter_map(|extent| match extent {
        Extent::Source { range, .. } => Some(range),
        Extent::Memory(_) => None,
    });
    let first = ranges.next()?.clone();
    Some(ranges.fold(first, |span, range| span.start.min(range.start)..span.end.max(range.end)))
}

/// Where the samples of the next segment should be, if those of a segment are in `span`: behind it, mixed with
/// as much of other tracks. Reads nothing, so it is only good as a hint.
pub fn next_samples_span(track: &Track, number: usize, span: &Range<u64>) -> Option<Range<u64>> {
    let next = number.checked_add(1)?;
    if let Some(span) = track.segment_span(next) {
        return Some(span).filter(|span| !span.is_empty());
    }
    let bytes = |number: usize| track.measured(number).map(|it| it.totals.payload_bytes);
    let (this, next) = (bytes(number)?, bytes(next)?);
    let length = u128::from(span.end - span.start) * u128::from(next) / u128::from(this.max(1));
    let end = span.end.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    Some(span.end..end)
}

/// Packages the first sample of a media segment, for trick play (RFC 8216bis section 4.4.3.6). It has the
/// duration of the segment.
pub fn iframe<R: ReadAt + ?Sized>(
    track: &Track,
    number: usize,
    file: &Arc<dyn Source>,
    reader: &R,
) -> Result<Option<Extents>, ReadError> {
    if track.index.segments.get(number).is_none() {
        return Ok(None);
    }
    let Some(totals) = track.measured(number).map(|measured| &measured.totals) else {
        let walked = track.read_segment(reader, number)?.ok_or(ReadError::Changed)?;
        return walked_iframe(track, number, file, &walked);
    };
    let layout = Layout::new(track, totals).for_iframe(totals);
    let header = Header { track, number, count: 1, layout };
    header.write(track.walk_segment(reader, number), file, reader).map(Some)
}

/// As [`iframe`], from samples that were read before.
pub fn walked_iframe(
    track: &Track,
    number: usize,
    file: &Arc<dyn Source>,
    walked: &WalkedSegment,
) -> Result<Option<Extents>, ReadError> {
    if track.index.segments.get(number).is_none() {
        return Ok(None);
    }
    let (layout, count) = match track.walked_totals(walked) {
        Some((totals, _)) => (Layout::new(track, &totals).for_iframe(&totals), 1),
        None => (Layout::without_samples(track), 0),
    };
    let header = Header { track, number, count, layout };
    header.write(track.walk_again(walked), file, &[][..]).map(Some)
}

/// Fields in the header of a segment.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Flags of `trun`.
    fields: u32,
    /// Whether `tfhd` has a default duration, and a default size.
    equal_durations: bool,
    equal_sizes: bool,
    /// Size of the auxiliary information of the samples.
    auxiliary_bytes: u32,
    /// Whether the samples are in a `roll` group.
    has_roll_group: bool,
    /// Only the first sample is sent.
    is_iframe: bool,
}

impl Layout {
    fn new(track: &Track, totals: &SampleTotals) -> Self {
        let shape = &totals.shape;
        let mut fields = DATA_OFFSET;
        let mut set = |field, is_set| fields |= if is_set { field } else { 0 };
        set(FIRST_FLAGS, shape.syncs == Syncs::First);
        set(DURATION, !shape.equal_durations);
        set(SIZE, !shape.equal_sizes);
        set(FLAGS, shape.syncs == Syncs::Some);
        set(COMPOSITION, !shape.no_compositions || track.index.raise > 0);
        let (equal_durations, equal_sizes) = (shape.equal_durations, shape.equal_sizes);
        let auxiliary_bytes = totals.auxiliary_bytes;
        let has_roll_group = track_boxes::roll_distance(track).is_some();
        let is_iframe = false;
        Self { fields, equal_durations, equal_sizes, auxiliary_bytes, has_roll_group, is_iframe }
    }

    /// The layout of a segment in which the track has no sample.
    fn without_samples(track: &Track) -> Self {
        Self {
            fields: DATA_OFFSET,
            equal_durations: false,
            equal_sizes: false,
            auxiliary_bytes: 0,
            has_roll_group: track_boxes::roll_distance(track).is_some(),
            is_iframe: false,
        }
    }

    /// The layout for the first sample alone. Nothing is decoded between two such samples, so each is
    /// decoded when it is presented, and needs no composition offset.
    fn for_iframe(self, totals: &SampleTotals) -> Self {
        Self {
            fields: DATA_OFFSET,
            equal_durations: true,
            equal_sizes: true,
            auxiliary_bytes: totals.first_auxiliary_bytes.into(),
            is_iframe: true,
            ..self
        }
    }

    /// Size of a sample's entry in `trun`.
    fn entry_len(self) -> usize {
        4 * (self.fields & (DURATION | SIZE | FLAGS | COMPOSITION)).count_ones() as usize
    }

    fn moof_len(self, samples: u32) -> usize {
        let (moof, mfhd, traf, tfdt) = (8, 16, 8, 20);
        let tfhd = 20 + 4 * (usize::from(self.equal_durations) + usize::from(self.equal_sizes));
        let first_flags = if self.fields & FIRST_FLAGS == 0 { 0 } else { 4 };
        let trun = 20 + first_flags + self.entry_len() * samples as usize;
        let auxiliary = auxiliary::Entries::boxes_len(self.auxiliary_bytes, samples);
        let roll_group = if self.has_roll_group { track_boxes::ROLL_GROUP_BYTES } else { 0 };
        moof + mfhd + traf + tfhd + tfdt + trun + roll_group + auxiliary
    }
}

fn mdat_header_len(payload: u64) -> usize {
    if payload > u64::from(u32::MAX) - 8 { 16 } else { 8 }
}

/// What the header of a segment is written from, apart from its samples.
struct Header<'a> {
    track: &'a Track,
    /// Number of the segment.
    number: usize,
    /// Number of its samples that are sent.
    count: u32,
    layout: Layout,
}

impl Header<'_> {
    /// The segment of the first samples of a walk.
    fn write<R: ReadAt + ?Sized>(
        &self,
        mut walk: SampleWalk<'_, R>,
        file: &Arc<dyn Source>,
        reader: &R,
    ) -> Result<Extents, ReadError> {
        let &Self { track, number, count, layout } = self;
        let moof_len = layout.moof_len(count);
        let mut runs = Runs::default();
        let mut entries = Writer::with_capacity(moof_len + 16);
        let mut auxiliaries = auxiliary::Entries::default();
        let mut first: Option<Sample> = None;
        for _ in 0..count {
            let sample = walk.next_sample()?.ok_or(ReadError::Changed)?;
            first.get_or_insert(sample);
            runs.add(&sample, track);
            if layout.auxiliary_bytes > 0 {
                auxiliaries.add(walk.auxiliary(), reader)?;
            }
            let mut put = |field, value| {
                if layout.fields & field != 0 {
                    entries.u32(value);
                }
            };
            put(DURATION, sample.duration);
            put(SIZE, sample.size);
            put(FLAGS, if sample.is_sync { SYNC } else { NO_SYNC });
            put(COMPOSITION, u32::try_from(composition(track, &sample)).unwrap_or(u32::MAX));
        }
        let auxiliaries = auxiliaries.finish(layout.auxiliary_bytes, reader)?;
        let header_len = mdat_header_len(runs.bytes);
        let decoded = self.decoding_time(first.as_ref());
        let mut writer = Writer::with_capacity(moof_len + header_len);
        writer.boxed(b"moof", |moof| {
            moof.full(b"mfhd", 0, 0, |mfhd| mfhd.u32(sequence_number(number)));
            moof.boxed(b"traf", |traf| {
                self.write_fragment_header(traf, first.as_ref());
                traf.full(b"tfdt", 1, 0, |tfdt| tfdt.u64(decoded.max(0).unsigned_abs()));
                // Version 0 has unsigned offsets; none is negative after the raise.
                traf.full(b"trun", 0, layout.fields, |trun| {
                    trun.u32(count);
                    trun.u32(u32::try_from(moof_len + header_len).unwrap_or(u32::MAX));
                    if layout.fields & FIRST_FLAGS != 0 {
                        trun.u32(SYNC);
                    }
                    trun.bytes(&entries.into_bytes());
                });
                if layout.has_roll_group {
                    track_boxes::write_roll_group(traf, count);
                }
                auxiliaries.write(traf, track.index.has_subsamples);
            });
        });
        debug_assert_eq!(writer.len(), moof_len);
        if header_len == 16 {
            writer.u32(1);
            writer.bytes(b"mdat");
            writer.u64(runs.bytes + 16);
        } else {
            let size = u32::try_from(runs.bytes + 8).expect("a short header is for sizes that fit");
            writer.u32(size);
            writer.bytes(b"mdat");
        }
        runs.after_header(writer.into_bytes(), file)
    }

    /// When the segment is decoded, in ticks of the output.
    fn decoding_time(&self, first: Option<&Sample>) -> i64 {
        let track = self.track;
        let (start, media_time) = track.output_times();
        let Some(first) = first else {
            // Without a sample: as if one were presented when the segment begins.
            let segment = track.index.segments.get(self.number);
            return segment.map_or(0, |segment| segment.start.saturating_add(media_time));
        };
        let delay = if self.layout.is_iframe { composition(track, first) } else { 0 };
        let since = first.dts.saturating_sub(track.index.first_dts);
        since.saturating_add(start.saturating_add(delay))
    }

    /// `tfhd` (section 8.8.7).
    fn write_fragment_header(&self, traf: &mut Writer, first: Option<&Sample>) {
        let Self { track, number, layout, .. } = self;
        let (duration, size, from_moof) = (0x8, 0x10, 0x2_0000);
        let mut flags = from_moof | 0x20;
        flags |= if layout.equal_durations { duration } else { 0 };
        flags |= if layout.equal_sizes { size } else { 0 };
        traf.full(b"tfhd", 0, flags, |tfhd| {
            tfhd.u32(1);
            if layout.equal_durations {
                tfhd.u32(match first {
                    _ if layout.is_iframe => segment_duration(track, *number),
                    first => first.map_or(0, |first| first.duration),
                });
            }
            if layout.equal_sizes {
                tfhd.u32(first.map_or(0, |first| first.size));
            }
            let is_sync = layout.is_iframe || layout.fields & FIRST_FLAGS == 0;
            tfhd.u32(if is_sync { SYNC } else { NO_SYNC });
        });
    }
}

/// The composition offset of a sample in segments, in ticks; not negative, because the raise is the
/// maximum over the track.
fn composition(track: &Track, sample: &Sample) -> i64 {
    i64::from(sample.composition) + i64::from(track.index.raise)
}

/// Duration of a segment, in ticks.
fn segment_duration(track: &Track, number: usize) -> u32 {
    let start = track.index.segments.get(number).map_or(0, |segment| segment.start);
    let end = track.segment_end_time(number).unwrap_or(start);
    u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX)
}

/// Sequence numbers of fragments start at 1.
fn sequence_number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1) + 1
}

/// Samples in order: ranges of a file, of which adjacent ones are merged, and bytes in memory: frames of silence,
/// and what samples begin with that is not in the file.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    pub(super) bytes: u64,
}

#[derive(Debug)]
enum Run {
    File(Range<u64>),
    Memory(Vec<u8>),
}

impl Runs {
    /// Appends a sample of a track.
    pub(super) fn add(&mut self, sample: &Sample, track: &Track) {
        if sample.is_silence {
            return self.add_bytes(track.silence().map_or(&[], |silence| &silence[..]));
        }
        let mut in_file = u64::from(sample.size);
        if !track.prefix.is_empty() {
            self.add_bytes(&track.prefix);
            in_file = in_file.saturating_sub(track.prefix.len() as u64);
        }
        let range = sample.offset..sample.offset.saturating_add(in_file);
        self.bytes += range.end - range.start;
        match self.runs.last_mut() {
            _ if range.is_empty() => {}
            Some(Run::File(last)) if last.end == range.start => last.end = range.end,
            _ => self.runs.push(Run::File(range)),
        }
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        match self.runs.last_mut() {
            Some(Run::Memory(last)) => last.extend_from_slice(bytes),
            _ => self.runs.push(Run::Memory(bytes.to_vec())),
        }
    }

    /// The extents of these ranges after a header.
    pub(super) fn after_header(
        self,
        header: impl Into<Bytes>,
        file: &Arc<dyn Source>,
    ) -> Result<Extents, ReadError> {
        let mut extents = Extents::from(Extent::Memory(header.into()));
        for run in self.runs {
            let extent = match run {
                Run::File(range) => Extent::Source { source: Arc::clone(file), range },
                Run::Memory(bytes) => Extent::Memory(bytes.into()),
            };
            // The index pass has checked that samples are inside the file.
            extents.push(extent).map_err(|_| ReadError::Changed)?;
        }
        Ok(extents)
    }
}
