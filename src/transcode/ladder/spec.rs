//! Which renditions a film has, and how good each is to be.
//!
//! Each has a constant quality, so that what is easy to encode takes few bits, below a bit rate that
//! its size is worth. None is larger than the film, and none takes more bits than the film.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::movie::{
    Track,
    codec::{Chroma, Codec, Media, VideoRange},
};

/// The short sides of pictures that people have names for.
const LINES: [u32; 7] = [2160, 1440, 1080, 720, 480, 360, 240];

/// The bit rate of H.264 that 720p of 30 pictures a second is worth, and its pixels.
const BIT_RATE_720P: f64 = 2_800_000.0;
const PIXELS_720P: f64 = 1280.0 * 720.0;

/// Larger pictures need fewer bits for each pixel.
const BITS_BY_PIXELS: f64 = 0.75;

/// More pictures a second are more alike.
const BITS_BY_PICTURES: f64 = 0.5;

/// No rendition has less, or its sound would take more.
const BIT_RATE_MIN: u32 = 100_000;

/// A codec that renditions are encoded in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264: everything plays it.
    H264,
    /// HEVC: two thirds of the bits, and not every browser plays it.
    Hevc,
    /// AV1: half of the bits, and the longest to encode.
    Av1,
}

impl VideoCodec {
    /// How many bits it takes where H.264 takes one.
    fn bits(self) -> f64 {
        match self {
            Self::H264 => 1.0,
            Self::Hevc => 0.65,
            Self::Av1 => 0.55,
        }
    }

    /// By how much its scale of qualities is further on than that of x264.
    fn quality_offset(self) -> u8 {
        match self {
            Self::H264 => 0,
            Self::Hevc => 3,
            Self::Av1 => 12,
        }
    }
}

impl fmt::Display for VideoCodec {
    /// As in the name of a rendition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        })
    }
}

/// How much time is spent on finding what takes fewer bits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// For a film that somebody waits for.
    #[default]
    Quick,
    /// For a film that is watched often.
    Thorough,
}

impl Effort {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Thorough => "thorough",
        }
    }
}

/// What has to be known of a film's pictures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VideoTrack {
    /// As they are shown: turned, and of square pixels.
    pub width: u32,
    /// As they are shown.
    pub height: u32,
    /// Pictures in a thousand seconds.
    pub rate_millihertz: u32,
    /// Bits per second, on average.
    pub bit_rate: u64,
    /// The codec.
    pub codec: Codec,
    /// Whether all browsers play them.
    pub is_playable: bool,
    /// Their dynamic range.
    pub range: VideoRange,
}

impl VideoTrack {
    /// Those of a track; `None` if it is none of pictures, or they are encrypted and nobody here can
    /// decode them.
    pub fn of(track: &Track) -> Option<Self> {
        let Media::Video(video) = &track.entry.media else {
            return None;
        };
        if track.entry.encryption.is_some() {
            return None;
        }
        let index = &track.index;
        let first = index.segments.first()?;
        let ticks = u64::try_from(index.end.saturating_sub(first.start)).ok()?.max(1);
        let per_second = |amount: u128| {
            let amount = amount * u128::from(track.timescale.get()) / u128::from(ticks);
            u64::try_from(amount).unwrap_or(u64::MAX)
        };
        let count = index.end_sample.saturating_sub(first.first_sample);
        let aspect = video.sample_aspect;
        let wide = u64::from(video.width) * u64::from(aspect.h_spacing);
        let (wide, high) = (
            u32::try_from(wide / u64::from(aspect.v_spacing.max(1))).unwrap_or(u32::MAX),
            u32::from(video.height),
        );
        let (width, height) =
            if track.is_rotated_by_quarter() { (high, wide) } else { (wide, high) };
        let is_plain = video.bit_depth.is_none_or(|bits| bits == 8)
            && video.chroma.is_none_or(|chroma| chroma == Chroma::C420);
        let is_playable = match track.entry.codec {
            Codec::H264 => is_plain,
            Codec::Vp9 | Codec::Av1 => true,
            _ => false,
        };
        Some(Self {
            width,
            height,
            rate_millihertz: u32::try_from(per_second(u128::from(count) * 1000))
                .unwrap_or(u32::MAX),
            bit_rate: per_second(u128::from(index.bytes) * 8),
            codec: track.entry.codec,
            is_playable,
            range: video.range,
        })
    }

