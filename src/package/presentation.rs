//! The description of a title for manifests: plain data from the indices of its movies.
//!
//! HLS and DASH are built from the same data, so they cannot contradict each other. This module knows no
//! boxes and no files. Everything in it that appears in a URL, a time or a size must match the segments
//! that are served, because manifests only repeat it.

use std::{cmp::Ordering, num::NonZeroU32, sync::Arc};

use bytes::Bytes;

use super::{roles::Role, storyboard::Storyboard};
use crate::movie::{Captions, SegmentStart};

/// A title: its tracks and common properties.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presentation {
    /// Title for people. May be empty, and may contain any character.
    pub title: String,
    /// Duration in microseconds: the end of the last track.
    pub duration_us: u64,
    /// Start position in microseconds, if it is not the beginning.
    pub start_us: Option<u64>,
    /// Tracks in the order for players.
    pub tracks: Vec<Track>,
    /// Storyboard, if thumbnails are available.
    pub storyboard: Option<Storyboard>,
}

/// The end of the last track, in microseconds.
pub fn end_us(tracks: &[Track]) -> u64 {
    let ends = tracks.iter().filter_map(|track| {
        let end = track.segments.last()?.end();
        Some(microseconds(end, track.timescale))
    });
    ends.max().unwrap_or(0)
}

/// A track of one file, in segments. The renditions of a title may come from several files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Track {
    /// Relative URL from the manifest's folder to the folder that contains `~<version>/<folder>/`:
    /// percent-encoded, and either empty (the manifest's own folder) or with a trailing slash.
    pub prefix: String,
    /// Version of the file that contains the track.
    pub version: String,
    /// Folder in URLs: `video-1`, `audio-2`, `text-1`.
    pub folder: String,
    /// Codec string (RFC 6381); empty if unknown, and for text.
    pub codecs: String,
    /// Ticks per second.
    pub timescale: NonZeroU32,
    /// Language (BCP 47).
    pub language: Option<String>,
    /// Name for people. May be empty or equal to others, and may contain any character.
    pub label: String,
    /// Whether the track is the default of its kind.
    pub is_default: bool,
    /// What the track is for, as its file says; often empty.
    pub roles: Vec<Role>,
    /// Segments; the first has number 1.
    pub segments: Arc<[Segment]>,
    /// How well the sizes of segments are known.
    pub sizes: Sizes,
    /// Lower limit of the target duration in seconds; see [`share_target_duration`].
    pub target_duration_min_s: u64,
    /// Encryption, if any.
    pub protection: Option<Protection>,
    /// What decoding needs to begin with any of the segments.
    pub begins: SegmentStart,
    /// Properties that depend on the kind.
    pub kind: Kind,
}

/// Encryption of a track (ISO/IEC 23001-7).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Protection {
    /// Scheme: `cenc`, `cbcs`, …
    pub scheme: [u8; 4],
    /// Key identifier.
    pub key_id: [u8; 16],
    /// DRM systems that have the key.
    pub systems: Arc<[System]>,
}

/// A DRM system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct System {
    /// System identifier.
    pub id: [u8; 16],
    /// Its initialization data: one or more `pssh` boxes (ISO/IEC 23001-7 section 8.1).
    pub headers: Bytes,
}

/// Kind of a track, with its properties.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Video.
    Video(Video),
    /// Audio.
    Audio(Audio),
    /// WebVTT subtitles.
    Text(Text),
}

/// Properties of a video track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Video {
    /// Displayed width in coded pixels: the height of the samples if the matrix rotates the video by 90
    /// or 270 degrees.
    pub width: u32,
    /// Displayed height in coded pixels.
    pub height: u32,
    /// Displayed pixel aspect ratio (`pasp`, ISO/IEC 14496-12 section 12.1.4), width to height.
    pub pixel_aspect: Ratio,
    /// Frames per second, if known.
    pub frame_rate: Option<Ratio>,
    /// Transfer function.
    pub range: VideoRange,
    /// Colour primaries (ISO/IEC 23091-2 section 8.1), if specified: 9 is BT.2020.
    pub primaries: Option<u16>,
    /// Matrix coefficients (section 8.3), if specified.
    pub matrix: Option<u16>,
    /// Codecs for decoders with more features (RFC 8216bis section 4.4.6.2, SUPPLEMENTAL-CODECS): Dolby
    /// Vision over HEVC is `dvh1.08.07/db4h`.
    pub supplemental_codecs: Option<String>,
    /// Closed captions in the video.
    pub captions: Captions,
    /// The key frame of each segment, in order; empty if the track has no I-frame resources.
    pub iframes: Arc<[IFrame]>,
}

/// Properties of an audio track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audio {
    /// Number of coded channels; 0 if unknown.
    pub channels: u16,
    /// Number of Dolby Atmos objects (joint object coding), from `dec3`.
    pub joint_objects: Option<u16>,
    /// Samples per second.
    pub sample_rate_hz: u32,
}

