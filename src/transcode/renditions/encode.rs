//! ffmpeg's arguments to encode one chunk.
//!
//! ffmpeg reads the timestamps of the file and ignores its edit list, seeks to the chunk's key frame, and
//! selects the frames of the chunk by timestamp. So no frame is lost or repeated between chunks, whatever
//! the frame rate is, constant or not; and each frame keeps its time to the tick, relative to the first
//! frame of the chunk.

use std::{ffi::OsString, ops::Range, path::Path};

use super::{
    chunks::{Chunk, ChunkPlan},
    spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
};
use crate::movie::codec::VideoRange;

/// The settings of a rendition's encoder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EncodeSettings {
    /// The rendition.
    pub rendition: RenditionSpec,
    /// The colour conversion.
    pub colours: Colours,
    /// Whether frames may consist of two fields.
    pub may_be_interlaced: bool,
    /// Whether ffmpeg has to turn the frames.
    pub is_turned: bool,
    /// The threads of the decoder and of the encoder.
    pub threads: u32,
    /// The start of decoding.
    pub start: DecodeStart,
}

/// The start of decoding for a chunk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DecodeStart {
    /// At the chunk's own key frame.
    #[default]
    KeyFrame,
    /// At the key frame before it, as a second attempt when frames are missing: ffmpeg's H.264 decoder
    /// drops frames behind a key frame that earlier frames refer to, unless a recovery point SEI is
    /// present.
    PreviousKeyFrame,
}

/// The colour conversion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colours {
    /// None; SDR of 8 bits.
    Sdr,
    /// None; HDR of 10 bits.
    Hdr,
    /// HDR to SDR. Needs the `zscale` filter.
    HdrToSdr,
}

impl Colours {
    /// The conversion for a track and a codec: no browser plays H.264 of 10 bits.
    pub fn for_codec(video: &VideoTrack, codec: VideoCodec) -> Self {
        match (video.range, codec) {
            (VideoRange::Sdr, _) => Self::Sdr,
            (_, VideoCodec::H264) => Self::HdrToSdr,
            (_, VideoCodec::Hevc | VideoCodec::Av1) => Self::Hdr,
        }
    }

    fn pixel_format(self) -> &'static str {
        match self {
            Self::Sdr | Self::HdrToSdr => "yuv420p",
            Self::Hdr => "yuv420p10le",
        }
    }
}

/// ffmpeg's arguments to encode one chunk of `input` into the file `output`.
pub fn arguments(
    input: &Path,
    plan: &ChunkPlan,
    chunk: &Chunk,
    settings: &EncodeSettings,
    output: &str,
) -> Vec<OsString> {
    let threads = settings.threads.max(1).to_string();
    let timescale = plan.timescale.to_string();
    let mut arguments = Arguments::default();
    arguments.add("-threads", &threads);
    arguments.add("-ignore_editlist", if plan.pieces.is_empty() { "1" } else { "0" });
    arguments.flag("-copyts");
    let seek = match settings.start {
        DecodeStart::KeyFrame => chunk.seek,
        DecodeStart::PreviousKeyFrame => chunk.seek_previous,
    };
    if let Some(seek) = seek.filter(|seek| *seek > 0) {
        arguments.flag("-noaccurate_seek");
        arguments.add("-seek_timestamp", "1");
        arguments.add("-ss", &format_seconds(seek, plan));
    }
    if !settings.is_turned {
        arguments.flag("-noautorotate");
    }
    arguments.input(input);
    arguments.add("-map", &format!("0:i:{}", plan.track));
    arguments.add("-map_metadata", "-1");
    arguments.add("-filter_threads", &threads);
    arguments.add("-vf", &filters(plan, chunk, settings));
    arguments.add("-fps_mode", "passthrough");
    arguments.add("-enc_time_base", &format!("1:{timescale}"));
    add_codec(&mut arguments, settings, &threads);
    if !chunk.key_frames.is_empty() {
        let times = chunk.key_frames.iter().map(|time| format_seconds(time - chunk.first, plan));
        arguments.add("-force_key_frames", &times.collect::<Vec<_>>().join(","));
    }
    arguments.add("-video_track_timescale", &timescale);
    arguments.add("-f", "mp4");
    arguments.flag(output);
    arguments.0
}

/// A list of arguments.
#[derive(Debug, Default)]
pub(super) struct Arguments(pub(super) Vec<OsString>);

impl Arguments {
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.flag(name);
        self.flag(value);
    }

    pub(super) fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    /// Adds an input file: in a job that of the run,
    /// [`FILE`](crate::transcode::ffmpeg::arguments::FILE).
    pub(super) fn input(&mut self, path: &Path) {
        self.flag("-i");
        self.0.push(path.into());
    }
}

