//! Plans an MP4 from a file in another container, or with codecs that browsers do not play: the
//! action for each stream, and ffmpeg's arguments.
//!
//! Streams that an MP4 may contain are copied, which takes seconds; the others are encoded, and so is audio
//! that browsers play in files but not in segments. Subtitles become files of their own, since cues of an
//! MP4 must not overlap. Streams without a place are dropped, with a reason.

use std::{ffi::OsString, path::Path};

use super::{audio, encode::Arguments, remux_description::RemuxedText};
use crate::{
    package::text::SubtitleFormat,
    transcode::ffmpeg::probe_report::{ProbeReport, Stream},
};

/// The file name of a remuxed movie in its artifact.
pub const REMUX_FILE: &str = "movie.mp4";

/// Version of the remuxed movie. Increase it with every change of the output, since artifacts are kept by
/// key.
pub const FORMAT_VERSION: u64 = 2;

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
        /// One, two or six.
        channels: u32,
    },
}

/// Subtitles that ffmpeg writes into a file of their own, in a format that keeps overlapping cues.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TextStream {
    /// Their number in the file.
    pub index: u32,
    /// The format that ffmpeg writes.
    pub format: SubtitleFormat,
    /// Whether ffmpeg converts them into that format.
    pub is_converted: bool,
    /// Their description; its file is the WebVTT that is made of what ffmpeg writes.
    pub text: RemuxedText,
    /// Their name in messages.
    pub name: String,
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
    /// The streams of the movie by their number in the file: video, audio.
    pub streams: Vec<(u32, StreamAction)>,
    /// The subtitles.
    pub texts: Vec<TextStream>,
    /// For each audio stream of the movie, its language as the file has it.
    pub audio_languages: Vec<Option<String>>,
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
        let mut plan = Self {
            streams: Vec::new(),
            texts: Vec::new(),
            audio_languages: Vec::new(),
            dropped: Vec::new(),
        };
        for stream in &report.streams {
            if let Err(reason) = plan.add(report, stream) {
                plan.dropped.push(DroppedStream { index: stream.index, reason });
            }
        }
        if plan.streams.is_empty() {
            return Err(NoPlayableStream);
        }
        // The usual order of tracks.
        plan.streams.sort_by_key(|(_, action)| match action {
            StreamAction::CopyVideo { .. } | StreamAction::EncodeVideo { .. } => 0,
            StreamAction::CopyAudio | StreamAction::EncodeAudio { .. } => 1,
        });
        Ok(plan)
    }

    /// Adds a stream, or returns the reason to drop it.
    fn add(&mut self, report: &ProbeReport, stream: &Stream) -> Result<(), String> {
        let name = stream.name();
        // The streams of another program would be a second language of the first.
        let is_other = report.main_program().is_some_and(|main| !main.contains(stream.index));
        let mut programs = report.programs.iter().filter(|_| is_other);
        if let Some(other) = programs.find(|program| program.contains(stream.index)) {
            let program = other.name();
            return Err(format!("{name} belongs to another program of the file ({program})"));
        }
        match &*stream.kind {
            "video" if stream.is_cover() => return Err(format!("{name} is cover art")),
            "video" if self.has_video() => {
                return Err(format!("{name}: only one video stream is kept"));
            }
            "video" => self.streams.push((stream.index, choose_video(report, stream)?)),
            "audio" => {
                self.streams.push((stream.index, choose_audio(stream)?));
                self.audio_languages.push(stream.language().map(str::to_owned));
            }
            "subtitle" => {
                let (format, is_converted) = choose_text(stream)?;
                self.texts.push(TextStream {
                    index: stream.index,
                    format,
                    is_converted,
                    text: describe_text(stream, self.texts.len() + 1),
                    name,
                });
            }
            kind => return Err(format!("{name} is neither video, audio nor text ({kind})")),
        }
        Ok(())
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

    /// ffmpeg's arguments to convert the file `input` to the movie and the [files](TextStream::source_file)
    /// of subtitles in `folder`.
    pub fn arguments(&self, input: &Path, folder: &Path, threads: u32) -> Vec<OsString> {
        let threads = threads.max(1).to_string();
        let mut arguments = Arguments::default();
        arguments.add("-threads", &threads);
        // For files with decode timestamps only.
        arguments.add("-fflags", "+genpts");
        arguments.input(input);
        for (index, _) in &self.streams {
            arguments.add("-map", &format!("0:{index}"));
        }
        arguments.add("-map_chapters", "0");
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
        arguments.0.push(folder.join(REMUX_FILE).into());
        for text in &self.texts {
            text.add_to(&mut arguments, folder);
        }
        arguments.0
    }
}