/// Properties of a text track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Text {
    /// Shown even without subtitles: translates foreign speech and signs.
    pub forced: bool,
    /// Describes sounds other than speech.
    pub hearing_impaired: bool,
}

/// A transfer function, named as in RFC 8216bis section 4.4.6.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VideoRange {
    /// Standard dynamic range.
    Sdr,
    /// SMPTE ST 2084: HDR10, and most of Dolby Vision.
    Pq,
    /// Hybrid log-gamma (ITU-R BT.2100).
    Hlg,
}

/// A media segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Presentation time of its first sample, in ticks.
    pub start: u64,
    /// Duration in ticks.
    pub duration: u64,
    /// [Size](Track::sizes) in bytes, with the header.
    pub bytes: u64,
}

/// How well the sizes of the segments of a track are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sizes {
    /// To the byte.
    Exact,
    /// The segments are at most as long as they say.
    AtMost {
        /// Bits per second of the whole track, if its file tells them.
        average_bits_s: Option<u64>,
    },
}

/// A key frame as a resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IFrame {
    /// Size in bytes, with the header.
    pub bytes: u64,
}

/// A fraction in lowest terms, greater than zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ratio {
    numerator: NonZeroU32,
    denominator: NonZeroU32,
}

impl Ratio {
    /// One to one.
    pub const ONE: Self = Self { numerator: NonZeroU32::MIN, denominator: NonZeroU32::MIN };

