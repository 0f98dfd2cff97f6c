//! What manifests need to know of a title: plain data, made from the indices of its movies.
//!
//! The same data makes HLS and DASH, so that neither can promise what the other does not. Nothing here
//! knows of boxes or files. All of it that shows in a URL, a time or a size has to be true of the
//! segments that are served: manifests do no more than say it.

use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;

use super::storyboard::Storyboard;

/// A title: its tracks, and what is true of all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presentation {
    /// What people call it. May be empty, and may hold any character.
    pub title: String,
    /// How long it is, in microseconds: when its last track ends.
    pub duration_us: u64,
    /// Where playing should begin, in microseconds, if not at the beginning.
    pub start_us: Option<u64>,
    /// The tracks, in the order in which players should see them.
    pub tracks: Vec<Track>,
    /// Its storyboard, where there is somebody to make the pictures.
    pub storyboard: Option<Storyboard>,
}

/// One track of one file, as segments. The renditions of a title may come from several files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Track {
    /// The relative URL from the manifest's folder to that in which `~<version>/<folder>/` lies:
    /// percent-encoded, and either empty (the manifest's own) or with a slash at its end.
    pub prefix: String,
    /// The version of the file that the track comes from.
    pub version: String,
    /// The track's folder in URLs: `video-1`, `audio-2`, `text-1`.
    pub folder: String,
    /// The codec string (RFC 6381) of its samples; empty if it is not known, or for text.
    pub codecs: String,
    /// Ticks in a second.
    pub timescale: NonZeroU32,
    /// The language, as BCP 47 has it.
    pub language: Option<String>,
    /// What people call it. May be empty, equal to others', and may hold any character.
    pub label: String,
    /// Whether it is played, of its kind, when nobody has chosen.
    pub is_default: bool,
    /// Its segments: number 1 is the first.
    pub segments: Arc<[Segment]>,
    /// The least target duration of its playlist, in seconds; see [`share_target_duration`].
    pub target_duration_min_s: u64,
    /// How it is encrypted, if it is.
    pub protection: Option<Protection>,
    /// What is true of its kind alone.
    pub kind: Kind,
}

/// How a track is encrypted (ISO/IEC 23001-7).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Protection {
    /// The scheme: `cenc`, `cbcs` and the like.
    pub scheme: [u8; 4],
    /// Which key it is encrypted with.
    pub key_id: [u8; 16],
    /// What is known of who has the key.
    pub systems: Arc<[System]>,
}

/// A system of digital rights management.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct System {
    /// Which one.
    pub id: [u8; 16],
    /// What it needs to ask for keys: a `pssh` box, or several (ISO/IEC 23001-7 section 8.1).
    pub headers: Bytes,
}

/// What a track is, and what only such a track has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Pictures.
    Video(Video),
    /// Sound.
    Audio(Audio),
    /// Subtitles, as WebVTT.
    Text(Text),
}

/// What is true of a video track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Video {
    /// The width in coded pixels, as it is shown: if the track's matrix turns the picture on its
    /// side, the height of the samples.
    pub width: u32,
    /// The height in coded pixels, as it is shown.
    pub height: u32,
    /// How wide a pixel is for its height (`pasp`, ISO/IEC 14496-12 section 12.1.4), as it is shown.
    pub pixel_aspect: Ratio,
    /// Pictures in a second, if that is known.
    pub frame_rate: Option<Ratio>,
    /// Which transfer function its samples have.
    pub range: VideoRange,
    /// Codecs that a better decoder takes it for (RFC 8216bis section 4.4.6.2, SUPPLEMENTAL-CODECS):
    /// Dolby Vision over HEVC is `dvh1.08.07/db4h`.
    pub supplemental_codecs: Option<String>,
    /// The key frame of each segment, in the segments' order; empty if there are no such resources.
    pub iframes: Arc<[IFrame]>,
}

/// What is true of an audio track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audio {
    /// How many channels it is coded in; 0 if that is not known.
    pub channels: u16,
    /// The objects of Dolby Atmos in it (joint object coding), as its `dec3` says.
    pub joint_objects: Option<u16>,
    /// Samples in a second.
    pub sample_rate_hz: u32,
}

/// What is true of a text track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text {
    /// Shown even to those who want no subtitles: it translates what others need no words for.
    pub forced: bool,
    /// Tells what is heard besides speech, for those who do not hear it.
    pub hearing_impaired: bool,
}

/// A transfer function, by its name in RFC 8216bis section 4.4.6.2.
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
    /// When its first sample is presented, in ticks.
    pub start: u64,
    /// How long its samples are presented, in ticks.
    pub duration: u64,
    /// Its size as it is sent, in bytes.
    pub bytes: u64,
}

/// A key frame that is a resource of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IFrame {
    /// Its size as it is sent, in bytes.
    pub bytes: u64,
}

/// A fraction in its lowest terms, larger than zero.
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

    /// What is above the line.
    pub fn numerator(self) -> u32 {
        self.numerator.get()
    }

    /// What is below the line.
    pub fn denominator(self) -> u32 {
        self.denominator.get()
    }

    /// `factor` times this, rounded to the nearest whole number.
    pub fn of(self, factor: u32) -> u64 {
        let (numerator, denominator) = (u64::from(self.numerator()), u64::from(self.denominator()));
        (u64::from(factor) * numerator + denominator / 2) / denominator
    }
}