/// Formats ticks as seconds with microseconds, rounded down: ffmpeg forces a key frame at the first frame
/// that is not earlier, and seeks to the nearest tick.
fn format_seconds(ticks: i64, plan: &ChunkPlan) -> String {
    let us = (i128::from(ticks) * 1_000_000 / i128::from(plan.timescale.get())).max(0);
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// Selects the frames of the chunk, with times relative to the first, and converts size and colours.
fn filters(plan: &ChunkPlan, chunk: &Chunk, settings: &EncodeSettings) -> String {
    let EncodeSettings { rendition, colours, may_be_interlaced, .. } = settings;
    let (start, end) = (file_time(chunk.first, plan), file_time(chunk.end, plan));
    let (width, height) = (rendition.frame_width, rendition.frame_height);
    // The ticks of the plan are those of the file, or finer.
    let timescale = plan.timescale;
    let mut filters = format!("settb=1/{timescale},");
    if !plan.pieces.is_empty() {
        let shown = |piece: &Range<i64>| format!("gte(pts,{})*lt(pts,{})", piece.start, piece.end);
        let shown: Vec<_> = plan.pieces.iter().map(shown).collect();
        filters += &format!("select='{}',", shown.join("+"));
    }
    filters += &format!("trim=start_pts={start}:end_pts={end},setpts=PTS-({start})");
    if *may_be_interlaced {
        // Frames that are flagged as interlaced only: the others pass unchanged, at no cost.
        filters += ",yadif=deint=interlaced";
    }
    filters += &match colours {
        Colours::Sdr | Colours::Hdr => format!(",scale={width}:{height}:flags=bicubic"),
        // Light is additive in linear values, so scaling is done there as well.
        Colours::HdrToSdr => format!(
            ",zscale=w={width}:h={height}:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,\
             tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
        ),
    };
    filters + &format!(",setsar=1,format={}", colours.pixel_format())
}

/// Converts a time of the title into a timestamp of the file.
fn file_time(time: i64, plan: &ChunkPlan) -> i64 {
    time.saturating_sub(plan.shift)
}

/// Adds the codec's options. Key frames are only where they are forced.
fn add_codec(arguments: &mut Arguments, settings: &EncodeSettings, threads: &str) {
    let rendition = &settings.rendition;
    let is_quick = rendition.effort == Effort::Quick;
    match rendition.codec {
        VideoCodec::H264 => {
            arguments.add("-c:v", "libx264");
            arguments.add("-preset", if is_quick { "veryfast" } else { "medium" });
            arguments.add("-profile:v", "high");
            // Scene changes get intra frames that are not IDR, so that no player seeks to them.
            arguments.add("-x264-params", "keyint=infinite:min-keyint=500000000:open-gop=0");
            arguments.add("-forced-idr", "1");
        }
        VideoCodec::Hevc => {
            arguments.add("-c:v", "libx265");
            arguments.add("-preset", if is_quick { "veryfast" } else { "medium" });
            let single = if threads == "1" { ":pools=none:frame-threads=1" } else { "" };
            arguments.add(
                "-x265-params",
                &format!("keyint=-1:min-keyint=100000:open-gop=0:log-level=error{single}"),
            );
            arguments.add("-forced-idr", "1");
            arguments.add("-tag:v", "hvc1");
        }
        VideoCodec::Av1 => {
            arguments.add("-c:v", "libsvtav1");
            arguments.add("-preset", if is_quick { "10" } else { "7" });
            arguments.add("-g", "100000000");
            arguments
                .add("-svtav1-params", &format!("scd=0:enable-force-key-frames=1:lp={threads}"));
        }
    }
    arguments.add("-threads", threads);
    arguments.add("-crf", &rendition.quality.to_string());
    arguments.add("-maxrate", &rendition.bit_rate_max.to_string());
    arguments.add("-bufsize", &rendition.buffer_bits.to_string());
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn plan(timescale: u32) -> ChunkPlan {
        let timescale = NonZeroU32::new(timescale).expect("ticks");
        ChunkPlan {
            track: 1,
            timescale,
            shift: -2002,
            pieces: Vec::new(),
            from: 0,
            until: 0,
            chunks: Vec::new(),
        }
    }

    #[test]
    fn seconds_are_never_later_than_the_ticks() {
        assert_eq!(format_seconds(1001, &plan(24_000)), "0.041708");
        assert_eq!(format_seconds(24_000, &plan(24_000)), "1.000000");
        assert_eq!(format_seconds(-5, &plan(24_000)), "0.000000");
    }

    #[test]
    fn frames_are_selected_by_the_timestamps_of_the_file() {
        let rendition = RenditionSpec {
            codec: VideoCodec::H264,
            effort: Effort::Quick,
            height: 72,
            frame_width: 128,
            frame_height: 72,
            quality: 23,
            bit_rate_max: 100_000,
            buffer_bits: 200_000,
        };
        let settings = EncodeSettings {
            rendition,
            colours: Colours::Sdr,
            may_be_interlaced: false,
            is_turned: true,
            threads: 1,
            start: DecodeStart::KeyFrame,
        };
        let chunk = Chunk {
            first: 48_048,
            end: 96_096,
            frames: 48,
            key_frames: vec![72_072],
            seek: Some(50_050),
            seek_previous: Some(26_026),
        };
        let list = arguments(Path::new("-a:b"), &plan(24_000), &chunk, &settings, "chunk-2.mp4");
        let arguments: Vec<_> = list.iter().map(|argument| argument.to_string_lossy()).collect();
        let after = |name: &str| {
            let index = arguments.iter().position(|argument| argument == name).expect(name);
            &*arguments[index + 1]
        };
        assert_eq!(after("-i"), "-a:b");
        assert_eq!(after("-ss"), "2.085416");
        assert_eq!(after("-force_key_frames"), "1.001000");
        let filters = after("-vf");
        let selected = "settb=1/24000,trim=start_pts=50050:end_pts=98098,setpts=PTS-(50050),";
        assert!(filters.starts_with(selected));
        assert_eq!(arguments.last().expect("a file"), "chunk-2.mp4");
    }
}
