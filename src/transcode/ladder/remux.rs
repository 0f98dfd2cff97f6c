//! A file that is no movie yet, or one that browsers do not play, as a movie: what becomes of each of
//! its streams, and what ffmpeg is told.
//!
//! What can stay as it is is copied, which takes seconds; the rest is encoded. What has no place in a
//! movie is left out, and named.

use std::{ffi::OsString, path::Path};

use super::{
    audio,
    encode::Arguments,
    report::{Report, Stream},
};

/// Version of how a movie is made of a file. Whatever makes it another movie must change this, since
/// what was made is kept under its name.
pub const FORMAT_VERSION: u64 = 1;

/// Ticks per second of pictures whose own do not suit a movie.
const USUAL_TIMESCALE: u32 = 90_000;

/// Containers that say of a picture when it is decoded, and not when it is shown.
const WITHOUT_SHOWN_TIMES: [&str; 1] = ["avi"];

/// What becomes of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Pictures stay as they are.
    CopyPictures {
        /// HEVC goes by another name where Apple's players look for it.
        is_hevc: bool,
    },
    /// Pictures become H.264.
    EncodePictures {
        /// Two fields become one picture.
        is_interlaced: bool,
        /// High dynamic range becomes standard.
        is_high_range: bool,
        /// Ticks per second.
        timescale: u32,
    },
    /// Sound stays as it is.
    CopySound,
    /// Sound becomes AAC, with as many voices.
    EncodeSound {
        /// One or two.
        channels: u32,
    },
    /// Subtitles become a text track.
    ConvertText,
}

/// A stream that is left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Its number.
    pub index: u32,
    /// Which it is, and why it is left out: a sentence for people.
    pub why: String,
}

/// How a file becomes a movie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remux {
    /// The streams that the movie has, by their numbers in the file: pictures, sound, text.
    pub streams: Vec<(u32, Fate)>,
    /// Those that it has not.
    pub left_out: Vec<LeftOut>,
}

/// The file has neither pictures nor sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the file has neither pictures nor sound")]
pub struct NothingToPlay;

impl Remux {
    /// What becomes of a file.
    ///
    /// # Errors
    /// If there is nothing in it that could be played.
    pub fn of(report: &Report) -> Result<Self, NothingToPlay> {
        let mut remux = Self { streams: Vec::new(), left_out: Vec::new() };
        for stream in &report.streams {
            match remux.fate(report, stream) {
                Ok(fate) => remux.streams.push((stream.index, fate)),
                Err(why) => remux.left_out.push(LeftOut { index: stream.index, why }),
            }
        }
        let is_played = |fate: &Fate| *fate != Fate::ConvertText;
        if !remux.streams.iter().any(|(_, fate)| is_played(fate)) {
            return Err(NothingToPlay);
        }
        // As players expect them: pictures, sound, text.
        remux.streams.sort_by_key(|(_, fate)| match fate {
            Fate::CopyPictures { .. } | Fate::EncodePictures { .. } => 0,
            Fate::CopySound | Fate::EncodeSound { .. } => 1,
            Fate::ConvertText => 2,
        });
        Ok(remux)
    }

    fn fate(&self, report: &Report, stream: &Stream) -> Result<Fate, String> {
        let (name, codec) = (stream.name(), &*stream.codec);
        match &*stream.kind {
            "video" if stream.is_cover() => Err(format!("{name} is a cover")),
            "video" if self.has_pictures() => Err(format!("{name}: a movie has pictures once")),
            "video" => pictures(report, stream),
            "audio" => audio(stream),
            "subtitle" => match codec {
                "subrip" | "srt" | "ass" | "ssa" | "webvtt" | "mov_text" | "text" | "subviewer"
                | "microdvd" | "sami" => Ok(Fate::ConvertText),
                "hdmv_pgs_subtitle" | "dvd_subtitle" | "dvb_subtitle" | "xsub" => {
                    Err(format!("{name}: these subtitles are pictures ({codec})"))
                }
                _ => Err(format!("{name}: subtitles of this kind ({codec}) are not converted")),
            },
            kind => Err(format!("{name} is neither seen nor heard ({kind})")),
        }
    }

    fn has_pictures(&self) -> bool {
        let is_pictures =
            |fate: &Fate| matches!(fate, Fate::CopyPictures { .. } | Fate::EncodePictures { .. });
        self.streams.iter().any(|(_, fate)| is_pictures(fate))
    }

    /// Whether pictures have to be encoded: minutes or hours instead of seconds.
    pub fn encodes_pictures(&self) -> bool {
        self.streams.iter().any(|(_, fate)| matches!(fate, Fate::EncodePictures { .. }))
    }

    /// The arguments by which ffmpeg makes the movie `output` of the file `input`.
    pub fn arguments(&self, input: &Path, output: &str, threads: u32) -> Vec<OsString> {
        let threads = threads.max(1).to_string();
        let mut arguments = Arguments::default();
        arguments.add("-threads", &threads);
        // Files that say only when pictures are decoded.
        arguments.add("-fflags", "+genpts");
        arguments.input(input);
        for (index, _) in &self.streams {
            arguments.add("-map", &format!("0:{index}"));
        }
        arguments.add("-map_chapters", "-1");
        arguments.add("-filter_threads", &threads);
        for (place, (_, fate)) in self.streams.iter().enumerate() {
            fate.add(&mut arguments, place, &threads);
        }
        // Late sound must not stop what is in step.
        arguments.add("-max_muxing_queue_size", "4096");
        arguments.add("-movflags", "+faststart");
        // FLAC in MP4 is experimental, says ffmpeg 5, and browsers play it.
        arguments.add("-strict", "experimental");
        arguments.add("-f", "mp4");
        arguments.flag(output);
        arguments.0
    }
}

