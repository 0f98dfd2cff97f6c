//! The index of a file: its tracks, and the cuts between their segments.

use std::{collections::BTreeMap, num::NonZeroU32};

use bytes::Bytes;

use super::{
    attachments::{self, Attachment},
    chapters,
    clock::Clock,
    clusters::{ClusterTrack, Clusters, Cut, TrackKind},
    cues, cuts, entries,
    frame_lengths::{self, AacCore, FrameLength},
    head::{Head, Info},
    hops,
    probe::{self, First},
    tags,
    tail::Tail,
    texts::TextTrack,
    tracks::{self, Encoding, Kind, TrackEntry},
    video_times,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        FourCc, LeftOut, SEGMENT_SAMPLES_MAX, SampleEntry, SegmentStart,
        codec::{self, Codec},
    },
};

/// The most segments that are walked to find out how much later frames are presented than decoded.
const MEASURED_SEGMENTS: usize = 8;

/// The most bytes of clusters that are walked for that, beyond the first segment.
const MEASURED_BYTES: u64 = 4 << 20;

/// How many segments are looked at for how they begin: the first one of a film differs from the others.
const BEGINNINGS: usize = 3;

/// Why a file is not played in place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    /// There is no segment, or nothing in it.
    #[error("the file has no Matroska segment with tracks and clusters")]
    NoSegment,
    /// No track can be read in place.
    #[error("no track can be read in place")]
    NoTrack(Vec<LeftOut>),
    /// A segment has more samples than a walk returns, or more bytes than their places can span.
    #[error("its key frames are too far apart for segments")]
    Sparse,
    /// Without `Cues`, all clusters have to be visited.
    #[error("the file has no index (Cues) and is too long to be read without one")]
    TooLong,
}

/// What is known of a file.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) head: Head,
    /// Video and audio that are read in place, in the order of the file and of the clusters' tracks.
    pub(super) tracks: Vec<TrackIndex>,
    /// The subtitles, which have no samples.
    pub(super) subtitles: Vec<TrackEntry>,
    /// How many cues each of them has, by the numbers of tracks.
    pub(super) cue_counts: BTreeMap<u64, usize>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) clusters: Clusters,
    /// The numbers of all audio tracks, in the order of the file.
    pub(super) audio_numbers: Vec<u32>,
    pub(super) chapters: Vec<(u64, String)>,
    pub(super) attachments: Vec<Attachment>,
    /// The clock of the file.
    pub(super) clock: Clock,
}

/// A track, and where its segments begin.
#[derive(Debug)]
pub(super) struct TrackIndex {
    pub(super) track: TrackEntry,
    pub(super) entry: SampleEntry,
    /// What goes in front of each sample.
    pub(super) prefix: Bytes,
    pub(super) timescale: NonZeroU32,
    /// Added to decoding times to get presentation times.
    pub(super) shift: i64,
    /// Presentation time of the first sample; never negative.
    pub(super) from: i64,
    pub(super) first_dts: i64,
    /// Presentation time of the end.
    pub(super) end: i64,
    pub(super) raise: u32,
    pub(super) usual_duration: u32,
    /// Number of the cut with which its first segment begins.
    pub(super) first_cut: usize,
    /// Presentation times at which its segments begin, rising.
    pub(super) starts: Vec<i64>,
    /// The bytes of all its frames, if the file tells it.
    pub(super) bytes: Option<u64>,
    /// What decoding needs to begin with its segments.
    pub(super) begins: SegmentStart,
}

/// A track of which the first block is found.
struct Found {
    track: TrackEntry,
    entry: SampleEntry,
    first: First,
    cluster_track: ClusterTrack,
}

