//! The ladder: the renditions of a title, with size, quality and bit rate.
//!
//! Each has a constant quality, so that simple content takes few bits, and a maximum bit rate that
//! depends on its size. None is larger than the title, and none takes more bits than the title.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::movie::{
    Track,
    codec::{Chroma, Codec, Media, VideoRange},
};

/// The heights of the ladder, largest first.
const HEIGHTS: [u32; 7] = [2160, 1440, 1080, 720, 480, 360, 240];

/// The maximum bit rate of H.264 at 720p and 30 frames a second, and its pixels.
const BIT_RATE_720P: f64 = 2_800_000.0;
const PIXELS_720P: f64 = 1280.0 * 720.0;

/// The exponent of bit rate by pixels: larger frames need fewer bits per pixel.
const PIXELS_EXPONENT: f64 = 0.75;

/// The exponent of bit rate by frame rate: at higher rates frames are more alike.
const FRAME_RATE_EXPONENT: f64 = 0.5;

/// The minimum of the maximum bit rate: below it, audio would take more than video.
const BIT_RATE_MIN: u32 = 100_000;

/// A codec of renditions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264: everything plays it.
    H264,
    /// HEVC: two thirds of the bits; not every browser plays it.
    Hevc,
    /// AV1: half of the bits; the slowest to encode.
    Av1,
}

impl VideoCodec {
    /// Its bit rate relative to that of H.264.
    fn relative_bit_rate(self) -> f64 {
        match self {
            Self::H264 => 1.0,
            Self::Hevc => 0.65,
            Self::Av1 => 0.55,
        }
    }

    /// The difference between its CRF scale and that of x264.
    fn quality_offset(self) -> u8 {
        match self {
            Self::H264 => 0,
            Self::Hevc => 3,
            Self::Av1 => 12,
        }
    }
}

impl fmt::Display for VideoCodec {
    /// The form in the name of a rendition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        })
    }
}

/// The effort of the encoder: the time that it spends to save bits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// For a title that is needed soon.
    #[default]
    Quick,
    /// For a title that is watched often.
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

/// The properties of a video track that its renditions depend on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VideoTrack {
    /// The displayed width: rotated, with square pixels.
    pub width: u32,
    /// The displayed height.
    pub height: u32,
    /// Frames per 1000 seconds.
    pub frame_rate_millihertz: u32,
    /// The average bit rate.
    pub bit_rate: u64,
    /// The codec.
    pub codec: Codec,
    /// Whether all browsers play the track.
    pub is_playable: bool,
    /// The dynamic range.
    pub range: VideoRange,
    /// Whether frames may consist of two fields.
    pub may_be_interlaced: bool,
    /// Whether frames have to be turned.
    pub is_turned: bool,
}

impl VideoTrack {
    /// The properties of a track; `None` if it is no video, or is encrypted and so cannot be decoded.
    pub fn from_track(track: &Track) -> Option<Self> {
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
        let frames_in_1000_s = match track.sample_count() {
            Some(frames) => per_second(u128::from(frames) * 1000),
            None => {
                let ticks = u128::from(index.presented_ticks.max(1));
                let frames = u128::from(index.presented_samples) * 1000;
                u64::try_from(frames * u128::from(track.timescale.get()) / ticks)
                    .unwrap_or(u64::MAX)
            }
        };
        let shape = track.shape?;
        let (width, height) = shape.displayed()?;
        let is_8_bit_420 = video.bit_depth.is_none_or(|bits| bits == 8)
            && video.chroma.is_none_or(|chroma| chroma == Chroma::C420);
        let is_playable = match track.entry.codec {
            Codec::H264 => is_8_bit_420,
            Codec::Vp9 | Codec::Av1 => true,
            _ => false,
        };
        Some(Self {
            width,
            height,
            frame_rate_millihertz: u32::try_from(frames_in_1000_s).unwrap_or(u32::MAX),
            bit_rate: per_second(u128::from(track.bytes_at_most()) * 8),
            codec: track.entry.codec,
            is_playable,
            range: video.range,
            may_be_interlaced: video.scan.may_be_interlaced(),
            is_turned: shape.orientation.is_turned(),
        })
    }