    /// The shorter side, by which people name sizes: a film on its side is no smaller for that.
    pub fn lines(&self) -> u32 {
        self.width.min(self.height)
    }

    /// How many bits its codec takes where H.264 takes one. Older ones count as that: more would allow
    /// more bits than the film itself has.
    fn bits(&self) -> f64 {
        match self.codec {
            Codec::Hevc | Codec::Vp9 => VideoCodec::Hevc.bits(),
            Codec::Av1 => VideoCodec::Av1.bits(),
            _ => 1.0,
        }
    }
}

/// One rendition.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct RenditionSpec {
    /// The codec.
    pub coding: VideoCodec,
    /// How long the encoder searches.
    pub effort: Effort,
    /// What its size is called: 720 for 720p.
    pub lines: u32,
    /// In pixels, which are square; even.
    pub width: u32,
    /// In pixels; even.
    pub height: u32,
    /// The quality, on the encoder's scale: less is better.
    pub quality: u8,
    /// The bit rate that is never exceeded for long, in bits per second.
    pub bit_rate_max: u32,
    /// How many bits a player has to keep for that.
    pub buffer_bits: u32,
}

impl fmt::Display for RenditionSpec {
    /// As in the name of a file: `h264-720p`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}p", self.coding, self.lines)
    }
}

impl RenditionSpec {
    /// A rendition of pictures whose short side has so many pixels; `None` if that is more than they
    /// have.
    pub fn new(
        pictures: &VideoTrack,
        lines: u32,
        coding: VideoCodec,
        effort: Effort,
    ) -> Option<Self> {
        let short = pictures.lines();
        if lines < 2 || lines > short {
            return None;
        }
        let scaled = |side: u32| {
            let exact = u64::from(side) * u64::from(lines);
            let halves = (exact + u64::from(short)) / (2 * u64::from(short));
            u32::try_from(halves.max(1) * 2).unwrap_or(u32::MAX - 1).min(side.max(2) & !1)
        };
        let (width, height) = (scaled(pictures.width), scaled(pictures.height));
        let bit_rate_max = bit_rate_max(pictures, width, height, coding);
        let quality = match lines {
            1080.. => 23,
            720.. => 22,
            480.. => 21,
            // Small pictures are shown large, and so are their faults.
            _ => 20,
        };
        Some(Self {
            coding,
            effort,
            lines,
            width,
            height,
            quality: quality + coding.quality_offset(),
            bit_rate_max,
            buffer_bits: bit_rate_max.saturating_mul(2),
        })
    }
}

/// What pictures of a size are worth, and no more than the film itself would take in this codec.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
#[expect(clippy::cast_precision_loss, reason = "bit rates are about")]
fn bit_rate_max(pictures: &VideoTrack, width: u32, height: u32, coding: VideoCodec) -> u32 {
    let pixels = f64::from(width) * f64::from(height);
    let rate = f64::from(pictures.rate_millihertz) / 30_000.0;
    let worth = BIT_RATE_720P
        * (pixels / PIXELS_720P).powf(BITS_BY_PIXELS)
        * rate.max(1.0).powf(BITS_BY_PICTURES)
        * coding.bits();
    let own = pictures.bit_rate as f64 * (coding.bits() / pictures.bits()).max(1.0);
    let rounded = (worth.min(own) / 1000.0).round() * 1000.0;
    (rounded as u32).max(BIT_RATE_MIN)
}