/// Reads the index of a file.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    grid_ms: NonZeroU32,
) -> Result<Result<Index, Refused>, ReadError> {
    let Some(mut head) = Head::read(source)? else { return Ok(Err(Refused::NoSegment)) };
    let Some(first_cluster) = head.first_cluster else { return Ok(Err(Refused::NoSegment)) };
    let mut work = hops::WORK_MAX;
    if head.tracks.is_none() {
        // Nothing names them: they are behind the clusters.
        let found = hops::pass(source, first_cluster..head.segment.end, None, &mut work)?;
        found.others.iter().for_each(|element| head.add(element));
    }
    let Some(body) = head.tracks.clone() else { return Ok(Err(Refused::NoSegment)) };
    let info = Info::read(source, &head)?;
    let mut left_out = Vec::new();
    let all = tracks::read(source, &body)?;
    let audio = all.iter().filter(|track| track.kind == Kind::Audio);
    let audio_numbers = audio.filter_map(|track| u32::try_from(track.number).ok()).collect();
    let (subtitles, media) = choose(all, &mut left_out);
    let firsts = probe::first_blocks(source, &media, first_cluster, head.segment.end)?;
    let mut found = Vec::new();
    for (track, first) in media.into_iter().zip(firsts) {
        match Found::new(track, first, &info) {
            Ok(track) => found.push(track),
            Err(refused) => left_out.push(refused),
        }
    }
    let is_video = |found: &Found| found.track.kind == Kind::Video;
    let Some(leading) = found.iter().position(is_video).or((!found.is_empty()).then_some(0)) else {
        return Ok(Err(Refused::NoTrack(left_out)));
    };
    let Found { track, first, cluster_track, .. } = &found[leading];
    let wanted = cuts::Wanted {
        track: track.number,
        are_all_keys: track.kind == Kind::Audio,
        first: Cut { time: first.time, cluster: first.cluster },
        clock: cluster_track.clock,
        shift: cluster_track.shift,
        grid_ms,
    };
    let Some(found_cuts) = cuts::read(source, &head, &wanted, &mut work)? else {
        return Ok(Err(Refused::TooLong));
    };
    // As in MP4, of all tracks together.
    if found_cuts.cuts.len().saturating_mul(found.len()) > cuts::SEGMENTS_MAX {
        return Ok(Err(Refused::TooLong));
    }
    let clusters = Clusters {
        cuts: found_cuts.cuts.into(),
        start: found.iter().map(|found| found.first.cluster).min().unwrap_or(first_cluster),
        end: head.segment.end,
        tracks: found.iter().map(|found| found.cluster_track.clone()).collect(),
        leading,
        delay_ns: i64::try_from(track.codec_delay_ns).unwrap_or(0),
    };
    let mut tails = all_tails(source, &clusters, &found_cuts.last)?;
    let clusters = with_times(source, clusters, &found, &tails)?;
    end_last_frames(&clusters, &mut tails);
    if !are_segments_complete(&clusters, &tails) {
        return Ok(Err(Refused::Sparse));
    }
    let begins = segment_start(source, &clusters)?;
    let mut sizes = tags::track_bytes(source, &head.tags)?;
    // Tags of another file.
    if sizes.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes)) > source.len() {
        sizes.clear();
    }
    let tracks = found.into_iter().enumerate();
    let tracks = tracks.map(|(place, found)| {
        let of_track = sizes.iter().find(|(uid, _)| *uid == found.track.uid);
        let bytes = of_track.map(|(_, bytes)| *bytes);
        let begins = if place == leading { begins } else { SegmentStart::Independent };
        TrackIndex { bytes, begins, ..found.index(&clusters, place, &tails) }
    });
    let mut cue_counts: BTreeMap<u64, usize> =
        subtitles.iter().map(|track| (track.number, 0)).collect();
    if let Some(body) = head.cues.as_ref().filter(|_| !subtitles.is_empty()) {
        cues::each(source, body, &head.segment, |cue| {
            cue_counts.entry(cue.track).and_modify(|count| *count += 1);
        })?;
    }
    // Without a cue the writer names none.
    cue_counts.retain(|_, count| *count > 0);
    Ok(Ok(Index {
        tracks: tracks.collect(),
        cue_counts,
        chapters: chapters::read(source, &head.chapters)?,
        attachments: attachments::read(source, &head.attachments)?,
        clock: Clock::of_file(info.scale_ns),
        head,
        subtitles,
        left_out,
        clusters,
        audio_numbers,
    }))
}