    /// The shorter side, which names the size: portrait video of 1080 × 1920 is 1080p.
    pub fn short_side(&self) -> u32 {
        self.width.min(self.height)
    }

    /// The bit rate of its codec relative to that of H.264. Older codecs count as H.264: a larger value
    /// would allow more bits than the title itself has.
    fn relative_bit_rate(&self) -> f64 {
        match self.codec {
            Codec::Hevc | Codec::Vp9 => VideoCodec::Hevc.relative_bit_rate(),
            Codec::Av1 => VideoCodec::Av1.relative_bit_rate(),
            _ => 1.0,
        }
    }
}

/// One entry of the ladder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct RenditionSpec {
    /// The codec.
    pub codec: VideoCodec,
    /// The effort of the encoder.
    pub effort: Effort,
    /// The nominal height, 720 for 720p: the shorter side of the frame.
    pub height: u32,
    /// The width of the frame in square pixels; even.
    pub frame_width: u32,
    /// The height of the frame in pixels; even.
    pub frame_height: u32,
    /// The constant quality (CRF) on the encoder's scale: less is better.
    pub quality: u8,
    /// The maximum bit rate, averaged over the buffer.
    pub bit_rate_max: u32,
    /// The size of the decoder's buffer (VBV), in bits.
    pub buffer_bits: u32,
}

impl fmt::Display for RenditionSpec {
    /// The form in file names and artifact keys: `h264-720p`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}p", self.codec, self.height)
    }
}

impl RenditionSpec {
    /// The rendition of a height; `None` if the video is smaller.
    pub fn new(video: &VideoTrack, height: u32, codec: VideoCodec, effort: Effort) -> Option<Self> {
        let short_side = video.short_side();
        if height < 2 || height > short_side {
            return None;
        }
        let scale = |side: u32| {
            let exact = u64::from(side) * u64::from(height);
            let halves = (exact + u64::from(short_side)) / (2 * u64::from(short_side));
            u32::try_from(halves.max(1) * 2).unwrap_or(u32::MAX - 1).min(side.max(2) & !1)
        };
        let (frame_width, frame_height) = (scale(video.width), scale(video.height));
        let bit_rate_max = bit_rate_max(video, frame_width, frame_height, codec);
        let quality = match height {
            1080.. => 23,
            720.. => 22,
            480.. => 21,
            // Small frames are shown enlarged, and so are their artefacts.
            _ => 20,
        };
        Some(Self {
            codec,
            effort,
            height,
            frame_width,
            frame_height,
            quality: quality + codec.quality_offset(),
            bit_rate_max,
            buffer_bits: bit_rate_max.saturating_mul(2),
        })
    }
}

/// The maximum bit rate for frames of a size; no more than the title itself would take in this codec.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
#[expect(clippy::cast_precision_loss, reason = "bit rates are approximate")]
fn bit_rate_max(video: &VideoTrack, width: u32, height: u32, codec: VideoCodec) -> u32 {
    let pixels = f64::from(width) * f64::from(height);
    let frame_rate = f64::from(video.frame_rate_millihertz) / 30_000.0;
    let by_size = BIT_RATE_720P
        * (pixels / PIXELS_720P).powf(PIXELS_EXPONENT)
        * frame_rate.max(1.0).powf(FRAME_RATE_EXPONENT)
        * codec.relative_bit_rate();
    let relative = (codec.relative_bit_rate() / video.relative_bit_rate()).max(1.0);
    let of_title = video.bit_rate as f64 * relative;
    let rounded = (by_size.min(of_title) / 1000.0).round() * 1000.0;
    (rounded as u32).max(BIT_RATE_MIN)
}

