//! Sample entries (ISO/IEC 14496-12 section 8.5.2) for the tracks of Matroska, as an MP4 would have them.
//!
//! They are built of the configuration of the codec and of the first frame, and then
//! [read](crate::movie::codec::read) like those of a file.

use super::{
    audio_entries,
    tracks::{Kind, TrackEntry},
    video_entries,
};
use crate::movie::codec::{self, SampleEntry};

/// Builds the entry of a track whose first frame begins with these bytes.
///
/// # Errors
/// The reason why it has none.
pub(super) fn build(track: &TrackEntry, first_frame: &[u8]) -> Result<SampleEntry, String> {
    let (entry, handler) = match track.kind {
        Kind::Video => (video_entries::build(track, first_frame)?, *b"vide"),
        Kind::Audio => (audio_entries::build(track, first_frame)?, *b"soun"),
        Kind::Subtitle | Kind::Other => return Err("it is no video or audio".to_owned()),
    };
    codec::read(&entry, handler).map_err(|error| error.to_string())
}

/// A box.
pub(super) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    [&size.to_be_bytes(), &kind[..], body].concat()
}

/// A box with version and flags of zero.
pub(super) fn full_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[0; 4], body].concat())
}

/// The body of an `esds` (ISO/IEC 14496-14 section 5.6).
pub(super) fn esds(object_type: u8, stream_type: u8, specific: &[u8]) -> Vec<u8> {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    const SL_CONFIG: u8 = 6;
    let mut config = vec![object_type, stream_type << 2 | 1];
    // Buffer size and bit rates are unknown.
    config.extend([0; 3 + 4 + 4]);
    if !specific.is_empty() {
        config.extend(descriptor(DECODER_SPECIFIC, specific));
    }
    let mut stream = vec![0, 0, 0];
    stream.extend(descriptor(DECODER_CONFIG, &config));
    stream.extend(descriptor(SL_CONFIG, &[2]));
    descriptor(ES, &stream)
}

/// A descriptor with a length of four bytes (ISO/IEC 14496-1 section 8.3.3).
fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let byte = |shift: usize| u8::try_from(length >> shift & 0x7F).unwrap_or(0);
    let head = [tag, byte(21) | 0x80, byte(14) | 0x80, byte(7) | 0x80, byte(0)];
    [&head[..], body].concat()
}