/// The subtitles, and the video and audio that are read in place: of video only the leading track.
fn choose(all: Vec<TrackEntry>, left_out: &mut Vec<LeftOut>) -> (Vec<TrackEntry>, Vec<TrackEntry>) {
    let is_usable = |track: &TrackEntry| unusable(track).is_none();
    let videos = all.iter().filter(|track| track.kind == Kind::Video && is_usable(track));
    let leading = videos.min_by_key(|track| !track.is_default).map(|track| track.number);
    let (mut subtitles, mut media) = (Vec::new(), Vec::new());
    for track in all {
        let why = match track.kind {
            Kind::Subtitle if TextTrack::new(&track).is_some() => {
                subtitles.push(track);
                continue;
            }
            Kind::Subtitle => Some(match track.codec.as_str() {
                "S_HDMV/PGS" | "S_VOBSUB" | "S_DVBSUB" => "its subtitles are images".to_owned(),
                codec => format!("subtitles of this kind are not read ({codec})"),
            }),
            Kind::Other => Some("it is neither video, audio nor subtitles".to_owned()),
            Kind::Video | Kind::Audio => unusable(&track).map(str::to_owned),
        };
        let is_another = track.kind == Kind::Video && leading != Some(track.number);
        let another = || is_another.then(|| "only one video track is played".to_owned());
        match why.or_else(another) {
            Some(why) => left_out.push(refused(&track, None, why)),
            None => media.push(track),
        }
    }
    (subtitles, media)
}

/// Why the blocks of a track cannot be read in place.
fn unusable(track: &TrackEntry) -> Option<&'static str> {
    match track.encoding {
        _ if track.is_scaled => Some("its times have a scale of their own (TrackTimestampScale)"),
        Encoding::Zlib => Some("its blocks are compressed with zlib"),
        Encoding::Unusable(why) => Some(why),
        Encoding::Plain | Encoding::Stripped(_) => None,
    }
}

fn refused(track: &TrackEntry, format: Option<FourCc>, why: String) -> LeftOut {
    let handler = match track.kind {
        Kind::Video => Some(FourCc(*b"vide")),
        Kind::Audio => Some(FourCc(*b"soun")),
        Kind::Subtitle => Some(FourCc(*b"text")),
        Kind::Other => None,
    };
    LeftOut { id: u32::try_from(track.number).unwrap_or(0), handler, format, why }
}

impl Found {
    fn new(track: TrackEntry, first: Option<First>, info: &Info) -> Result<Self, LeftOut> {
        let Some(first) = first else {
            let why = "no frame of it is near the beginning of the file".to_owned();
            return Err(refused(&track, None, why));
        };
        if first.has_codec_state {
            let why = "its codec configuration changes on the way (CodecState)".to_owned();
            return Err(refused(&track, None, why));
        }
        let entry = match entries::build(&track, &first.frame) {
            Ok(entry) => entry,
            Err(why) => return Err(refused(&track, None, why)),
        };
        let is_video = track.kind == Kind::Video;
        let clock = match is_video {
            true => Clock::of_file(info.scale_ns),
            false => Clock::of_audio(sample_rate(&track, &entry), info.scale_ns),
        };
        let delay = i64::try_from(track.codec_delay_ns).unwrap_or(0);
        let length = FrameLength::of(&track);
        let by_default = track
            .default_duration_ns
            .and_then(|ns| i64::try_from(ns).ok())
            .map(|ns| clock.ticks_of_ns(ns));
        let bytes = &first.frame[..first.frame.len().min(frame_lengths::BYTES_MAX)];
        let own = (!is_video).then(|| length.samples(bytes, first.frame.len() as u64)).flatten();
        let by_default = by_default.and_then(|ticks| u32::try_from(ticks).ok());
        let usual = own.or(by_default).filter(|ticks| *ticks > 0);
        let prefix = match &track.encoding {
            Encoding::Stripped(prefix) => prefix.clone(),
            _ => Bytes::new(),
        };
        let cluster_track = ClusterTrack {
            number: track.number,
            clock,
            shift: clock.ticks_of_ns(delay).saturating_neg(),
            prefix,
            kind: if is_video {
                TrackKind::Video { raise: 0 }
            } else {
                TrackKind::Audio { length }
            },
            usual_duration: usual.unwrap_or(0),
            first: clock.ticks(first.time),
            last: None,
        };
        Ok(Self { track, entry, first, cluster_track })
    }

