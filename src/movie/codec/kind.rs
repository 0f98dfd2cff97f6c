//! The known codecs and their names.

use std::fmt;

use super::FourCc;

/// A codec.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each variant is the codec's name; see Display")]
pub enum Codec {
    H264,
    Hevc,
    Av1,
    Vp9,
    Vp8,
    Mpeg4Visual,
    Mpeg2Video,
    Mpeg1Video,
    MotionJpeg,
    ProRes,
    Aac,
    HeAac,
    HeAacV2,
    XHeAac,
    Mp3,
    Opus,
    Flac,
    Alac,
    Ac3,
    Eac3,
    Dts,
    /// Uncompressed samples, integers or floats, in any byte order.
    Pcm,
    WebVtt,
    Ttml,
    Tx3g,
    QuickTimeText,
    ClosedCaptions,
    VobSub,
    /// Any other, by its sample entry type.
    Other(FourCc),
}

impl Codec {
    /// The codec of a sample entry type without a parsed configuration.
    pub(super) fn from_format(format: FourCc) -> Self {
        match &format.0 {
            b"jpeg" | b"mjpa" | b"mjpb" | b"mjpg" => Self::MotionJpeg,
            b"ap4h" | b"ap4x" | b"apch" | b"apcn" | b"apcs" | b"apco" | b"aprn" | b"aprh" => {
                Self::ProRes
            }
            b"m2v1" | b"mp2v" | b"hdv1" | b"hdv2" | b"hdv3" | b"xdvb" | b"xdvc" | b"xd5b" => {
                Self::Mpeg2Video
            }
            b"mp1v" | b"m1v " | b"m1v1" => Self::Mpeg1Video,
            b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" | b"dtsy" => Self::Dts,
            b"sowt" | b"twos" | b"lpcm" | b"ipcm" | b"fpcm" | b"in24" | b"in32" | b"fl32"
            | b"fl64" | b"NONE" | b"raw " | b"s16l" => Self::Pcm,
            _ => Self::Other(format),
        }
    }

    /// The name of a codec without a variant.
    fn format_name(format: FourCc) -> Option<&'static str> {
        Some(match &format.0 {
            b"alaw" | b"ulaw" => "G.711",
            b"samr" => "AMR",
            b"sawb" => "AMR-WB",
            b"QDM2" | b"QDMC" => "QDesign Music",
            b"ima4" => "IMA ADPCM",
            b"mlpa" => "Dolby TrueHD",
            b"ac-4" => "AC-4",
            b"mha1" | b"mhm1" => "MPEG-H 3D Audio",
            b"AVdn" | b"AVdh" => "DNxHD",
            b"vvc1" | b"vvi1" => "VVC",
            b"s263" | b"h263" => "H.263",
            b"SVQ1" | b"SVQ3" => "Sorenson Video",
            b"cvid" => "Cinepak",
            b"rle " => "QuickTime Animation",
            b"png " => "PNG",
            b"dvc " | b"dvcp" | b"dvpp" | b"dv5n" | b"dv5p" | b"dvh5" | b"dvh6" => "DV",
            b"2vuy" | b"yuv2" | b"v210" | b"v410" => "uncompressed",
            b"vc-1" => "VC-1",
            b"tmcd" => "timecode",
            b"gpmd" => "GoPro telemetry",
            b"camm" => "camera motion",
            b"mebx" | b"mett" | b"metx" | b"urim" => "timed metadata",
            b"rtp " | b"srtp" => "streaming hints",
            _ => return None,
        })
    }

    /// Whether an audio codec keeps no state between frames that a decoder needs: decoding can begin with any
    /// frame, up to a preroll. Frames of xHE-AAC can depend on each other, and of unknown codecs perhaps.
    pub(in crate::movie) fn has_independent_frames(self) -> bool {
        match self {
            Self::Aac | Self::HeAac | Self::HeAacV2 | Self::Mp3 | Self::Opus | Self::Flac => true,
            Self::Alac | Self::Ac3 | Self::Eac3 | Self::Dts | Self::Pcm => true,
            Self::Other(FourCc(format)) => {
                matches!(&format, b"alaw" | b"ulaw" | b"samr" | b"sawb")
            }
            _ => false,
        }
    }

    /// Whether the codec has a name.
    pub(super) fn is_known(self) -> bool {
        match self {
            Self::Other(format) => Self::format_name(format).is_some(),
            _ => true,
        }
    }
}

impl fmt::Display for Codec {
    /// The common name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
            Self::Vp9 => "VP9",
            Self::Vp8 => "VP8",
            Self::Mpeg4Visual => "MPEG-4 Visual",
            Self::Mpeg2Video => "MPEG-2",
            Self::Mpeg1Video => "MPEG-1",
            Self::MotionJpeg => "Motion JPEG",
            Self::ProRes => "ProRes",
            Self::Aac => "AAC",
            Self::HeAac => "HE-AAC",
            Self::HeAacV2 => "HE-AAC v2",
            Self::XHeAac => "xHE-AAC",
            Self::Mp3 => "MP3",
            Self::Opus => "Opus",
            Self::Flac => "FLAC",
            Self::Alac => "Apple Lossless",
            Self::Ac3 => "AC-3",
            Self::Eac3 => "Enhanced AC-3",
            Self::Dts => "DTS",
            Self::Pcm => "PCM",
            Self::WebVtt => "WebVTT",
            Self::Ttml => "TTML",
            Self::Tx3g => "3GPP timed text",
            Self::QuickTimeText => "QuickTime text",
            Self::ClosedCaptions => "closed captions",
            Self::VobSub => "VobSub",
            Self::Other(format) => match Self::format_name(*format) {
                Some(name) => name,
                None => return write!(f, "{format:?}"),
            },
        })
    }
}