impl TextStream {
    /// The name of the file that ffmpeg writes.
    pub fn source_file(&self) -> String {
        format!("{}.source", self.text.file)
    }

    /// Adds the output of these subtitles.
    fn add_to(&self, arguments: &mut Arguments, folder: &Path) {
        let muxer = match self.format {
            SubtitleFormat::Ass => "ass",
            SubtitleFormat::Srt => "srt",
            SubtitleFormat::WebVtt => "webvtt",
        };
        arguments.add("-map", &format!("0:{}", self.index));
        arguments.add("-map_chapters", "-1");
        arguments.add("-c", if self.is_converted { "webvtt" } else { "copy" });
        arguments.add("-f", muxer);
        arguments.0.push(folder.join(self.source_file()).into());
    }
}

/// The format that ffmpeg writes, and whether it converts the stream into that format.
fn choose_text(stream: &Stream) -> Result<(SubtitleFormat, bool), String> {
    let (name, codec) = (stream.name(), &*stream.codec);
    match codec {
        "ass" | "ssa" => Ok((SubtitleFormat::Ass, false)),
        "subrip" | "srt" => Ok((SubtitleFormat::Srt, false)),
        "webvtt" => Ok((SubtitleFormat::WebVtt, false)),
        "mov_text" | "text" | "subviewer" | "microdvd" | "sami" => {
            Ok((SubtitleFormat::WebVtt, true))
        }
        "hdmv_pgs_subtitle" | "dvd_subtitle" | "dvb_subtitle" | "xsub" => {
            Err(format!("{name}: these subtitles are images ({codec})"))
        }
        _ => Err(format!("{name}: subtitles of this format ({codec}) are not converted")),
    }
}

/// The description of the subtitles with this number.
fn describe_text(stream: &Stream, number: usize) -> RemuxedText {
    RemuxedText {
        file: format!("text-{number}.vtt"),
        language: stream.language().map(str::to_owned),
        name: stream.tag("title").map(str::to_owned),
        is_default: stream.has_flag("default"),
        is_forced: stream.has_flag("forced"),
        is_hearing_impaired: stream.has_flag("hearing_impaired"),
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

/// ffmpeg's names of the channels of AAC that a channel configuration tells (ISO/IEC 14496-3, table 1.19).
/// The others need a program config element, which browsers refuse in segments.
const CONFIGURED_LAYOUTS: [&str; 10] = [
    "mono",
    "stereo",
    "3.0",
    "4.0",
    "5.0",
    "5.1",
    "6.1(back)",
    "7.1",
    "7.1(wide)",
    "7.1(wide-side)",
];

fn choose_audio(stream: &Stream) -> Result<StreamAction, String> {
    let channels = stream.channels.unwrap_or(2);
    let has_layout = |layout: &str| CONFIGURED_LAYOUTS.contains(&layout);
    let is_configured = stream.channel_layout.as_deref().map_or(channels <= 2, has_layout);
    match &*stream.codec {
        "aac" if is_configured => Ok(StreamAction::CopyAudio),
        "aac" if channels >= 6 => Ok(StreamAction::EncodeAudio { channels: 6 }),
        // Not MP3: browsers play it in an MP4 file, and not in segments.
        "opus" | "flac" => Ok(StreamAction::CopyAudio),
        "" | "none" | "unknown" => Err(format!("{}: unknown codec", stream.name())),
        _ => Ok(StreamAction::EncodeAudio { channels: channels.clamp(1, 2) }),
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
                add("-filter", &format!("aformat=channel_layouts={}", audio::layout(*channels)));
                add("-b", &audio::bit_rate(*channels).to_string());
            }
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
            ]
        );
        let texts: Vec<_> = plan.texts.iter().map(|text| (text.index, &*text.text.file)).collect();
        assert_eq!(texts, [(0, "text-1.vtt")]);
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