impl Segment {
    /// When it is over, in ticks.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

impl Track {
    /// When each segment's part of the playlist ends, in ticks.
    ///
    /// A playlist has no gaps: a segment's part lasts until the next begins, and the first begins at
    /// zero, also in a track that is heard or seen only later. So the time in every playlist is the
    /// presentation's own, which players rely on when they seek.
    pub fn ends(&self) -> impl Iterator<Item = u64> {
        let starts = self.segments.iter().skip(1).map(|segment| segment.start);
        starts.chain(self.segments.last().map(Segment::end)).scan(0, |before, end| {
            *before = end.max(*before);
            Some(*before)
        })
    }

    /// How long each segment's part of the playlist is, in microseconds.
    ///
    /// These are the differences of rounded times, not rounded differences: their errors do not add
    /// up, so that the sum of any run is right to the microsecond.
    pub fn durations_us(&self) -> impl Iterator<Item = u64> {
        let timescale = self.timescale;
        let times = self.ends().map(move |end| microseconds(end, timescale));
        times.scan(0, |before, end| Some(end - std::mem::replace(before, end)))
    }

    /// The target duration in seconds (RFC 8216bis section 4.4.3.1): no segment's duration, rounded
    /// to the nearest integer, is more.
    pub fn target_duration_s(&self) -> u64 {
        let longest_us = self.durations_us().max().unwrap_or(0);
        (longest_us.saturating_add(500_000) / 1_000_000).max(self.target_duration_min_s).max(1)
    }

    /// The codec string up to where variants of one codec begin to differ: `avc1`, `mp4a.40`, `ec-3`.
    /// A client that decodes one of a family most likely decodes the others.
    pub fn codec_family(&self) -> &str {
        let parts = if self.codecs.starts_with("mp4a.") { 2 } else { 1 };
        let mut dots = self.codecs.match_indices('.').map(|(at, _)| at);
        dots.nth(parts - 1).map_or(&self.codecs, |end| &self.codecs[..end])
    }

    /// What is true of it as a video track, if it is one.
    pub fn video(&self) -> Option<&Video> {
        if let Kind::Video(video) = &self.kind { Some(video) } else { None }
    }

    /// What is true of it as an audio track, if it is one.
    pub fn audio(&self) -> Option<&Audio> {
        if let Kind::Audio(audio) = &self.kind { Some(audio) } else { None }
    }

    /// What is true of it as a text track, if it is one.
    pub fn text(&self) -> Option<&Text> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }
}

/// Gives all video and audio tracks of a file one target duration, as their playlists must have
/// (RFC 8216bis section 6.2.4): audio is cut near to video, and half a second is near to either whole
/// one. Text may have its own.
///
/// Only tracks of one file, since the playlist of a track is named by the version of its file alone.
pub fn share_target_duration(tracks: &mut [Track]) {
    let shares = |track: &Track| !matches!(track.kind, Kind::Text(_));
    let durations = tracks.iter().filter(|track| shares(track)).map(Track::target_duration_s);
    let Some(longest) = durations.max() else { return };
    let sharing = tracks.iter_mut().filter(|track| shares(track));
    sharing.for_each(|track| track.target_duration_min_s = longest);
}

/// Ticks as microseconds, rounded to the nearest.
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
    //! Titles for tests.

    use super::*;

    /// Segments one after the other from zero on, of so many ticks and bytes.
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
            segments,
            target_duration_min_s: 0,
            protection: None,
            kind: Kind::Text(Text { forced: false, hearing_impaired: false }),
        }
    }

    /// 16.5 seconds of video in three segments, at 24000/1001 pictures a second.
    pub(in crate::package) fn video(folder: &str) -> Track {
        let segments = segments(&[(144_144, 600_000), (144_144, 300_000), (108_108, 450_000)]);
        let iframes = [40_000, 30_000, 20_000].map(|bytes| IFrame { bytes });
        let video = Video {
            width: 1280,
            height: 720,
            pixel_aspect: Ratio::ONE,
            frame_rate: Ratio::new(24_000, 1001),
            range: VideoRange::Sdr,
            supplemental_codecs: None,
            iframes: iframes.into(),
        };
        Track { kind: Kind::Video(video), ..track(folder, "avc1.64001f", 24_000, segments) }
    }

    /// As much of stereo, with a label and a language.
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

    /// As much of subtitles, with a label and a language.
    pub(in crate::package) fn text(folder: &str, label: &str) -> Track {
        let segments = segments(&[(6000, 300), (6000, 200), (4500, 100)]);
        Track {
            label: label.to_owned(),
            language: Some("en".to_owned()),
            ..track(folder, "", 1000, segments)
        }
    }

    /// A title of these tracks.
    pub(in crate::package) fn title(tracks: Vec<Track>) -> Presentation {
        let title = "A film".to_owned();
        Presentation { title, duration_us: 16_516_500, start_us: None, tracks, storyboard: None }
    }

    /// Changes what is true of a video track alone.
    pub(in crate::package) fn with_video(mut track: Track, change: impl Fn(&mut Video)) -> Track {
        let Kind::Video(video) = &mut track.kind else { panic!("a video track") };
        change(video);
        track
    }
}