fn pictures(report: &Report, stream: &Stream) -> Result<Fate, String> {
    // When a picture is shown cannot be told without decoding.
    let is_out_of_order = report.is_in(&WITHOUT_SHOWN_TIMES) && stream.has_b_frames > 0;
    let is_copied = matches!(&*stream.codec, "h264" | "hevc" | "av1" | "vp9");
    if is_copied && !is_out_of_order {
        return Ok(Fate::CopyPictures { is_hevc: stream.codec == "hevc" });
    }
    if stream.codec.is_empty() || stream.codec == "none" || stream.codec == "unknown" {
        return Err(format!("{}: its codec is not known", stream.name()));
    }
    Ok(Fate::EncodePictures {
        is_interlaced: stream.is_interlaced(),
        is_high_range: stream.is_high_range(),
        timescale: timescale(&stream.time_base),
    })
}

/// The ticks of the file, so that every time is exact, if there are enough of them and not too many.
fn timescale(time_base: &str) -> u32 {
    let ticks = time_base.split_once('/').and_then(|(_, ticks)| ticks.parse().ok());
    ticks.filter(|ticks| (10_000..=1_000_000).contains(ticks)).unwrap_or(USUAL_TIMESCALE)
}

fn audio(stream: &Stream) -> Result<Fate, String> {
    match &*stream.codec {
        "aac" | "mp3" | "opus" | "flac" => Ok(Fate::CopySound),
        "" | "none" | "unknown" => Err(format!("{}: its codec is not known", stream.name())),
        _ => Ok(Fate::EncodeSound { channels: stream.channels.unwrap_or(2).clamp(1, 2) }),
    }
}

impl Fate {
    /// Adds what is to be done with the stream that is the `place`th of the movie.
    fn add(&self, arguments: &mut Arguments, place: usize, threads: &str) {
        let mut add = |name: &str, value: &str| arguments.add(&format!("{name}:{place}"), value);
        match self {
            Self::CopyPictures { is_hevc } => {
                add("-c", "copy");
                if *is_hevc {
                    add("-tag", "hvc1");
                }
            }
            Self::EncodePictures { is_interlaced, is_high_range, timescale } => {
                add("-c", "libx264");
                add("-preset", "veryfast");
                add("-crf", "21");
                add("-threads", threads);
                add("-filter", &picture_filters(*is_interlaced, *is_high_range));
                add("-force_key_frames", "expr:gte(t,n_forced*2)");
                add("-forced-idr", "1");
                add("-fps_mode", "vfr");
                add("-enc_time_base", &format!("1:{timescale}"));
                arguments.add("-video_track_timescale", &timescale.to_string());
            }
            Self::CopySound => add("-c", "copy"),
            Self::EncodeSound { channels } => {
                add("-c", "aac");
                add("-ac", &channels.to_string());
                add("-b", &audio::bit_rate(*channels).to_string());
            }
            Self::ConvertText => add("-c", "mov_text"),
        }
    }
}

/// Pictures of even size, of square pixels and of 8 bits.
fn picture_filters(is_interlaced: bool, is_high_range: bool) -> String {
    let mut filters = Vec::new();
    if is_interlaced {
        // Only those that say that they are: many films are flagged as a whole that are not.
        filters.push("yadif=deint=interlaced");
    }
    filters.push("scale=trunc(iw*sar/2)*2:trunc(ih/2)*2:flags=bicubic");
    filters.push("setsar=1");
    if is_high_range {
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

    fn remux(container: &str, streams: &str) -> Result<Remux, NothingToPlay> {
        let json = format!(r#"{{"streams":[{streams}],"format":{{"format_name":"{container}"}}}}"#);
        Remux::of(&Report::read(json.as_bytes()).expect("a report"))
    }

    #[test]
    fn what_browsers_play_is_copied_and_the_rest_is_encoded_or_left_out() {
        let made = remux(
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
        let made = made.expect("a movie");
        assert_eq!(
            made.streams,
            [
                (3, Fate::CopyPictures { is_hevc: true }),
                (1, Fate::EncodeSound { channels: 2 }),
                (4, Fate::CopySound),
                (0, Fate::ConvertText),
            ]
        );
        let left_out: Vec<_> = made.left_out.iter().map(|left| &*left.why).collect();
        assert_eq!(
            left_out,
            [
                "stream 2 is a cover",
                "Signs: these subtitles are pictures (hdmv_pgs_subtitle)",
                "stream 6 is neither seen nor heard (attachment)",
            ]
        );
        assert!(!made.encodes_pictures());
    }

    #[test]
    fn pictures_whose_order_is_not_told_are_encoded() {
        let with = |container, b_frames| {
            let stream = format!(
                r#"{{"index":0,"codec_type":"video","codec_name":"h264","has_b_frames":{b_frames}}}"#
            );
            remux(container, &stream).expect("a movie").encodes_pictures()
        };
        assert!(with("avi", 2));
        assert!(!with("avi", 0));
        assert!(!with("mpegts", 2));
    }

    #[test]
    fn a_file_without_anything_to_play_is_refused() {
        let text = r#"{"index":0,"codec_type":"subtitle","codec_name":"subrip"}"#;
        assert_eq!(remux("srt", text), Err(NothingToPlay));
        assert_eq!(remux("", ""), Err(NothingToPlay));
        let unknown = r#"{"index":0,"codec_type":"video"}"#;
        assert_eq!(remux("avi", unknown), Err(NothingToPlay));
    }

    #[test]
    fn ticks_of_the_file_are_kept_where_they_suit() {
        for (time_base, expected) in
            [("1001/24000", 24_000), ("1/1000", 90_000), ("1/90000", 90_000), ("", 90_000)]
        {
            assert_eq!(timescale(time_base), expected, "{time_base}");
        }
    }
}