    fn index(self, clusters: &Clusters, place: usize, tails: &[Option<Tail>]) -> TrackIndex {
        let Self { track, entry, first, .. } = self;
        let cluster_track = &clusters.tracks[place];
        let ClusterTrack { clock, shift, usual_duration, kind, ref prefix, .. } = *cluster_track;
        let presented = clock.ticks(first.time).saturating_add(shift);
        let at = |cut: &Cut| clusters.presented_at(cluster_track, cut);
        let cuts = &clusters.cuts;
        // The last cut that is not behind a time.
        let cut_of = |time: i64| cuts.partition_point(|cut| at(cut) <= time).saturating_sub(1);
        let first_cut = cut_of(presented);
        let tail = tails[place];
        let last_cut = match tail {
            Some(tail) => cut_of(tail.last.saturating_add(shift)).max(first_cut),
            None => cuts.len().saturating_sub(1).max(first_cut),
        };
        let from = presented.max(0);
        let mut starts = vec![from];
        for cut in cuts.get(first_cut + 1..=last_cut).unwrap_or_default() {
            let start = at(cut);
            // Cuts in the first tick of audio, or before zero.
            let before = starts.last().copied().unwrap_or(from);
            starts.push(start.max(before.saturating_add(1)));
        }
        let leading_end = tails[clusters.leading].map(|tail| {
            let leading = &clusters.tracks[clusters.leading];
            let scale = i128::from(clock.timescale.get());
            let ticks = i128::from(tail.end) * scale / i128::from(leading.clock.timescale.get());
            i64::try_from(ticks).unwrap_or(i64::MAX)
        });
        let end = tail.map(|tail| tail.end.saturating_add(shift)).or(leading_end).unwrap_or(0);
        let least = starts.last().map_or(1, |last| last.saturating_add(1));
        TrackIndex {
            prefix: prefix.clone(),
            timescale: clock.timescale,
            shift,
            from,
            first_dts: clock.ticks(first.least),
            end: end.max(least),
            raise: match kind {
                TrackKind::Video { raise } => raise,
                TrackKind::Audio { .. } => 0,
            },
            usual_duration,
            first_cut,
            starts,
            bytes: None,
            begins: SegmentStart::Independent,
            track,
            entry,
        }
    }
}

/// The sample rate of audio: of AAC that of the core, in whose samples its frames are measured.
fn sample_rate(track: &TrackEntry, entry: &SampleEntry) -> NonZeroU32 {
    let of_core = AacCore::parse(&track.configuration).filter(|_| track.codec == "A_AAC");
    let rate = match (&entry.media, of_core) {
        (_, Some(core)) => core.sample_rate,
        // Opus always has 48 kHz.
        (codec::Media::Audio(audio), None) if entry.codec == Codec::Opus => audio.sample_rate,
        _ => track.audio.hertz(),
    };
    NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN)
}

/// The ends of all tracks: from the last cluster, or from an earlier one where some track has none there.
fn all_tails<R: ReadAt + ?Sized>(
    source: &R,
    clusters: &Clusters,
    last: &[u64],
) -> Result<Vec<Option<Tail>>, ReadError> {
    let mut tails = vec![None; clusters.tracks.len()];
    let count = clusters.cuts.len();
    let cuts = clusters.cuts[count.saturating_sub(4)..].iter().rev().map(|cut| cut.cluster);
    for from in last.iter().rev().copied().chain(cuts) {
        if tails.iter().all(Option::is_some) {
            break;
        }
        for (tail, found) in tails.iter_mut().zip(clusters.tails(source, from)?) {
            *tail = tail.or(found);
        }
    }
    Ok(tails)
}

/// Ends the last frame of a track after the usual duration, where the file gives frames none.
fn end_last_frames(clusters: &Clusters, tails: &mut [Option<Tail>]) {
    for (track, tail) in clusters.tracks.iter().zip(tails) {
        if let Some(tail) = tail.as_mut().filter(|tail| tail.end <= tail.last) {
            tail.end = tail.last.saturating_add(track.usual_duration.into());
        }
    }
}

