//! What ffmpeg is told to encode one piece of a film.
//!
//! It reads the film with the times that stand in the file, edit list or not, from the piece's key frame
//! on, and takes the pictures of the piece by these times. So no picture is lost at a seam or comes
//! twice, whatever the rate is and whether there is one; and each keeps its time to a tick, counted from
//! the first of the piece.

use std::{ffi::OsString, path::Path};

use super::{
    chunks::{Chunk, Chunks},
    spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
};
use crate::movie::codec::VideoRange;

/// What a rendition is made with, but for the film.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encoder {
    /// What is made.
    pub rendition: RenditionSpec,
    /// What becomes of colours.
    pub colours: Colours,
    /// How many threads ffmpeg has, to decode and to encode.
    pub threads: u32,
    /// Where decoding begins.
    pub start: Start,
}

/// Where decoding begins for a piece.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Start {
    /// At its own key frame.
    #[default]
    KeyFrame,
    /// At the one before, which is to be tried when pictures are missing: ffmpeg's decoder of H.264 loses
    /// some behind a key frame that pictures before it refer to, if nothing says when they are right.
    Earlier,
}

/// What becomes of colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colours {
    /// They stay as they are, of 8 bits.
    Standard,
    /// They stay as they are, of high dynamic range and 10 bits.
    High,
    /// High dynamic range becomes standard. Needs `zscale` in ffmpeg.
    HighToStandard,
}

impl Colours {
    /// What suits pictures and a codec: H.264 of 10 bits is played by nobody.
    pub fn of(pictures: &VideoTrack, coding: VideoCodec) -> Self {
        match (pictures.range, coding) {
            (VideoRange::Sdr, _) => Self::Standard,
            (_, VideoCodec::H264) => Self::HighToStandard,
            (_, VideoCodec::Hevc | VideoCodec::Av1) => Self::High,
        }
    }

    fn pixel_format(self) -> &'static str {
        match self {
            Self::Standard | Self::HighToStandard => "yuv420p",
            Self::High => "yuv420p10le",
        }
    }
}

/// The arguments by which ffmpeg encodes one piece of the film `input` into the file `output`.
pub fn arguments(
    input: &Path,
    film: &Chunks,
    piece: &Chunk,
    encoder: &Encoder,
    output: &str,
) -> Vec<OsString> {
    let threads = encoder.threads.max(1).to_string();
    let timescale = film.timescale.to_string();
    let mut arguments = Arguments::default();
    arguments.add("-threads", &threads);
    arguments.add("-ignore_editlist", "1");
    arguments.flag("-copyts");
    let seek = match encoder.start {
        Start::KeyFrame => piece.seek,
        Start::Earlier => piece.seek_earlier,
    };
    if let Some(seek) = seek.filter(|seek| *seek > 0) {
        arguments.flag("-noaccurate_seek");
        arguments.add("-seek_timestamp", "1");
        arguments.add("-ss", &seconds(seek, film));
    }
    arguments.input(input);
    arguments.add("-map", &format!("0:i:{}", film.track));
    arguments.add("-map_metadata", "-1");
    arguments.add("-filter_threads", &threads);
    arguments.add("-vf", &filters(film, piece, encoder));
    arguments.add("-fps_mode", "passthrough");
    arguments.add("-enc_time_base", &format!("1:{timescale}"));
    codec(&mut arguments, encoder, &threads);
    if !piece.key_frames.is_empty() {
        let times = piece.key_frames.iter().map(|time| seconds(time - piece.first, film));
        arguments.add("-force_key_frames", &times.collect::<Vec<_>>().join(","));
    }
    arguments.add("-video_track_timescale", &timescale);
    arguments.add("-f", "mp4");
    arguments.flag(output);
    arguments.0
}

/// Arguments, one after the other.
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

    /// A file. Whoever runs ffmpeg sees to it that its name is not taken for an address.
    pub(super) fn input(&mut self, path: &Path) {
        self.flag("-i");
        self.0.push(path.into());
    }
}

