//! The table of players: which formats each one plays.
//!
//! Sources are the makers' publications (WebKit's and Mozilla's release notes, Chromium's source, Apple's
//! "HLS Authoring Specification", Android's "Supported media formats" and Media3's list, Roku's "Streaming
//! specifications") and issue trackers. Of these players the tests run Chromium and Firefox. Where a maker
//! publishes nothing, or devices differ, the table has [`Support::Depends`] with the condition. The table is
//! about what Headwater sends, which is MP4 even if the source is a QuickTime file.

use crate::movie::codec::{Chroma, Codec, Media, SampleEntry};

/// The month of the player data.
pub(super) const AS_OF: &str = "2026-11";

/// The browsers that nearly everybody has on a desktop: what both play is commonly played.
pub(super) const COMMON_BROWSERS: [&str; 2] = ["Chrome", "Firefox"];

/// A class of formats that players treat alike.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Format {
    /// 8 bits, 4:2:0.
    H264,
    /// Higher bit depth or chroma resolution.
    H264Deep,
    /// Up to 10 bits, 4:2:0.
    Hevc,
    /// Higher bit depth or chroma resolution.
    HevcDeep,
    /// Dolby Vision without a compatible base layer (profile 5).
    DolbyVision,
    Av1,
    Vp9,
    Vp8,
    Mpeg4Visual,
    /// MPEG-1 and MPEG-2.
    MpegVideo,
    MotionJpeg,
    ProRes,
    OtherVideo,
    /// AAC-LC, HE-AAC and HE-AAC v2.
    Aac,
    /// The same, without a channel configuration: a program config element tells the channels.
    AacProgramConfig,
    XHeAac,
    Mp3,
    Opus,
    Flac,
    Alac,
    Ac3,
    Eac3,
    Dts,
    Pcm,
    OtherAudio,
    /// Any encrypted format.
    Encrypted,
}

impl Format {
    /// The format of a sample entry; `None` for tracks that are neither video nor audio.
    pub(super) fn from_entry(entry: &SampleEntry) -> Option<Self> {
        if entry.encryption.is_some() {
            let is_media = matches!(entry.media, Media::Video(_) | Media::Audio(_));
            return is_media.then_some(Self::Encrypted);
        }
        match &entry.media {
            Media::Video(video) => {
                let bits = video.bit_depth.unwrap_or(8);
                let is_plain =
                    matches!(video.chroma, None | Some(Chroma::C420 | Chroma::Monochrome));
                let vision = video.dolby_vision.as_ref();
                Some(match entry.codec {
                    _ if vision.is_some_and(|vision| vision.profile == 5) => Self::DolbyVision,
                    Codec::H264 if bits <= 8 && is_plain => Self::H264,
                    Codec::H264 => Self::H264Deep,
                    Codec::Hevc if bits <= 10 && is_plain => Self::Hevc,
                    Codec::Hevc => Self::HevcDeep,
                    Codec::Av1 => Self::Av1,
                    Codec::Vp9 => Self::Vp9,
                    Codec::Vp8 => Self::Vp8,
                    Codec::Mpeg4Visual => Self::Mpeg4Visual,
                    Codec::Mpeg2Video | Codec::Mpeg1Video => Self::MpegVideo,
                    Codec::MotionJpeg => Self::MotionJpeg,
                    Codec::ProRes => Self::ProRes,
                    _ => Self::OtherVideo,
                })
            }
            Media::Audio(audio) => Some(match entry.codec {
                Codec::Aac | Codec::HeAac | Codec::HeAacV2 if audio.has_program_config => {
                    Self::AacProgramConfig
                }
                Codec::Aac | Codec::HeAac | Codec::HeAacV2 => Self::Aac,
                Codec::XHeAac => Self::XHeAac,
                Codec::Mp3 => Self::Mp3,
                Codec::Opus => Self::Opus,
                Codec::Flac => Self::Flac,
                Codec::Alac => Self::Alac,
                Codec::Ac3 => Self::Ac3,
                Codec::Eac3 => Self::Eac3,
                Codec::Dts => Self::Dts,
                Codec::Pcm => Self::Pcm,
                _ => Self::OtherAudio,
            }),
            Media::Text | Media::Other => None,
        }
    }
}

/// Support of a player for a format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Support {
    /// Plays.
    Yes,
    /// Plays under this condition.
    Depends(&'static str),
    /// Does not play.
    No,
}
use Support::{Depends, No, Yes};

/// Support for a format: in one MP4 file, and in segments of HLS and DASH.
pub(super) type Row = [Support; 2];

