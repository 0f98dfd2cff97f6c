//! Whether a track may stand in segments as it is.

use super::{Codec, FourCc, Media, SampleEntry};

/// Why a track cannot stand in CMAF segments, and so in HLS and DASH, as it is. It prints a sentence
/// for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotPackageable {
    /// Encrypted in a way of its own, or without what a player needs to know to decrypt it.
    #[error("it is encrypted{}, and not so that segments of it could be decrypted", .0.map(|it| format!(" ({it})")).unwrap_or_default())]
    Encrypted(Option<FourCc>),
    /// A codec that no player takes in segments, or none that matters.
    #[error("{0} video has to be encoded: players do not take it in segments")]
    VideoToEncode(Codec),
    /// The same of sound.
    #[error("{0} audio has to be encoded: players do not take it in segments")]
    AudioToEncode(Codec),
    /// Text that stands in manifests in another form.
    #[error("{0} cannot stand in segments: the text has to become WebVTT")]
    TextToConvert(Codec),
    /// Subtitles that are pictures.
    #[error("{0} subtitles are pictures: manifests have no place for them")]
    Pictures(Codec),
    /// What is neither seen nor heard.
    #[error("{0} is data for programs: players do not show it")]
    Data(Codec),
    /// A codec that this program has never heard of.
    #[error("the codec {0} is not known here")]
    Unknown(Codec),
}

impl SampleEntry {
    /// Whether [`entry`](Self::entry) and the samples that belong to it may stand in CMAF segments
    /// (ISO/IEC 23000-19) as they are.
    ///
    /// # Errors
    /// If not: why.
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
            Tx3g | QuickTimeText | ClosedCaptions => Err(NotPackageable::TextToConvert(codec)),
            VobSub => Err(NotPackageable::Pictures(codec)),
            _ if !codec.is_known() => Err(NotPackageable::Unknown(codec)),
            _ => Err(match self.media {
                Media::Video(_) => NotPackageable::VideoToEncode(codec),
                Media::Audio(_) => NotPackageable::AudioToEncode(codec),
                Media::Text | Media::Other => NotPackageable::Data(codec),
            }),
        }
    }
}