/// The renditions that a film is worth, the largest first: all usual sizes below its own by a tenth or
/// more, and its own size if browsers do not play the film itself. A small film that they play has none.
pub fn ladder(pictures: &VideoTrack, coding: VideoCodec, effort: Effort) -> Vec<RenditionSpec> {
    let short = pictures.lines();
    let own = (!pictures.is_playable).then_some(short);
    let below = LINES.into_iter().filter(|lines| u64::from(*lines) * 10 <= u64::from(short) * 9);
    own.into_iter()
        .chain(below)
        .filter_map(|lines| RenditionSpec::new(pictures, lines, coding, effort))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILM: VideoTrack = VideoTrack {
        width: 1920,
        height: 1080,
        rate_millihertz: 24_000,
        bit_rate: 8_000_000,
        codec: Codec::H264,
        is_playable: true,
        range: VideoRange::Sdr,
    };

    fn sizes(pictures: VideoTrack) -> Vec<(u32, u32)> {
        let rungs = ladder(&pictures, VideoCodec::H264, Effort::Quick);
        rungs.iter().map(|rendition| (rendition.width, rendition.height)).collect()
    }

    #[test]
    fn renditions_are_smaller_than_the_film_and_even() {
        assert_eq!(sizes(FILM), [(1280, 720), (854, 480), (640, 360), (426, 240)]);
        let portrait = VideoTrack { width: 1080, height: 1920, ..FILM };
        assert_eq!(sizes(portrait), [(720, 1280), (480, 854), (360, 640), (240, 426)]);
        let wide = VideoTrack { width: 1920, height: 800, ..FILM };
        assert_eq!(sizes(wide)[0], (1728, 720));
        assert!(sizes(VideoTrack { width: 320, height: 240, ..FILM }).is_empty());
        assert!(sizes(VideoTrack { width: 0, height: 0, ..FILM }).is_empty());
    }

    #[test]
    fn the_own_size_is_offered_when_browsers_do_not_play_the_film() {
        let hevc = VideoTrack { codec: Codec::Hevc, is_playable: false, ..FILM };
        assert_eq!(sizes(hevc)[..2], [(1920, 1080), (1280, 720)]);
        let odd = VideoTrack { width: 177, height: 99, is_playable: false, ..FILM };
        assert_eq!(sizes(odd), [(176, 98)]);
        let tiny = VideoTrack { width: 1, height: 1, is_playable: false, ..FILM };
        assert!(sizes(tiny).is_empty());
    }

    #[test]
    fn bits_follow_the_size_the_rate_the_codec_and_the_film() {
        let rate = |pictures, lines, coding| {
            RenditionSpec::new(&pictures, lines, coding, Effort::Quick)
                .expect("a rung")
                .bit_rate_max
        };
        assert_eq!(rate(FILM, 720, VideoCodec::H264), 2_800_000);
        assert!(rate(FILM, 480, VideoCodec::H264) < 1_600_000);
        assert!(rate(FILM, 720, VideoCodec::Av1) < rate(FILM, 720, VideoCodec::Hevc));
        let fast = VideoTrack { rate_millihertz: 60_000, ..FILM };
        assert!(rate(fast, 720, VideoCodec::H264) > 3_900_000);
        let slides = VideoTrack { bit_rate: 300_000, ..FILM };
        assert_eq!(rate(slides, 720, VideoCodec::H264), 300_000);
        // As good as the film is, which takes more bits in an older codec.
        let hevc = VideoTrack { codec: Codec::Hevc, ..slides };
        assert_eq!(rate(hevc, 720, VideoCodec::H264), 462_000);
        assert_eq!(rate(VideoTrack { bit_rate: 0, ..FILM }, 720, VideoCodec::H264), BIT_RATE_MIN);
        let huge = VideoTrack { width: u32::MAX, height: u32::MAX, bit_rate: u64::MAX, ..FILM };
        assert!(rate(huge, u32::MAX, VideoCodec::H264) > 0);
    }

    #[test]
    fn a_rung_is_named_by_its_codec_and_its_lines() {
        let rendition =
            RenditionSpec::new(&FILM, 720, VideoCodec::Av1, Effort::Quick).expect("a rung");
        assert_eq!(rendition.to_string(), "av1-720p");
        let json = serde_json::to_string(&rendition).expect("text");
        assert_eq!(serde_json::from_str::<RenditionSpec>(&json).expect("a rung"), rendition);
    }
}
