//! Plans an MP4 from a file in another container, or with codecs that browsers do not play: the
//! action for each stream, and ffmpeg's arguments.
//!
//! Streams that an MP4 may contain are copied, which takes seconds; the others are encoded. Streams
//! without a place in an MP4 are dropped, with a reason.

use std::{ffi::OsString, path::Path};

use super::{audio, encode::Arguments};
use crate::transcode::ffmpeg::probe_report::{ProbeReport, Stream};

/// Version of the remuxed movie. Increase it with every change of the output, since artifacts are kept by
/// key.
pub const FORMAT_VERSION: u64 = 1;

/// Ticks per second of encoded video if the timescale of the file is unsuitable.
const DEFAULT_TIMESCALE: u32 = 90_000;

/// Containers with decode timestamps only.
const FORMATS_WITHOUT_PTS: [&str; 1] = ["avi"];

/// The action for a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamAction {
    /// Copies video.
    CopyVideo {
        /// HEVC needs the tag `hvc1` for Apple's players.
        is_hevc: bool,
    },
    /// Encodes video as H.264.
    EncodeVideo {
        /// Whether to deinterlace.
        is_interlaced: bool,
        /// Whether to tone map HDR to SDR.
        is_hdr: bool,
        /// Ticks per second.
        timescale: u32,
    },
    /// Copies audio.
    CopyAudio,
    /// Encodes audio as AAC.
    EncodeAudio {
        /// One or two.
        channels: u32,
    },
    /// Converts subtitles into a text track.
    ConvertText,
}

/// A stream that the movie does not contain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DroppedStream {
    /// Its number.
    pub index: u32,
    /// Its name and the reason, for people.
    pub reason: String,
}

/// The plan to convert a file to an MP4.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemuxPlan {
    /// The streams of the movie by their number in the file: video, audio, text.
    pub streams: Vec<(u32, StreamAction)>,
    /// The other streams.
    pub dropped: Vec<DroppedStream>,
}

/// The file has neither video nor audio.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the file has neither video nor audio")]
pub struct NoPlayableStream;

impl RemuxPlan {
    /// Plans the movie of a probed file.
    ///
    /// # Errors
    /// If no stream of the file can be played.
    pub fn new(report: &ProbeReport) -> Result<Self, NoPlayableStream> {
        let mut plan = Self { streams: Vec::new(), dropped: Vec::new() };
        for stream in &report.streams {
            match plan.choose(report, stream) {
                Ok(action) => plan.streams.push((stream.index, action)),
                Err(reason) => plan.dropped.push(DroppedStream { index: stream.index, reason }),
            }
        }
        if plan.streams.iter().all(|(_, action)| *action == StreamAction::ConvertText) {
            return Err(NoPlayableStream);
        }
        // The usual order of tracks.
        plan.streams.sort_by_key(|(_, action)| match action {
            StreamAction::CopyVideo { .. } | StreamAction::EncodeVideo { .. } => 0,
            StreamAction::CopyAudio | StreamAction::EncodeAudio { .. } => 1,
            StreamAction::ConvertText => 2,
        });
        Ok(plan)
    }

    /// Chooses the action for a stream, or the reason to drop it.
    fn choose(&self, report: &ProbeReport, stream: &Stream) -> Result<StreamAction, String> {
        let (name, codec) = (stream.name(), &*stream.codec);
        match &*stream.kind {
            "video" if stream.is_cover() => Err(format!("{name} is cover art")),
            "video" if self.has_video() => Err(format!("{name}: only one video stream is kept")),
            "video" => choose_video(report, stream),
            "audio" => choose_audio(stream),
            "subtitle" => match codec {
                "subrip" | "srt" | "ass" | "ssa" | "webvtt" | "mov_text" | "text" | "subviewer"
                | "microdvd" | "sami" => Ok(StreamAction::ConvertText),
                "hdmv_pgs_subtitle" | "dvd_subtitle" | "dvb_subtitle" | "xsub" => {
                    Err(format!("{name}: these subtitles are images ({codec})"))
                }
                _ => Err(format!("{name}: subtitles of this format ({codec}) are not converted")),
            },
            kind => Err(format!("{name} is neither video, audio nor text ({kind})")),
        }
    }

