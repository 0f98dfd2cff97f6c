//! Sample entries (ISO/IEC 14496-12 section 8.5.2): what a track is, in the words of manifests and
//! of people.
//!
//! [`read`] takes one child box of `stsd`, of MP4 or QuickTime, and says what the CODECS of a
//! playlist is, which entry goes into an init segment, and what `/inspect` shows. It is liberal: only
//! an entry that is not whole is refused. What cannot be understood inside becomes a [`Warning`], and
//! the most likely is said instead, since a doubt may degrade CODECS but never playback.
//!
//! The entry is copied byte for byte but for its [repairs](Repair): models of these boxes were not
//! exact for 14 of 16 real entries. Boxes inside are looked up by fixed paths and counted, so no
//! entry can cost more than a few passes over its bytes.

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
mod doubt;
mod encryption;
mod esds;
mod flac;
mod four_cc;
mod hevc;
mod hevc_sps;
mod kind;
mod opus;
mod packageable;
mod repair;
#[cfg(test)]
mod tests;
mod text;
mod video;
mod vpx;
mod vui;

use bytes::Bytes;

pub use self::{
    audio::Audio,
    colour::{Chroma, Colour, VideoRange},
    dolby_vision::DolbyVision,
    doubt::{EntryRefused, Warning},
    encryption::{Encryption, TrackEncryption},
    four_cc::FourCc,
    kind::Codec,
    packageable::NotPackageable,
    repair::Repair,
    video::{SampleAspect, Video},
};
use self::{boxes::Boxes, cursor::Cursor};

/// The longest entry that is taken, in bytes. Real ones have a few hundred, a few thousand with an
/// encoder's settings or a colour profile in them.
pub const ENTRY_MAX_BYTES: usize = 1 << 20;

/// What one sample entry says.
#[derive(Clone, Debug)]
pub struct SampleEntry {
    /// Its type in the file.
    pub format: FourCc,
    /// The type behind encryption; else [`format`](Self::format).
    pub original_format: FourCc,
    /// As it goes into an init segment and a virtual MP4, header included: the file's bytes, but for
    /// the repairs.
    pub entry: Bytes,
    /// What was changed in [`entry`](Self::entry).
    pub repairs: Vec<Repair>,
    /// The codec.
    pub codec: Codec,
    /// The codecs parameter (RFC 6381) of [`entry`](Self::entry), for CODECS and `codecs`.
    pub codecs: String,
    /// What is specific to the kind of media.
    pub media: Media,
    /// How the samples are encrypted, if they are.
    pub encryption: Option<Encryption>,
    /// What the writer says of the bit rate. The sample table knows better.
    pub bitrate: Option<Bitrate>,
    /// What could not be understood, or contradicts itself.
    pub doubts: Vec<Warning>,
}

/// What a track holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Media {
    /// Moving pictures.
    Video(Video),
    /// Sound.
    Audio(Audio),
    /// Text that is shown: subtitles, captions, chapters.
    Text,
    /// Anything else.
    Other,
}

/// Bit rates, in bits per second (`btrt`, section 8.5.2.2, or the descriptor of MPEG-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bitrate {
    /// Over any second; 0 if it is not said.
    pub max: u32,
    /// Over all; 0 if it is not said.
    pub average: u32,
}

impl Bitrate {
    /// `None` if nothing is said.
    fn new(max: u32, average: u32) -> Option<Self> {
        (max != 0 || average != 0).then_some(Self { max, average })
    }

    fn of(boxes: Boxes<'_>) -> Option<Self> {
        let mut fields = Cursor(boxes.body(b"btrt")?);
        fields.skip(4)?;
        Self::new(fields.u32()?, fields.u32()?)
    }
}