    /// `numerator / denominator`; `None` if either is zero.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        let (mut divisor, mut rest) = (numerator, denominator);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Some(Self {
            numerator: NonZeroU32::new(numerator.checked_div(divisor)?)?,
            denominator: NonZeroU32::new(denominator.checked_div(divisor)?)?,
        })
    }

    /// Numerator.
    pub fn numerator(self) -> u32 {
        self.numerator.get()
    }

    /// Denominator.
    pub fn denominator(self) -> u32 {
        self.denominator.get()
    }

    /// `factor` times this ratio, rounded to the nearest integer.
    pub fn scale(self, factor: u32) -> u64 {
        let (numerator, denominator) = (u64::from(self.numerator()), u64::from(self.denominator()));
        (u64::from(factor) * numerator + denominator / 2) / denominator
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross =
            |one: &Self, other: &Self| u64::from(one.numerator()) * u64::from(other.denominator());
        cross(self, other).cmp(&cross(other, self))
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Segment {
    /// End time in ticks.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

impl Track {
    /// The end time of each segment in the playlist, in ticks.
    ///
    /// A playlist has no gaps: each segment lasts until the next one begins, and the first one begins at
    /// zero, even if the track starts later. So playlist time equals presentation time, which players rely
    /// on when they seek.
    pub fn ends(&self) -> impl Iterator<Item = u64> {
        let starts = self.segments.iter().skip(1).map(|segment| segment.start);
        starts.chain(self.segments.last().map(Segment::end)).scan(0, |previous, end| {
            *previous = end.max(*previous);
            Some(*previous)
        })
    }

    /// The duration of each segment in the playlist, in microseconds.
    ///
    /// Durations are differences of rounded times, not rounded differences, so rounding errors do not
    /// accumulate: the sum of any run of segments is exact to the microsecond.
    pub fn durations_us(&self) -> impl Iterator<Item = u64> {
        let timescale = self.timescale;
        let times = self.ends().map(move |end| microseconds(end, timescale));
        times.scan(0, |previous, end| Some(end - std::mem::replace(previous, end)))
    }

    /// The target duration in seconds (RFC 8216bis section 4.4.3.1): no segment duration exceeds it after
    /// rounding to the nearest integer.
    pub fn target_duration_s(&self) -> u64 {
        let longest_us = self.durations_us().max().unwrap_or(0);
        (longest_us.saturating_add(500_000) / 1_000_000).max(self.target_duration_min_s).max(1)
    }

    /// The codec string without profile and level: `avc1`, `mp4a.40`, `ec-3`. A client that decodes one
    /// member of a family most likely decodes the others.
    pub fn codec_family(&self) -> &str {
        let parts = if self.codecs.starts_with("mp4a.") { 2 } else { 1 };
        let mut dots = self.codecs.match_indices('.').map(|(at, _)| at);
        dots.nth(parts - 1).map_or(&self.codecs, |end| &self.codecs[..end])
    }

    /// Properties of a video track; `None` for other kinds.
    pub fn video(&self) -> Option<&Video> {
        if let Kind::Video(video) = &self.kind { Some(video) } else { None }
    }

    /// Properties of an audio track; `None` for other kinds.
    pub fn audio(&self) -> Option<&Audio> {
        if let Kind::Audio(audio) = &self.kind { Some(audio) } else { None }
    }

    /// Properties of a text track; `None` for other kinds.
    pub fn text(&self) -> Option<&Text> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }
}

/// Gives all video and audio tracks of a file the same target duration, as RFC 8216bis section 6.2.4
/// requires of their playlists: audio is cut near the cuts of video, and a value of half a second could
/// round either way. Text may have its own.
///
/// The tracks must be of one file, because the URL of a track's playlist names only the version of its
/// own file.
pub fn share_target_duration(tracks: &mut [Track]) {
    let shares = |track: &Track| !matches!(track.kind, Kind::Text(_));
    let durations = tracks.iter().filter(|track| shares(track)).map(Track::target_duration_s);
    let Some(longest) = durations.max() else { return };
    let sharing = tracks.iter_mut().filter(|track| shares(track));
    sharing.for_each(|track| track.target_duration_min_s = longest);
}

/// Ticks in microseconds, rounded to the nearest.
pub(super) fn microseconds(ticks: u64, timescale: NonZeroU32) -> u64 {
    let half = u64::from(timescale.get() / 2);
    let scaled = ticks.checked_mul(1_000_000).and_then(|scaled| scaled.checked_add(half));
    if let Some(scaled) = scaled {
        return scaled / u64::from(timescale.get());
    }
    let exact = (u128::from(ticks) * 1_000_000 + u128::from(half)) / u128::from(timescale.get());
    u64::try_from(exact).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod samples {
    //! Sample titles for tests.

    use super::*;

    /// Consecutive segments from zero on, from pairs of ticks and bytes.
    pub(in crate::package) fn segments(sizes: &[(u64, u64)]) -> Arc<[Segment]> {
        let mut start = 0;
        let segment = |&(duration, bytes): &(u64, u64)| {
            start += duration;
            Segment { start: start - duration, duration, bytes }
        };
        sizes.iter().map(segment).collect()
    }

    fn track(folder: &str, codecs: &str, timescale: u32, segments: Arc<[Segment]>) -> Track {
        Track {
            prefix: String::new(),
            version: "00112233445566ff".to_owned(),
            folder: folder.to_owned(),
            codecs: codecs.to_owned(),
            timescale: NonZeroU32::new(timescale).expect("not zero"),
            language: None,
            label: String::new(),
            is_default: false,
            roles: Vec::new(),
            segments,
            sizes: Sizes::Exact,
            target_duration_min_s: 0,
            protection: None,
            begins: SegmentStart::Independent,
            kind: Kind::Text(Text { forced: false, hearing_impaired: false }),
        }
    }

    /// 16.5 seconds of video in three segments, at 24000/1001 frames per second.
    pub(in crate::package) fn video(folder: &str) -> Track {
        let segments = segments(&[(144_144, 600_000), (144_144, 300_000), (108_108, 450_000)]);
        let iframes = [40_000, 30_000, 20_000].map(|bytes| IFrame { bytes });
        let video = Video {
            width: 1280,
            height: 720,
            pixel_aspect: Ratio::ONE,
            frame_rate: Ratio::new(24_000, 1001),
            range: VideoRange::Sdr,
            primaries: None,
            matrix: None,
            supplemental_codecs: None,
            captions: Captions::default(),
            iframes: iframes.into(),
        };
        Track { kind: Kind::Video(video), ..track(folder, "avc1.64001f", 24_000, segments) }
    }

    /// A stereo track of the same duration, with a label and a language.
    pub(in crate::package) fn audio(folder: &str, codecs: &str, label: &str) -> Track {
        let segments = segments(&[(288_768, 96_000), (287_744, 96_000), (216_064, 73_000)]);
        let audio = Audio { channels: 2, joint_objects: None, sample_rate_hz: 48_000 };
        Track {
            kind: Kind::Audio(audio),
            label: label.to_owned(),
            language: Some("en".to_owned()),
            ..track(folder, codecs, 48_000, segments)
        }
    }

    /// A subtitle track of the same duration, with a label and a language.
    pub(in crate::package) fn text(folder: &str, label: &str) -> Track {
        let segments = segments(&[(6000, 300), (6000, 200), (4500, 100)]);
        Track {
            label: label.to_owned(),
            language: Some("en".to_owned()),
            ..track(folder, "", 1000, segments)
        }
    }

    /// A title with these tracks.
    pub(in crate::package) fn title(tracks: Vec<Track>) -> Presentation {
        let title = "A title".to_owned();
        Presentation { title, duration_us: 16_516_500, start_us: None, tracks, storyboard: None }
    }

    /// Changes the video properties of a track.
    pub(in crate::package) fn with_video(mut track: Track, change: impl Fn(&mut Video)) -> Track {
        let Kind::Video(video) = &mut track.kind else { panic!("a video track") };
        change(video);
        track
    }
}