/// Builds the ladder of a title, the largest rendition first: all heights below its own by a tenth or
/// more, and its own height if browsers do not play the title itself. A small title that they play has
/// none.
pub fn build_ladder(video: &VideoTrack, codec: VideoCodec, effort: Effort) -> Vec<RenditionSpec> {
    let short_side = video.short_side();
    let own = (!video.is_playable).then_some(short_side);
    let is_below = |height: &u32| u64::from(*height) * 10 <= u64::from(short_side) * 9;
    own.into_iter()
        .chain(HEIGHTS.into_iter().filter(is_below))
        .filter_map(|height| RenditionSpec::new(video, height, codec, effort))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: VideoTrack = VideoTrack {
        width: 1920,
        height: 1080,
        frame_rate_millihertz: 24_000,
        bit_rate: 8_000_000,
        codec: Codec::H264,
        is_playable: true,
        range: VideoRange::Sdr,
        may_be_interlaced: false,
        is_turned: true,
    };

    fn sizes(video: VideoTrack) -> Vec<(u32, u32)> {
        let renditions = build_ladder(&video, VideoCodec::H264, Effort::Quick);
        renditions.iter().map(|spec| (spec.frame_width, spec.frame_height)).collect()
    }

    #[test]
    fn renditions_are_smaller_than_the_title_and_even() {
        assert_eq!(sizes(VIDEO), [(1280, 720), (854, 480), (640, 360), (426, 240)]);
        let portrait = VideoTrack { width: 1080, height: 1920, ..VIDEO };
        assert_eq!(sizes(portrait), [(720, 1280), (480, 854), (360, 640), (240, 426)]);
        let wide = VideoTrack { width: 1920, height: 800, ..VIDEO };
        assert_eq!(sizes(wide)[0], (1728, 720));
        assert!(sizes(VideoTrack { width: 320, height: 240, ..VIDEO }).is_empty());
        assert!(sizes(VideoTrack { width: 0, height: 0, ..VIDEO }).is_empty());
    }

    #[test]
    fn the_ladder_has_the_height_of_a_title_that_browsers_do_not_play() {
        let hevc = VideoTrack { codec: Codec::Hevc, is_playable: false, ..VIDEO };
        assert_eq!(sizes(hevc)[..2], [(1920, 1080), (1280, 720)]);
        let odd = VideoTrack { width: 177, height: 99, is_playable: false, ..VIDEO };
        assert_eq!(sizes(odd), [(176, 98)]);
        let tiny = VideoTrack { width: 1, height: 1, is_playable: false, ..VIDEO };
        assert!(sizes(tiny).is_empty());
    }

    #[test]
    fn the_bit_rate_depends_on_size_frame_rate_codec_and_title() {
        let rate = |video, height, codec| {
            RenditionSpec::new(&video, height, codec, Effort::Quick)
                .expect("a rendition")
                .bit_rate_max
        };
        assert_eq!(rate(VIDEO, 720, VideoCodec::H264), 2_800_000);
        assert!(rate(VIDEO, 480, VideoCodec::H264) < 1_600_000);
        assert!(rate(VIDEO, 720, VideoCodec::Av1) < rate(VIDEO, 720, VideoCodec::Hevc));
        let fast = VideoTrack { frame_rate_millihertz: 60_000, ..VIDEO };
        assert!(rate(fast, 720, VideoCodec::H264) > 3_900_000);
        let slides = VideoTrack { bit_rate: 300_000, ..VIDEO };
        assert_eq!(rate(slides, 720, VideoCodec::H264), 300_000);
        // The quality of the title takes more bits in an older codec.
        let hevc = VideoTrack { codec: Codec::Hevc, ..slides };
        assert_eq!(rate(hevc, 720, VideoCodec::H264), 462_000);
        assert_eq!(rate(VideoTrack { bit_rate: 0, ..VIDEO }, 720, VideoCodec::H264), BIT_RATE_MIN);
        let huge = VideoTrack { width: u32::MAX, height: u32::MAX, bit_rate: u64::MAX, ..VIDEO };
        assert!(rate(huge, u32::MAX, VideoCodec::H264) > 0);
    }

    #[test]
    fn a_rendition_is_named_by_codec_and_height() {
        let rendition =
            RenditionSpec::new(&VIDEO, 720, VideoCodec::Av1, Effort::Quick).expect("a rendition");
        assert_eq!(rendition.to_string(), "av1-720p");
        let json = serde_json::to_string(&rendition).expect("text");
        assert_eq!(serde_json::from_str::<RenditionSpec>(&json).expect("a rendition"), rendition);
    }
}