    fn has_video(&self) -> bool {
        self.streams.iter().any(|(_, action)| {
            matches!(action, StreamAction::CopyVideo { .. } | StreamAction::EncodeVideo { .. })
        })
    }

    /// Whether video is encoded: that takes minutes or hours instead of seconds.
    pub fn encodes_video(&self) -> bool {
        self.streams.iter().any(|(_, action)| matches!(action, StreamAction::EncodeVideo { .. }))
    }

    /// ffmpeg's arguments to convert the file `input` to the movie `output`.
    pub fn arguments(&self, input: &Path, output: &str, threads: u32) -> Vec<OsString> {
        let threads = threads.max(1).to_string();
        let mut arguments = Arguments::default();
        arguments.add("-threads", &threads);
        // For files with decode timestamps only.
        arguments.add("-fflags", "+genpts");
        arguments.input(input);
        for (index, _) in &self.streams {
            arguments.add("-map", &format!("0:{index}"));
        }
        arguments.add("-map_chapters", "-1");
        arguments.add("-filter_threads", &threads);
        for (output_index, (_, action)) in self.streams.iter().enumerate() {
            action.add_to(&mut arguments, output_index, &threads);
        }
        // A stream that starts late must not stop the others.
        arguments.add("-max_muxing_queue_size", "4096");
        arguments.add("-movflags", "+faststart");
        // ffmpeg 5 calls FLAC in MP4 experimental, and browsers play it.
        arguments.add("-strict", "experimental");
        arguments.add("-f", "mp4");
        arguments.flag(output);
        arguments.0
    }
}

fn choose_video(report: &ProbeReport, stream: &Stream) -> Result<StreamAction, String> {
    // Without decoding, the presentation times of reordered frames are unknown.
    let is_unordered = report.is_format(&FORMATS_WITHOUT_PTS) && stream.has_b_frames > 0;
    let is_copyable = matches!(&*stream.codec, "h264" | "hevc" | "av1" | "vp9");
    if is_copyable && !is_unordered {
        return Ok(StreamAction::CopyVideo { is_hevc: stream.codec == "hevc" });
    }
    if stream.codec.is_empty() || stream.codec == "none" || stream.codec == "unknown" {
        return Err(format!("{}: unknown codec", stream.name()));
    }
    Ok(StreamAction::EncodeVideo {
        is_interlaced: stream.is_interlaced(),
        is_hdr: stream.is_hdr(),
        timescale: choose_timescale(&stream.time_base),
    })
}

/// The timescale of the file, so that all times are exact, if it is neither too coarse nor too fine.
fn choose_timescale(time_base: &str) -> u32 {
    let ticks = time_base.split_once('/').and_then(|(_, ticks)| ticks.parse().ok());
    ticks.filter(|ticks| (10_000..=1_000_000).contains(ticks)).unwrap_or(DEFAULT_TIMESCALE)
}

fn choose_audio(stream: &Stream) -> Result<StreamAction, String> {
    match &*stream.codec {
        "aac" | "mp3" | "opus" | "flac" => Ok(StreamAction::CopyAudio),
        "" | "none" | "unknown" => Err(format!("{}: unknown codec", stream.name())),
        _ => Ok(StreamAction::EncodeAudio { channels: stream.channels.unwrap_or(2).clamp(1, 2) }),
    }
}

impl StreamAction {
    /// Adds the options of the output stream `index`.
    fn add_to(&self, arguments: &mut Arguments, index: usize, threads: &str) {
        let mut add = |name: &str, value: &str| arguments.add(&format!("{name}:{index}"), value);
        match self {
            Self::CopyVideo { is_hevc } => {
                add("-c", "copy");
                if *is_hevc {
                    add("-tag", "hvc1");
                }
            }
            Self::EncodeVideo { is_interlaced, is_hdr, timescale } => {
                add("-c", "libx264");
                add("-preset", "veryfast");
                add("-crf", "21");
                add("-threads", threads);
                add("-filter", &video_filters(*is_interlaced, *is_hdr));
                add("-force_key_frames", "expr:gte(t,n_forced*2)");
                add("-forced-idr", "1");
                add("-fps_mode", "vfr");
                add("-enc_time_base", &format!("1:{timescale}"));
                arguments.add("-video_track_timescale", &timescale.to_string());
            }
            Self::CopyAudio => add("-c", "copy"),
            Self::EncodeAudio { channels } => {
                add("-c", "aac");
                add("-ac", &channels.to_string());
                add("-b", &audio::bit_rate(*channels).to_string());
            }
            Self::ConvertText => add("-c", "mov_text"),
        }
    }
}