/// The clusters with what their first and last blocks tell: durations, ends, and the raise of video.
fn with_times<R: ReadAt + ?Sized>(
    source: &R,
    mut clusters: Clusters,
    found: &[Found],
    tails: &[Option<Tail>],
) -> Result<Clusters, ReadError> {
    for (track, tail) in clusters.tracks.iter_mut().zip(tails) {
        track.last = tail.map(|tail| tail.last);
        if track.usual_duration == 0 {
            let seen =
                tail.and_then(|tail| tail.distance).and_then(|ticks| u32::try_from(ticks).ok());
            let guess = if track.is_audio() { 1024 } else { track.clock.timescale.get() / 25 };
            track.usual_duration = seen.unwrap_or(guess).max(1);
        }
    }
    let leading = clusters.leading;
    if clusters.tracks[leading].is_audio() {
        return Ok(clusters);
    }
    let usual = i64::from(clusters.tracks[leading].usual_duration);
    let raise = match reordered_frames(&found[leading].entry) {
        Some(0) => 0,
        Some(depth) => i64::from(depth) * usual + 1,
        None => measured_raise(source, &clusters)?,
    };
    let raise = u32::try_from(raise).unwrap_or(u32::MAX);
    clusters.tracks[leading].kind = TrackKind::Video { raise };
    Ok(clusters)
}

/// Whether a walk returns all samples of each segment. Frames may be half as long as usual.
fn are_segments_complete(clusters: &Clusters, tails: &[Option<Tail>]) -> bool {
    let fits = |(track, tail): (&ClusterTrack, &Option<Tail>)| {
        let starts = clusters.cuts.iter().map(|cut| clusters.presented_at(track, cut));
        let end = tail.map(|tail| tail.end.saturating_add(track.shift));
        let ends = starts.clone().skip(1).chain(end);
        let samples_max = i64::from(SEGMENT_SAMPLES_MAX / 2);
        let longest = samples_max.saturating_mul(track.usual_duration.max(1).into());
        starts.zip(ends).all(|(start, end)| end.saturating_sub(start) <= longest)
    };
    let is_near = |segment| {
        let range = clusters.range(segment).unwrap_or_default();
        range.end - range.start <= u64::from(u32::MAX)
    };
    clusters.tracks.iter().zip(tails).all(fits) && (0..clusters.len()).all(is_near)
}

/// The most frames that are decoded before and presented behind another, if the stream tells it.
fn reordered_frames(entry: &SampleEntry) -> Option<u8> {
    match (&entry.media, entry.codec) {
        // They present each frame that they decode.
        (_, Codec::Av1 | Codec::Vp9 | Codec::Vp8 | Codec::MotionJpeg | Codec::ProRes) => Some(0),
        (codec::Media::Video(video), _) => video.reordered_frames,
        _ => None,
    }
}

/// What decoding needs to begin with a segment, by the first ones.
fn segment_start<R: ReadAt + ?Sized>(
    source: &R,
    clusters: &Clusters,
) -> Result<SegmentStart, ReadError> {
    if clusters.tracks[clusters.leading].is_audio() {
        return Ok(SegmentStart::Independent);
    }
    for segment in 0..BEGINNINGS {
        if clusters.has_leading_frames(source, segment)? {
            return Ok(SegmentStart::Leading);
        }
    }
    Ok(SegmentStart::Independent)
}

/// The raise that the first segments need.
fn measured_raise<R: ReadAt + ?Sized>(source: &R, clusters: &Clusters) -> Result<i64, ReadError> {
    let (mut raise, mut bytes) = (0, 0_u64);
    for segment in 0..clusters.len().min(MEASURED_SEGMENTS) {
        if segment > 0 && bytes > MEASURED_BYTES {
            break;
        }
        let span = clusters.range(segment).unwrap_or_default();
        bytes = bytes.saturating_add(span.end - span.start);
        raise = raise.max(video_times::needed_raise(&clusters.presented(source, segment)?));
    }
    Ok(raise)
}