/// Ticks as seconds with microseconds, rounded down: ffmpeg forces a key frame at the first picture that
/// is not before, and picks the tick that is nearest.
fn seconds(ticks: i64, film: &Chunks) -> String {
    let us = i128::from(ticks) * 1_000_000 / i128::from(film.timescale.get());
    let us = us.max(0);
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// The pictures of the piece and no other, counted from the first; in the size and the colours that are
/// wanted.
fn filters(film: &Chunks, piece: &Chunk, encoder: &Encoder) -> String {
    let Encoder { rendition, colours, .. } = encoder;
    let (start, end) = (raw(piece.first, film), raw(piece.end, film));
    let (width, height) = (rendition.width, rendition.height);
    let mut filters = format!("trim=start_pts={start}:end_pts={end},setpts=PTS-({start})");
    filters += &match colours {
        Colours::Standard | Colours::High => format!(",scale={width}:{height}:flags=bicubic"),
        // Light adds up where it is linear, so it is scaled there, too.
        Colours::HighToStandard => format!(
            ",zscale=w={width}:h={height}:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,\
             tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
        ),
    };
    filters + &format!(",setsar=1,format={}", colours.pixel_format())
}

/// A time of the film as it stands in the file.
fn raw(time: i64, film: &Chunks) -> i64 {
    time.saturating_sub(film.shift)
}

/// The codec, and that key frames are where they are forced and nowhere else.
fn codec(arguments: &mut Arguments, encoder: &Encoder, threads: &str) {
    let Encoder { rendition, .. } = encoder;
    let is_quick = rendition.effort == Effort::Quick;
    match rendition.coding {
        VideoCodec::H264 => {
            arguments.add("-c:v", "libx264");
            arguments.add("-preset", if is_quick { "veryfast" } else { "medium" });
            arguments.add("-profile:v", "high");
            // Where scenes change there are intra pictures that nobody seeks to.
            arguments.add("-x264-params", "keyint=infinite:min-keyint=500000000:open-gop=0");
            arguments.add("-forced-idr", "1");
        }
        VideoCodec::Hevc => {
            arguments.add("-c:v", "libx265");
            arguments.add("-preset", if is_quick { "veryfast" } else { "medium" });
            let one = if threads == "1" { ":pools=none:frame-threads=1" } else { "" };
            arguments.add(
                "-x265-params",
                &format!("keyint=-1:min-keyint=100000:open-gop=0:log-level=error{one}"),
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

    fn film(timescale: u32) -> Chunks {
        let timescale = NonZeroU32::new(timescale).expect("ticks");
        Chunks { track: 1, timescale, shift: -2002, from: 0, until: 0, pieces: Vec::new() }
    }

    #[test]
    fn seconds_are_never_later_than_the_ticks() {
        assert_eq!(seconds(1001, &film(24_000)), "0.041708");
        assert_eq!(seconds(24_000, &film(24_000)), "1.000000");
        assert_eq!(seconds(-5, &film(24_000)), "0.000000");
    }

    #[test]
    fn pictures_are_taken_by_the_times_that_stand_in_the_file() {
        let rendition = RenditionSpec {
            coding: VideoCodec::H264,
            effort: Effort::Quick,
            lines: 72,
            width: 128,
            height: 72,
            quality: 23,
            bit_rate_max: 100_000,
            buffer_bits: 200_000,
        };
        let encoder =
            Encoder { rendition, colours: Colours::Standard, threads: 1, start: Start::KeyFrame };
        let piece = Chunk {
            first: 48_048,
            end: 96_096,
            pictures: 48,
            key_frames: vec![72_072],
            seek: Some(50_050),
            seek_earlier: Some(26_026),
        };
        let made = arguments(Path::new("-a:b"), &film(24_000), &piece, &encoder, "piece-2.mp4");
        let made: Vec<_> = made.iter().map(|argument| argument.to_string_lossy()).collect();
        let after = |name: &str| {
            let place = made.iter().position(|argument| argument == name).expect(name);
            &*made[place + 1]
        };
        assert_eq!(after("-i"), "-a:b");
        assert_eq!(after("-ss"), "2.085416");
        assert_eq!(after("-force_key_frames"), "1.001000");
        let filters = after("-vf");
        assert!(filters.starts_with("trim=start_pts=50050:end_pts=98098,setpts=PTS-(50050),"));
        assert_eq!(made.last().expect("a file"), "piece-2.mp4");
    }
}