/// Filters for frames of even size, square pixels and 8 bits.
fn video_filters(is_interlaced: bool, is_hdr: bool) -> String {
    let mut filters = Vec::new();
    if is_interlaced {
        // Only frames that are flagged as interlaced: many streams are flagged as a whole and are not.
        filters.push("yadif=deint=interlaced");
    }
    filters.push("scale=trunc(iw*sar/2)*2:trunc(ih/2)*2:flags=bicubic");
    filters.push("setsar=1");
    if is_hdr {
        filters.extend([
            "zscale=t=linear:npl=100",
            "format=gbrpf32le",
            "zscale=p=bt709",
            "tonemap=hable:desat=0",
            "zscale=t=bt709:m=bt709:r=tv",
        ]);
    }
    filters.push("format=yuv420p");
    filters.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remux(container: &str, streams: &str) -> Result<RemuxPlan, NoPlayableStream> {
        let json = format!(r#"{{"streams":[{streams}],"format":{{"format_name":"{container}"}}}}"#);
        RemuxPlan::new(&ProbeReport::parse(json.as_bytes()).expect("a report"))
    }

    #[test]
    fn streams_that_browsers_play_are_copied_and_others_encoded_or_dropped() {
        let plan = remux(
            "matroska,webm",
            r#"{"index":0,"codec_type":"subtitle","codec_name":"subrip"},
               {"index":1,"codec_type":"audio","codec_name":"ac3","channels":6},
               {"index":2,"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1}},
               {"index":3,"codec_type":"video","codec_name":"hevc"},
               {"index":4,"codec_type":"audio","codec_name":"aac"},
               {"index":5,"codec_type":"subtitle","codec_name":"hdmv_pgs_subtitle",
                "tags":{"title":"Signs"}},
               {"index":6,"codec_type":"attachment","codec_name":"ttf"}"#,
        );
        let plan = plan.expect("a movie");
        assert_eq!(
            plan.streams,
            [
                (3, StreamAction::CopyVideo { is_hevc: true }),
                (1, StreamAction::EncodeAudio { channels: 2 }),
                (4, StreamAction::CopyAudio),
                (0, StreamAction::ConvertText),
            ]
        );
        let dropped: Vec<_> = plan.dropped.iter().map(|stream| &*stream.reason).collect();
        assert_eq!(
            dropped,
            [
                "stream 2 is cover art",
                "Signs: these subtitles are images (hdmv_pgs_subtitle)",
                "stream 6 is neither video, audio nor text (attachment)",
            ]
        );
        assert!(!plan.encodes_video());
    }

    #[test]
    fn video_of_unknown_order_is_encoded() {
        let with = |container, b_frames| {
            let stream = format!(
                r#"{{"index":0,"codec_type":"video","codec_name":"h264","has_b_frames":{b_frames}}}"#
            );
            remux(container, &stream).expect("a movie").encodes_video()
        };
        assert!(with("avi", 2));
        assert!(!with("avi", 0));
        assert!(!with("mpegts", 2));
    }

    #[test]
    fn a_file_without_a_playable_stream_is_refused() {
        let text = r#"{"index":0,"codec_type":"subtitle","codec_name":"subrip"}"#;
        assert_eq!(remux("srt", text), Err(NoPlayableStream));
        assert_eq!(remux("", ""), Err(NoPlayableStream));
        let unknown = r#"{"index":0,"codec_type":"video"}"#;
        assert_eq!(remux("avi", unknown), Err(NoPlayableStream));
    }

    #[test]
    fn a_suitable_timescale_is_kept() {
        for (time_base, expected) in
            [("1001/24000", 24_000), ("1/1000", 90_000), ("1/90000", 90_000), ("", 90_000)]
        {
            assert_eq!(choose_timescale(time_base), expected, "{time_base}");
        }
    }
}
