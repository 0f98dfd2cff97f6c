//! Sample entries (ISO/IEC 14496-12 section 8.5.2): the codec of a track, for manifests and for people.
//!
//! [`read`] parses one child box of `stsd`, of MP4 or QuickTime, into the CODECS of a playlist, the entry
//! for an init segment, and the facts that `/inspect` shows. It is liberal: it refuses only an incomplete
//! entry. An invalid configuration becomes a [`Warning`] and the most likely values replace it, because
//! bad metadata may degrade CODECS but never playback.
//!
//! The entry is copied byte for byte except for its [repairs](Repair) and the stream identifier in `esds`:
//! parsing and writing these boxes from a model changed 14 of 16 real entries. Lookups follow fixed paths
//! and are counted, so that no entry costs more than a few passes over its bytes.

mod aac;
mod ac3;
mod alac;
mod audio;
mod av1;
mod av1_sequence;
mod avc;
mod avc_sps;
mod bits;
mod boxes;
mod colour;
mod cursor;
mod dolby_vision;
mod encryption;
mod esds;
mod flac;
mod four_cc;
mod hevc;
mod hevc_sps;
mod kind;
pub(super) mod nal;
mod opus;
mod packageable;
pub(super) mod parameter_sets;
mod repair;
mod same_decoder;
mod scan;
pub(super) mod silence;
#[cfg(test)]
mod tests;
mod text;
mod video;
mod vpx;
mod vui;
mod warning;

use bytes::Bytes;

pub(super) use self::same_decoder::DecoderNeeds;
pub use self::{
    audio::Audio,
    colour::{Chroma, Colour, VideoRange},
    dolby_vision::DolbyVision,
    encryption::{Encryption, TrackEncryption},
    four_cc::FourCc,
    kind::Codec,
    packageable::{NotPackageable, SegmentAudio},
    repair::Repair,
    scan::Scan,
    text::{ForcedSamples, forced_samples},
    video::{SampleAspect, Video},
    warning::{EntryRefused, Warning},
};
use self::{boxes::Boxes, cursor::Cursor};

/// The longest accepted entry, in bytes. Real entries have a few hundred, or a few thousand with encoder
/// settings or a colour profile.
pub const ENTRY_MAX_BYTES: usize = 1 << 20;

/// A parsed sample entry.
#[derive(Clone, Debug)]
pub struct SampleEntry {
    /// Type of the entry in the file.
    pub format: FourCc,
    /// Type of the entry before encryption; [`format`](Self::format) if it is clear.
    pub original_format: FourCc,
    /// The entry for an init segment and a virtual MP4, header included: the file's bytes with the repairs.
    pub entry: Bytes,
    /// Changes to [`entry`](Self::entry).
    pub repairs: Vec<Repair>,
    /// The codec.
    pub codec: Codec,
    /// The codecs parameter (RFC 6381) of [`entry`](Self::entry), for CODECS and `codecs`.
    pub codecs: String,
    /// Properties of its kind of media.
    pub media: Media,
    /// Encryption of the samples, if any.
    pub encryption: Option<Encryption>,
    /// Bit rate as declared by the muxer. The sample table is more accurate.
    pub bitrate: Option<Bitrate>,
    /// Missing, invalid and contradictory parts of the entry.
    pub warnings: Vec<Warning>,
}

/// The kind of media in a track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Media {
    /// Video.
    Video(Video),
    /// Audio.
    Audio(Audio),
    /// Text: subtitles, captions, chapters.
    Text,
    /// Anything else.
    Other,
}

/// Bit rates in bits per second, from `btrt` (section 8.5.2.2) or the MPEG-4 descriptor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bitrate {
    /// Maximum over any second; 0 if unknown.
    pub max: u32,
    /// Average; 0 if unknown.
    pub average: u32,
}

impl Bitrate {
    /// `None` if both are unknown.
    fn new(max: u32, average: u32) -> Option<Self> {
        (max != 0 || average != 0).then_some(Self { max, average })
    }

    fn from_boxes(boxes: Boxes<'_>) -> Option<Self> {
        let mut fields = Cursor(boxes.body(b"btrt")?);
        fields.skip(4)?;
        Self::new(fields.u32()?, fields.u32()?)
    }
}

/// Reads one sample entry, header included. The handler type of its track (`hdlr`) decides which fields an
/// entry has.
///
/// # Errors
/// If the entry is not one complete box, or too short for the fields of its kind.
pub fn read(entry: &[u8], handler: [u8; 4]) -> Result<SampleEntry, EntryRefused> {
    if entry.len() > ENTRY_MAX_BYTES {
        return Err(EntryRefused::TooLong);
    }
    let child = boxes::first(entry)
        .filter(|child| child.whole.len() == entry.len())
        .ok_or(EntryRefused::Size)?;
    let (format, body) = (child.kind, child.body);
    match &handler {
        b"vide" | b"auxv" => read_video(format, body, entry),
        b"soun" => read_audio(format, body, entry),
        _ => read_other(format, body, entry, &handler),
    }
}