/// A player.
#[derive(Clone, Copy, Debug)]
pub(super) struct Player {
    /// Name of the player.
    pub(super) name: &'static str,
    /// Versions that the table applies to.
    pub(super) versions: &'static str,
    /// Support for HLS, and the requirements.
    pub(super) hls: (Support, &'static str),
    /// Support for DASH, and the requirements.
    pub(super) dash: (Support, &'static str),
    /// Support for a format.
    pub(super) row: fn(Format) -> Row,
}

/// All players.
pub(super) const PLAYERS: [Player; 5] = [
    Player {
        name: "Safari",
        versions: "17 or later, macOS and iOS",
        hls: (Yes, ""),
        dash: (
            Depends("on an iPhone it needs iOS 17.1 or later (Managed Media Source)"),
            "with a library such as dash.js or Shaka Player",
        ),
        row: safari,
    },
    Player {
        name: "Chrome",
        versions: "120 or later, desktop and Android; Edge is similar",
        hls: (Yes, "with hls.js; natively from version 142 on, with open bug reports"),
        dash: (Yes, "with a library such as dash.js or Shaka Player"),
        row: chrome,
    },
    Player {
        name: "Firefox",
        versions: "128 or later, desktop",
        hls: (Yes, "with hls.js"),
        dash: (Yes, "with a library such as dash.js or Shaka Player"),
        row: firefox,
    },
    Player {
        name: "Android",
        versions: "8 or later, ExoPlayer (Media3 1.4 or later)",
        hls: (Yes, ""),
        dash: (Yes, ""),
        row: android,
    },
    Player { name: "Roku", versions: "OS 12 or later", hls: (Yes, ""), dash: (Yes, ""), row: roku },
];

const RARE: &str = "on the device; few have a decoder";
const UNPUBLISHED: &str = "on the device; the maker publishes nothing";

/// AVFoundation: the browser plays what the system plays.
fn safari(format: Format) -> Row {
    const AV1: Support = Depends("on a hardware decoder: M3, A17 Pro and later");
    const VP9: &str =
        "on the device, from Safari 14 on; absent from Apple's HLS authoring specification";
    match format {
        Format::H264 | Format::Hevc | Format::DolbyVision => [Yes, Yes],
        Format::H264Deep => [No, No],
        Format::HevcDeep => [Depends("on a hardware decoder: Apple silicon"); 2],
        Format::Av1 => [AV1, AV1],
        Format::Vp9 => [Depends(VP9), Depends(VP9)],
        Format::Vp8 => [No, No],
        Format::Mpeg4Visual => [Depends("on size and profile: small and Simple Profile"), No],
        Format::MpegVideo => [No, No],
        Format::MotionJpeg => [Depends(UNPUBLISHED), No],
        Format::ProRes => [Depends("on the device: Macs, and iPhones from 13 Pro on"), No],
        Format::Aac | Format::XHeAac => [Yes, Yes],
        Format::AacProgramConfig => [Yes, Depends("on the player: native HLS, not a library")],
        Format::Flac | Format::Alac | Format::Ac3 | Format::Eac3 => [Yes, Yes],
        // Media Source of Safari 17 refuses mp4a.40.34 (hls.js#6125).
        Format::Mp3 => [Yes, Depends("on the player: native HLS plays it, a library does not")],
        Format::Opus => {
            [Yes, Depends("on the version: absent from Apple's HLS authoring specification")]
        }
        Format::Pcm => {
            [Depends("on the sample format: most likely little-endian, 16 or 24 bits"), No]
        }
        Format::Dts | Format::OtherVideo | Format::OtherAudio | Format::Encrypted => [No, No],
    }
}

/// Built-in decoders; HEVC and xHE-AAC use those of the system. Only builds for televisions have AC-3, and
/// Edge where the system has it.
fn chrome(format: Format) -> Row {
    match format {
        Format::H264 | Format::Av1 | Format::Vp9 => [Yes, Yes],
        Format::H264Deep => [Depends("on the profile: 10 bits on desktops, in software"); 2],
        Format::Hevc => [Depends("on a hardware decoder, or that of macOS or Android"); 2],
        Format::HevcDeep => [Depends(RARE); 2],
        Format::Aac | Format::Opus | Format::Flac => [Yes, Yes],
        // Media Source has MP3 in its own container only (chromium 489520), and needs a channel
        // configuration; both tested.
        Format::Mp3 | Format::AacProgramConfig => [Yes, No],
        Format::XHeAac => [Depends("on the system: Android 9, macOS, Windows 11"); 2],
        Format::Pcm => [Depends("on the sample format: nothing is published for MP4"), No],
        Format::DolbyVision => [Depends(RARE); 2],
        Format::Vp8
        | Format::Mpeg4Visual
        | Format::MpegVideo
        | Format::MotionJpeg
        | Format::ProRes
        | Format::OtherVideo
        | Format::Alac
        | Format::Ac3
        | Format::Eac3
        | Format::Dts
        | Format::OtherAudio
        | Format::Encrypted => [No, No],
    }
}

/// Decoders of the system for H.264, HEVC and AAC.
fn firefox(format: Format) -> Row {
    const HEVC: &str =
        "on version and hardware: Windows from 134 on, macOS from 136, Linux from 137";
    match format {
        Format::H264 | Format::Av1 | Format::Vp9 => [Yes, Yes],
        Format::H264Deep => [Depends("on the decoder of the system; Windows has none"); 2],
        Format::Hevc => [Depends(HEVC); 2],
        Format::HevcDeep => [Depends(RARE); 2],
        Format::Aac | Format::Opus | Format::Flac => [Yes, Yes],
        // Its Media Source knows "mp3", and no library translates mp4a.40.34 reliably (hls.js#2409).
        Format::Mp3 => [Yes, Depends("on the library: Media Source knows it as mp3 only")],
        Format::AacProgramConfig => [Depends("on the decoder of the system"); 2],
        Format::XHeAac => [Depends("on version and system; old ones have no decoder"); 2],
        Format::DolbyVision
        | Format::Vp8
        | Format::Mpeg4Visual
        | Format::MpegVideo
        | Format::MotionJpeg
        | Format::ProRes
        | Format::OtherVideo
        | Format::Alac
        | Format::Ac3
        | Format::Eac3
        | Format::Dts
        | Format::Pcm
        | Format::OtherAudio
        | Format::Encrypted => [No, No],
    }
}

/// MediaCodec: decoders of the device, and those that an application adds.
fn android(format: Format) -> Row {
    const PASSTHROUGH: &str = "on the device, or on passthrough to an audio receiver";
    match format {
        Format::H264 | Format::Vp9 | Format::Vp8 => [Yes, Yes],
        Format::Hevc => [Depends("on the device: nearly all, but few old ones with 10 bits"); 2],
        Format::H264Deep | Format::HevcDeep => [Depends(RARE); 2],
        Format::DolbyVision => [Depends("on a Dolby Vision decoder"); 2],
        Format::Av1 => {
            [Depends("on the device: Android 10 or later, fast enough with a hardware decoder"); 2]
        }
        Format::Mpeg4Visual => [Depends("on the device: Simple Profile"), No],
        Format::MpegVideo => [Depends("on the device: televisions"), No],
        Format::Aac | Format::Mp3 | Format::Opus | Format::Flac => [Yes, Yes],
        Format::AacProgramConfig => [Depends("on the version of the player (ExoPlayer#7770)"); 2],
        Format::XHeAac => [Depends("on Android 9 or later"); 2],
        Format::Alac => [Depends("on the application: it needs the FFmpeg extension"); 2],
        Format::Ac3 | Format::Eac3 => [Depends(PASSTHROUGH); 2],
        Format::Dts => [Depends(PASSTHROUGH), No],
        Format::Pcm => [Yes, No],
        Format::MotionJpeg
        | Format::ProRes
        | Format::OtherVideo
        | Format::OtherAudio
        | Format::Encrypted => [No, No],
    }
}

/// "Streaming specifications" names AVC and HEVC in MP4, with AAC, AC-3, E-AC-3, ALAC, MP3 and PCM.
fn roku(format: Format) -> Row {
    const PASSTHROUGH: &str = "on passthrough to an audio receiver";
    const NEW: &str = "on the model: some with 4K";
    match format {
        Format::H264 => [Yes, Yes],
        Format::Hevc => [Depends("on the model: those with 4K"); 2],
        Format::Av1 => [Depends(NEW); 2],
        Format::Vp9 => [Depends(NEW); 2],
        Format::DolbyVision => [Depends("on the model: those with Dolby Vision"); 2],
        Format::H264Deep | Format::HevcDeep => [Depends(RARE); 2],
        Format::Aac => [Yes, Yes],
        Format::Ac3 | Format::Eac3 => [Depends(PASSTHROUGH); 2],
        Format::Mp3 => [Yes, Depends(UNPUBLISHED)],
        Format::Alac | Format::Pcm => [Yes, No],
        Format::Flac | Format::Opus | Format::AacProgramConfig => [Depends(UNPUBLISHED); 2],
        Format::XHeAac
        | Format::Vp8
        | Format::Mpeg4Visual
        | Format::MpegVideo
        | Format::MotionJpeg
        | Format::ProRes
        | Format::OtherVideo
        | Format::Dts
        | Format::OtherAudio
        | Format::Encrypted => [No, No],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_264_with_aac_plays_everywhere() {
        for player in PLAYERS {
            for format in [Format::H264, Format::Aac] {
                assert_eq!((player.row)(format), [Yes, Yes], "{} {format:?}", player.name);
            }
            assert_ne!(player.hls.0, No, "{}", player.name);
        }
    }

    #[test]
    fn encrypted_formats_play_nowhere() {
        for player in PLAYERS {
            assert_eq!((player.row)(Format::Encrypted), [No, No], "{}", player.name);
        }
    }

    #[test]
    fn hevc_plays_in_safari_and_depends_elsewhere() {
        let support = |name: &str| {
            let player = PLAYERS.iter().find(|player| player.name == name).expect("a player");
            (player.row)(Format::Hevc)[1]
        };
        assert_eq!(support("Safari"), Yes);
        for name in ["Chrome", "Firefox", "Android", "Roku"] {
            assert!(matches!(support(name), Depends(_)), "{name}");
        }
    }
}
