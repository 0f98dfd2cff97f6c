//! What is put right in an entry on its way into an init segment, and how.

use std::fmt;

use super::{
    FourCc,
    audio::{Audio, Fields},
    boxes, esds,
};

/// A change to an entry. Nothing but what is named here is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repair {
    /// The type of the entry. Safari takes HEVC only by this name, which promises that the parameter
    /// sets are in the entry; and there they are.
    Hev1ToHvc1,
    /// The same for Dolby Vision.
    DvheToDvh1,
    /// The same for H.264.
    Avc3ToAvc1,
    /// The fields of QuickTime left out, and the codec's configuration moved to where MP4 has it.
    QuickTimeAudio,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hev1ToHvc1 => "hev1 became hvc1: its parameter sets are in the sample entry",
            Self::DvheToDvh1 => "dvhe became dvh1: its parameter sets are in the sample entry",
            Self::Avc3ToAvc1 => "avc3 became avc1: its parameter sets are in the sample entry",
            Self::QuickTimeAudio => "the sound description of QuickTime became an MP4 sample entry",
        })
    }
}

impl Repair {
    /// The repair that changes a video entry's type.
    pub(super) fn of_type(format: FourCc, to: FourCc) -> Option<Self> {
        match (&format.0, &to.0) {
            (b"hev1", b"hvc1") => Some(Self::Hev1ToHvc1),
            (b"dvhe", b"dvh1") => Some(Self::DvheToDvh1),
            (b"avc3", b"avc1") => Some(Self::Avc3ToAvc1),
            _ => None,
        }
    }
}

/// Where a codec's configuration stands, by the type of the entry.
const CONFIGURATIONS: [(&[u8; 4], &[u8; 4]); 6] = [
    (b"mp4a", b"esds"),
    (b"alac", b"alac"),
    (b"ac-3", b"dac3"),
    (b"ec-3", b"dec3"),
    (b"fLaC", b"dfLa"),
    (b"Opus", b"dOps"),
];

/// `objectTypeIndication` of MP3 from 32 kHz, and of MP3 below that.
const MPEG_1_AUDIO: u8 = 0x6b;
const MPEG_2_AUDIO: u8 = 0x69;

/// The entry, header included, as MP4 would have it: version 0 with the codec's configuration behind
/// the fields. `None` if it is so already, or cannot be made so. `body` is the entry without header.
pub(super) fn sound_entry(
    format: FourCc,
    body: &[u8],
    fields: &Fields<'_>,
    audio: &Audio,
) -> Option<Vec<u8>> {
    let (kind, config) = match &format.0 {
        // MP3 is known to MP4 by another name, and needs a descriptor.
        b".mp3" | b"ms\0U" => {
            let object_type = if audio.sample_rate < 32_000 { MPEG_2_AUDIO } else { MPEG_1_AUDIO };
            (b"mp4a", boxes::make(b"esds", &esds::make(object_type)))
        }
        _ => {
            let (kind, config) = CONFIGURATIONS.iter().find(|(kind, _)| **kind == format.0)?;
            if !fields.is_quicktime && fields.boxes.body(config).is_some() {
                return None;
            }
            (*kind, boxes::make(config, fields.config(config)?))
        }
    };
    let data_reference = body.get(..8)?;
    let channels = if fields.channels == 0 { audio.channels } else { fields.channels };
    // A rate that does not fit into 16 bits is left to the configuration.
    let rate = if fields.sample_rate == 0 { audio.sample_rate } else { fields.sample_rate };
    let rate = u16::try_from(rate).unwrap_or(0);
    // MP4 has 16 here whatever the codec (section 12.2.3.3); lossless codecs say what is true.
    let sample_size = audio.sample_size.unwrap_or(16);
    let mut entry = data_reference.to_vec();
    entry.extend([0; 8]);
    entry.extend(channels.to_be_bytes());
    entry.extend(sample_size.to_be_bytes());
    entry.extend([0; 4]);
    entry.extend(rate.to_be_bytes());
    entry.extend([0; 2]);
    entry.extend(config);
    if let Some(bitrate) = fields.boxes.body(b"btrt") {
        entry.extend(boxes::make(b"btrt", bitrate));
    }
    Some(boxes::make(kind, &entry))
}