/// Reads one sample entry, header included. `handler` is the handler type of its track (`hdlr`): it
/// decides which fields an entry has.
///
/// # Errors
/// If the entry is not one whole box, or too short for the fields of its kind.
pub fn read(entry: &[u8], handler: [u8; 4]) -> Result<SampleEntry, EntryRefused> {
    if entry.len() > ENTRY_MAX_BYTES {
        return Err(EntryRefused::TooLong);
    }
    let child = boxes::first(entry).filter(|child| child.whole.len() == entry.len());
    let child = child.ok_or(EntryRefused::Size)?;
    let (format, body) = (child.kind, child.body);
    match &handler {
        b"vide" | b"auxv" => read_video(format, body, entry),
        b"soun" => read_audio(format, body, entry),
        _ => read_other(format, body, entry, &handler),
    }
}

/// What stands behind encryption, if there is any.
fn decrypted(
    format: FourCc,
    boxes: Boxes<'_>,
    doubts: &mut Vec<Warning>,
) -> (Option<Encryption>, FourCc) {
    if !encryption::is_encrypted(format) {
        return (None, format);
    }
    let (encryption, original) = encryption::read(format, boxes, doubts);
    (Some(encryption), original)
}

fn read_video(format: FourCc, body: &[u8], entry: &[u8]) -> Result<SampleEntry, EntryRefused> {
    let fields = video::Fields::read(body)?;
    let mut doubts = Vec::new();
    if !fields.boxes.is_whole() {
        doubts.push(Warning::Boxes);
    }
    let (encryption, original_format) = decrypted(format, fields.boxes, &mut doubts);
    let mends = encryption.is_none();
    let found = video::describe(original_format, fields, mends, &mut doubts);
    let repair = if mends { Repair::of_type(format, found.format) } else { None };
    let mut entry = entry.to_vec();
    if repair.is_some() {
        entry[4..8].copy_from_slice(&found.format.0);
    }
    Ok(SampleEntry {
        format,
        original_format,
        entry: entry.into(),
        repairs: repair.into_iter().collect(),
        codec: found.codec,
        codecs: found.codecs,
        media: Media::Video(found.video),
        encryption,
        bitrate: Bitrate::of(fields.boxes),
        doubts,
    })
}

fn read_audio(format: FourCc, body: &[u8], entry: &[u8]) -> Result<SampleEntry, EntryRefused> {
    let fields = audio::Fields::read(body)?;
    let mut doubts = Vec::new();
    if !fields.boxes.is_whole() {
        doubts.push(Warning::Boxes);
    }
    let (encryption, original_format) = decrypted(format, fields.boxes, &mut doubts);
    let mends = encryption.is_none();
    let found = audio::describe(original_format, body, &fields, mends, &mut doubts);
    let repairs = found.rebuilt.iter().map(|_| Repair::QuickTimeAudio).collect();
    Ok(SampleEntry {
        format,
        original_format,
        entry: found.rebuilt.unwrap_or_else(|| entry.to_vec()).into(),
        repairs,
        codec: found.codec,
        codecs: found.codecs,
        media: Media::Audio(found.audio),
        encryption,
        bitrate: Bitrate::of(fields.boxes).or(found.bitrate),
        doubts,
    })
}

/// Text, and what is neither seen nor heard.
fn read_other(
    format: FourCc,
    body: &[u8],
    entry: &[u8],
    handler: &[u8; 4],
) -> Result<SampleEntry, EntryRefused> {
    // All entries begin alike: six bytes of nothing, and which data reference the samples follow.
    let boxes = Boxes(body.get(8..).ok_or(EntryRefused::CutShort)?);
    let mut doubts = Vec::new();
    let (encryption, original_format) = decrypted(format, boxes, &mut doubts);
    let text = text::describe(original_format, body);
    let media = if text.is_some() { Media::Text } else { Media::Other };
    let (codec, codecs) = text.unwrap_or_else(|| {
        let codec = match (&original_format.0, handler) {
            (b"mp4s", b"subp") => Codec::VobSub,
            _ => Codec::of_other(original_format),
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
        bitrate: Bitrate::of(boxes),
        doubts,
    })
}
