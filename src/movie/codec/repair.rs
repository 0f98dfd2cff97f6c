//! Repairs of a sample entry for an init segment.

use std::fmt;

use super::{
    FourCc,
    audio::{Audio, Fields},
    boxes::{self, Boxes},
    esds,
};

/// A change to an entry. All other bytes stay as in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repair {
    /// `hev1` became `hvc1`. Safari plays HEVC only as `hvc1`, which promises parameter sets in the entry,
    /// and they are there.
    Hev1ToHvc1,
    /// The same for Dolby Vision: `dvhe` became `dvh1`.
    DvheToDvh1,
    /// The same for H.264: `avc3` became `avc1`.
    Avc3ToAvc1,
    /// A QuickTime sound description became an MP4 entry: QuickTime's fields are removed, and the codec
    /// configuration is at its place in MP4.
    QuickTimeAudio,
    /// QuickTime's fields of a video entry became those of MP4: the vendor and the quality are zero, and the
    /// colour has the form that players read.
    QuickTimeVideo,
    /// The frame size of the stream replaced zero. Chromium refuses segments whose entry has no size.
    FrameSize,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hev1ToHvc1 => "hev1 changed to hvc1: the parameter sets are in the sample entry",
            Self::DvheToDvh1 => "dvhe changed to dvh1: the parameter sets are in the sample entry",
            Self::Avc3ToAvc1 => "avc3 changed to avc1: the parameter sets are in the sample entry",
            Self::QuickTimeAudio => "QuickTime sound description changed to an MP4 sample entry",
            Self::QuickTimeVideo => "QuickTime image description changed to an MP4 sample entry",
            Self::FrameSize => "frame size added to the sample entry, from the stream",
        })
    }
}

impl Repair {
    /// The repair that changes a video entry's type.
    pub(super) fn for_format(format: FourCc, to: FourCc) -> Option<Self> {
        match (&format.0, &to.0) {
            (b"hev1", b"hvc1") => Some(Self::Hev1ToHvc1),
            (b"dvhe", b"dvh1") => Some(Self::DvheToDvh1),
            (b"avc3", b"avc1") => Some(Self::Avc3ToAvc1),
            _ => None,
        }
    }
}

/// The configuration box of each entry type.
const CONFIGURATIONS: [(&[u8; 4], &[u8; 4]); 6] = [
    (b"mp4a", b"esds"),
    (b"alac", b"alac"),
    (b"ac-3", b"dac3"),
    (b"ec-3", b"dec3"),
    (b"fLaC", b"dfLa"),
    (b"Opus", b"dOps"),
];

/// `objectTypeIndication` of MP3 from 32 kHz, and of MP3 below 32 kHz.
const MPEG_1_AUDIO: u8 = 0x6b;
const MPEG_2_AUDIO: u8 = 0x69;

/// Rebuilds an entry in MP4 form, header included: version 0 with the codec configuration after the fields.
/// `None` if it already has this form, or cannot be converted. `body` is the entry without header.
pub(super) fn rebuild_audio_entry(
    format: FourCc,
    body: &[u8],
    fields: &Fields<'_>,
    audio: &Audio,
) -> Option<Vec<u8>> {
    let (kind, config) = match &format.0 {
        // MP4 has another type for MP3, which needs a descriptor.
        b".mp3" | b"ms\0U" => {
            let object_type = if audio.sample_rate < 32_000 { MPEG_2_AUDIO } else { MPEG_1_AUDIO };
            (b"mp4a", boxes::build(b"esds", &esds::build(object_type)))
        }
        _ => {
            let (kind, config) = CONFIGURATIONS.iter().find(|(kind, _)| **kind == format.0)?;
            if !fields.is_quicktime && fields.boxes.body(config).is_some() {
                return None;
            }
            (*kind, boxes::build(config, fields.config(config)?))
        }
    };
    let data_reference = body.get(..8)?;
    let channels = if fields.channels == 0 { audio.channels } else { fields.channels };
    let sample_rate = if fields.sample_rate == 0 { audio.sample_rate } else { fields.sample_rate };
    // The configuration declares a rate that exceeds 16 bits.
    let rate = u16::try_from(sample_rate).unwrap_or(0);
    // MP4 has 16 here for any codec (section 12.2.3.3); lossless codecs write the real size.
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
        entry.extend(boxes::build(b"btrt", bitrate));
    }
    Some(boxes::build(kind, &entry))
}

/// The fields of a visual entry before its boxes, with a header of eight bytes.
const VIDEO_FIELDS: usize = 86;

/// Fields that MP4 reserves (ISO/IEC 14496-12 section 12.1.3): QuickTime has the version, the vendor and
/// the quality in the first range, and the data size in the other.
const RESERVED: [std::ops::Range<usize>; 2] = [16..32, 44..48];

/// Rebuilds a video entry in MP4 form, header included: reserved fields are zero, `colr` of type `nclc`
/// becomes `nclx`, and QuickTime's gamma and the terminator of its boxes are left out. `None` if it already
/// has this form.
pub(super) fn rebuild_video_entry(entry: &[u8]) -> Option<Vec<u8>> {
    let (fields, rest) = entry.split_at_checked(VIDEO_FIELDS)?;
    let has_long_header = fields[..4] == [0, 0, 0, 1];
    let children = Boxes(rest);
    if has_long_header || !children.is_complete() {
        return None;
    }
    let mut rebuilt = fields[8..].to_vec();
    RESERVED.into_iter().for_each(|range| rebuilt[range.start - 8..range.end - 8].fill(0));
    for child in children.iter() {
        match (&child.kind.0, child.body) {
            (b"gama", _) => {}
            // Limited range, as QuickTime's video has.
            (b"colr", [b'n', b'c', b'l', b'c', points @ ..]) if points.len() >= 6 => {
                let colour = [&b"nclx"[..], &points[..6], &[0]].concat();
                rebuilt.extend(boxes::build(b"colr", &colour));
            }
            _ => rebuilt.extend_from_slice(child.whole),
        }
    }
    let rebuilt = boxes::build(fields[4..].first_chunk()?, &rebuilt);
    (rebuilt != entry).then_some(rebuilt)
}
