//! Whether CMAF segments can carry a track without transcoding.

use super::{Codec, FourCc, Media, SampleEntry};

/// How the audio of a track fares in segments: a file and its segments are two questions, since browsers
/// play files without help and segments through Media Source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentAudio {
    /// All browsers play it.
    Plays,
    /// Some players have no decoder. CODECS tells them, and they take another track.
    NeedsDecoder,
    /// Browsers play it in files and fail with it in segments, and CODECS does not tell them: MP3, and AAC
    /// with a program config element. hls.js and shaka choose such a track and play it silently, or not at
    /// all (hls.js#332, hls.js#2221, shaka-packager#598, chromium 489520).
    Misleads,
}

/// Why CMAF segments, and so HLS and DASH, cannot carry a track. `/inspect` shows its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotPackageable {
    /// Not Common Encryption, or without the defaults that a player needs.
    #[error("it is encrypted{}, but not with valid Common Encryption", .0.map(|it| format!(" ({it})")).unwrap_or_default())]
    Encrypted(Option<FourCc>),
    /// A video codec that players do not support in segments.
    #[error("{0} video needs transcoding: players do not support it in segments")]
    VideoCodec(Codec),
    /// An audio codec that players do not support in segments.
    #[error("{0} audio needs transcoding: players do not support it in segments")]
    AudioCodec(Codec),
    /// A text format that manifests offer as WebVTT.
    #[error("{0} must be converted to WebVTT: players do not support it in segments")]
    TextFormat(Codec),
    /// Image subtitles.
    #[error("{0} subtitles are images: HLS and DASH support text subtitles only")]
    ImageSubtitles(Codec),
    /// Neither video, audio nor text.
    #[error("{0} is application data: players do not show it")]
    Data(Codec),
    /// An unknown codec.
    #[error("unknown codec {0}")]
    Unknown(Codec),
}

impl SampleEntry {
    /// How the audio of this entry fares in segments; `None` for other kinds of media.
    pub fn segment_audio(&self) -> Option<SegmentAudio> {
        use Codec::*;
        let Media::Audio(audio) = &self.media else {
            return None;
        };
        Some(match self.codec {
            Mp3 => SegmentAudio::Misleads,
            Aac | HeAac | HeAacV2 if audio.has_program_config => SegmentAudio::Misleads,
            Aac | HeAac | HeAacV2 | Opus | Flac => SegmentAudio::Plays,
            _ => SegmentAudio::NeedsDecoder,
        })
    }

    /// Whether CMAF segments (ISO/IEC 23000-19) can carry [`entry`](Self::entry) and its samples unchanged.
    ///
    /// # Errors
    /// The reason why not.
    pub fn packageable(&self) -> Result<(), NotPackageable> {
        use Codec::*;
        if let Some(encryption) = self.encryption.filter(|encryption| encryption.common().is_none())
        {
            return Err(NotPackageable::Encrypted(encryption.scheme));
        }
        let codec = self.codec;
        match codec {
            H264 | Hevc | Av1 | Vp9 => Ok(()),
            Aac | HeAac | HeAacV2 | XHeAac | Mp3 | Opus | Flac | Alac | Ac3 | Eac3 => Ok(()),
            WebVtt | Ttml => Ok(()),
            Tx3g | QuickTimeText | ClosedCaptions => Err(NotPackageable::TextFormat(codec)),
            VobSub => Err(NotPackageable::ImageSubtitles(codec)),
            _ if !codec.is_known() => Err(NotPackageable::Unknown(codec)),
            _ => Err(match self.media {
                Media::Video(_) => NotPackageable::VideoCodec(codec),
                Media::Audio(_) => NotPackageable::AudioCodec(codec),
                Media::Text | Media::Other => NotPackageable::Data(codec),
            }),
        }
    }
}
