//! Language tags of Matroska's tracks (RFC 9559). ffmpeg before version 7 reads the three letters of
//! `Language` only, so that `pt-BR` of `LanguageBCP47` becomes `por`.

use crate::extent::{ReadAt, ReadError};

/// The most elements of the segment that are read before `Tracks`; real files have a handful.
const ELEMENTS_MAX: usize = 64;

/// The longest `Tracks` that is read, in bytes: entries have codec configurations of some KiB.
const TRACKS_BYTES_MAX: u64 = 1 << 20;

/// The longest language tag that is read, in bytes.
const TAG_BYTES_MAX: usize = 64;

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
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
    if Element::read(source, 0)?.is_none_or(|first| first.id != EBML) {
        return Ok(Vec::new());
    }
    let mut at = 0;
    for _ in 0..ELEMENTS_MAX {
        let Some(element) = Element::read(source, at)? else { break };
        match element.id {
            // The segment is entered: its children follow.
            SEGMENT => at = element.body,
            TRACKS if element.bytes <= TRACKS_BYTES_MAX => {
                let length = usize::try_from(element.bytes).expect("up to a MiB");
                let mut body = vec![0; length];
                return match source.read_exact_at(element.body, &mut body) {
                    Ok(()) => Ok(children(&body).filter_map(entry).collect()),
                    Err(ReadError::Truncated) => Ok(Vec::new()),
                    Err(error) => Err(error),
                };
            }
            CLUSTER | TRACKS => break,
            _ => match element.body.checked_add(element.bytes) {
                Some(next) if next > at => at = next,
                _ => break,
            },
        }
    }
    Ok(Vec::new())
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

/// The elements in a body, up to the first that does not fit.
fn children(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (id, after_id) = id(rest)?;
        let (bytes, after_size) = size(after_id)?;
        let bytes = usize::try_from(bytes).ok()?;
        let body = after_size.get(..bytes)?;
        rest = &after_size[bytes..];
        Some((id, body))
    })
}

/// An element of the file.
struct Element {
    id: u32,
    /// The offset of its body.
    body: u64,
    /// The length of its body; the rest of the file if it is unknown.
    bytes: u64,
}

impl Element {
    /// Reads the header at an offset; `None` at the end of the file, or if it is invalid.
    fn read<R: ReadAt + ?Sized>(source: &R, at: u64) -> Result<Option<Self>, ReadError> {
        const HEADER_BYTES_MAX: usize = 4 + 8;
        let available = source.len().saturating_sub(at).min(HEADER_BYTES_MAX as u64);
        let mut header = [0; HEADER_BYTES_MAX];
        let header = &mut header[..usize::try_from(available).expect("a few bytes")];
        source.read_exact_at(at, header)?;
        let parsed = id(header).and_then(|(id, after)| Some((id, size(after)?)));
        Ok(parsed.map(|(id, (bytes, after))| {
            let body = at + (header.len() - after.len()) as u64;
            Self { id, body, bytes: bytes.min(source.len().saturating_sub(body)) }
        }))
    }
}

/// An element identifier (RFC 8794 section 5), and what follows it.
fn id(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (id, rest) = bytes.split_at_checked(length).filter(|_| length <= 4)?;
    Some((id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)), rest))
}

/// An element size (RFC 8794 section 4), and what follows it; the maximum if it is unknown.
fn size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (size, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    let marked = size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
    let mask = (1_u64 << (7 * length)) - 1;
    let value = marked & mask;
    Some((if value == mask { u64::MAX } else { value }, rest))
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