/// The encryption of an entry, and its type before encryption.
fn read_encryption(
    format: FourCc,
    boxes: Boxes<'_>,
    warnings: &mut Vec<Warning>,
) -> (Option<Encryption>, FourCc) {
    if !encryption::is_encrypted(format) {
        return (None, format);
    }
    let (encryption, original) = encryption::read(format, boxes, warnings);
    (Some(encryption), original)
}

fn read_video(format: FourCc, body: &[u8], entry: &[u8]) -> Result<SampleEntry, EntryRefused> {
    let fields = video::Fields::read(body)?;
    let mut warnings = Vec::new();
    if !fields.boxes.is_complete() {
        warnings.push(Warning::Boxes);
    }
    let (encryption, original_format) = read_encryption(format, fields.boxes, &mut warnings);
    let may_repair = encryption.is_none();
    let described = video::describe(original_format, fields, may_repair, &mut warnings);
    let repair = if may_repair { Repair::for_format(format, described.format) } else { None };
    let mut repairs: Vec<Repair> = repair.into_iter().collect();
    let mut entry = entry.to_vec();
    if repair.is_some() {
        entry[4..8].copy_from_slice(&described.format.0);
    }
    let (width, height) = (described.video.width, described.video.height);
    if (width, height) != (fields.width, fields.height) {
        entry[video::SIZE_AT..][..2].copy_from_slice(&width.to_be_bytes());
        entry[video::SIZE_AT + 2..][..2].copy_from_slice(&height.to_be_bytes());
        repairs.push(Repair::FrameSize);
    }
    // Codecs that only QuickTime has keep its form.
    let is_of_mp4 = matches!(described.codec, Codec::H264 | Codec::Hevc | Codec::Av1 | Codec::Vp9);
    if may_repair
        && is_of_mp4
        && let Some(rebuilt) = repair::rebuild_video_entry(&entry)
    {
        entry = rebuilt;
        repairs.push(Repair::QuickTimeVideo);
    }
    Ok(SampleEntry {
        format,
        original_format,
        entry: entry.into(),
        repairs,
        codec: described.codec,
        codecs: described.codecs,
        media: Media::Video(described.video),
        encryption,
        bitrate: Bitrate::from_boxes(fields.boxes),
        warnings,
    })
}

fn read_audio(format: FourCc, body: &[u8], entry: &[u8]) -> Result<SampleEntry, EntryRefused> {
    let fields = audio::Fields::read(body)?;
    let mut warnings = Vec::new();
    if !fields.boxes.is_complete() {
        warnings.push(Warning::Boxes);
    }
    let (encryption, original_format) = read_encryption(format, fields.boxes, &mut warnings);
    let may_repair = encryption.is_none();
    let described = audio::describe(original_format, body, &fields, may_repair, &mut warnings);
    let repairs = described.rebuilt.iter().map(|_| Repair::QuickTimeAudio).collect();
    let mut entry = described.rebuilt.unwrap_or_else(|| entry.to_vec());
    clear_stream_id(&mut entry);
    Ok(SampleEntry {
        format,
        original_format,
        entry: entry.into(),
        repairs,
        codec: described.codec,
        codecs: described.codecs,
        media: Media::Audio(described.audio),
        encryption,
        bitrate: Bitrate::from_boxes(fields.boxes).or(described.bitrate),
        warnings,
    })
}

/// Clears the stream identifier in the `esds` of an audio entry. No repair of the file: play.mp4 keeps the
/// identifiers of its tracks, which the entry may name.
fn clear_stream_id(entry: &mut [u8]) {
    let has_stream = |child: &boxes::Child<'_>| matches!(&child.kind.0, b"mp4a" | b"enca");
    let child = boxes::first(entry).filter(has_stream);
    let fields = child.and_then(|child| audio::Fields::read(child.body).ok());
    let Some(boxes) = fields.map(|fields| fields.boxes) else { return };
    let Some(offset) = boxes.body_offset(b"esds") else { return };
    let start = entry.len() - boxes.0.len() + offset;
    esds::clear_stream_id(&mut entry[start..]);
}

/// Reads an entry of text or data.
fn read_other(
    format: FourCc,
    body: &[u8],
    entry: &[u8],
    handler: &[u8; 4],
) -> Result<SampleEntry, EntryRefused> {
    // All entries start with six reserved bytes and a data reference index.
    let boxes = Boxes(body.get(8..).ok_or(EntryRefused::CutShort)?);
    let mut warnings = Vec::new();
    let (encryption, original_format) = read_encryption(format, boxes, &mut warnings);
    let text = text::describe(original_format, body);
    let media = if text.is_some() { Media::Text } else { Media::Other };
    let (codec, codecs) = text.unwrap_or_else(|| {
        let codec = match (&original_format.0, handler) {
            (b"mp4s", b"subp") => Codec::VobSub,
            _ => Codec::from_format(original_format),
        };
        (codec, original_format.as_codecs())
    });
    Ok(SampleEntry {
        format,
        original_format,
        entry: Bytes::copy_from_slice(entry),
        repairs: Vec::new(),
        codec,
        codecs,
        media,
        encryption,
        bitrate: Bitrate::from_boxes(boxes),
        warnings,
    })
}
