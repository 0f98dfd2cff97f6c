//! Language tags of Matroska's tracks (RFC 9559). ffmpeg before version 7 reads the three letters of
//! `Language` only, so that `pt-BR` of `LanguageBCP47` becomes `por`.

use super::ebml::{self, children};
use crate::extent::{ReadAt, ReadError};

/// The longest language tag that is read, in bytes.
const TAG_BYTES_MAX: usize = 64;

const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_TYPE: u32 = 0x83;
const LANGUAGE_BCP47: u32 = 0x22_B59D;

/// The kind of a track, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MatroskaKind {
    /// Audio.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Any other.
    Other,
}

/// The kind and the tag of each track, in the order of the file; empty if the file is not Matroska, or has
/// its tracks in an unusual place.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(
    source: &R,
) -> Result<Vec<(MatroskaKind, Option<String>)>, ReadError> {
    let mut tracks = None;
    ebml::walk_segment(source, |id| id == TRACKS, |_, body| tracks = Some(body.to_vec()))?;
    Ok(tracks.iter().flat_map(|body| children(body)).filter_map(entry).collect())
}

/// The kind and the tag of a `TrackEntry`.
fn entry((id, body): (u32, &[u8])) -> Option<(MatroskaKind, Option<String>)> {
    if id != TRACK_ENTRY {
        return None;
    }
    let find = |wanted: u32| children(body).find(|(id, _)| *id == wanted).map(|(_, body)| body);
    let kind = match find(TRACK_TYPE) {
        Some([2]) => MatroskaKind::Audio,
        Some([17]) => MatroskaKind::Subtitle,
        _ => MatroskaKind::Other,
    };
    let tag = find(LANGUAGE_BCP47).filter(|tag| tag.len() <= TAG_BYTES_MAX);
    let tag =
        tag.and_then(|tag| std::str::from_utf8(tag).ok()).map(|tag| tag.trim_end_matches('\0'));
    let is_tag = |tag: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !tag.is_empty() && tag.bytes().all(is_plain)
    };
    Some((kind, tag.filter(is_tag).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with a size of one byte.
    fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
        let size = 0x80 | u8::try_from(body.len()).expect("a short body");
        [id, &[size], body].concat()
    }

    fn file(tracks: &[u8]) -> Vec<u8> {
        let header = element(&[0x1A, 0x45, 0xDF, 0xA3], b"");
        let void = element(&[0xEC], &[0; 20]);
        let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], tracks);
        // A segment of unknown size.
        [&header[..], &[0x18, 0x53, 0x80, 0x67, 0x01], &[0xFF; 7], &void, &tracks].concat()
    }

    #[test]
    fn tags_are_read_in_the_order_of_the_tracks() {
        let language = element(&[0x22, 0xB5, 0x9C], b"por");
        let tag = element(&[0x22, 0xB5, 0x9D], b"pt-BR");
        let invalid = element(&[0x22, 0xB5, 0x9D], b"a b\"");
        let [video, audio, text] = [1, 2, 17].map(|kind| element(&[0x83], &[kind]));
        let entries: Vec<u8> = [
            element(&[0xAE], &video),
            element(&[0xAE], &[&language[..], &tag, &audio].concat()),
            element(&[0xAE], &[&text[..], &invalid].concat()),
        ]
        .concat();
        let expected = [
            (MatroskaKind::Other, None),
            (MatroskaKind::Audio, Some("pt-BR".to_owned())),
            (MatroskaKind::Subtitle, None),
        ];
        let whole = file(&entries);
        assert_eq!(read(&whole[..]).expect("in memory"), expected);
        // A cut file has no tags, or those of its whole entries.
        for length in 0..whole.len() {
            read(&whole[..length]).expect("in memory");
        }
    }

    #[test]
    fn other_files_have_no_tags() {
        for bytes in
            [&b""[..], b"\0", &[0; 64], &[0xFF; 64], b"\0\0\0\x14ftypisom", b"\x1A\x45\xDF\xA3"]
        {
            assert_eq!(read(bytes).expect("in memory"), [], "{bytes:?}");
        }
    }
}
