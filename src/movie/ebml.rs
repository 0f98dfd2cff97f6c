//! EBML (RFC 8794), the form of Matroska and WebM: elements with an identifier, a size and a body.

use crate::extent::{ReadAt, ReadError};

/// The most elements of a segment that are read before its media; real files have a handful.
const ELEMENTS_MAX: usize = 64;

/// The longest element that is read, in bytes: `Tracks` has codec configurations of some KiB.
const BODY_BYTES_MAX: u64 = 1 << 20;

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;

/// Reads the wanted elements of a file of Matroska that come before its media, the EBML header included.
/// Reads none of other files, and stops where a file is cut.
pub(super) fn walk_segment<R: ReadAt + ?Sized>(
    source: &R,
    is_wanted: impl Fn(u32) -> bool,
    mut each: impl FnMut(u32, &[u8]),
) -> Result<(), ReadError> {
    if Element::read(source, 0)?.is_none_or(|first| first.id != EBML) {
        return Ok(());
    }
    let mut at = 0;
    for _ in 0..ELEMENTS_MAX {
        let Some(element) = Element::read(source, at)? else { break };
        if is_wanted(element.id) {
            if element.bytes > BODY_BYTES_MAX {
                break;
            }
            let length = usize::try_from(element.bytes).expect("up to a MiB");
            let mut body = vec![0; length];
            match source.read_exact_at(element.body, &mut body) {
                Ok(()) => each(element.id, &body),
                Err(ReadError::Truncated) => break,
                Err(error) => return Err(error),
            }
        }
        match element.id {
            // The segment is entered: its children follow.
            SEGMENT => at = element.body,
            CLUSTER => break,
            _ => match element.body.checked_add(element.bytes) {
                Some(next) if next > at => at = next,
                _ => break,
            },
        }
    }
    Ok(())
}

/// The elements in a body, up to the first that does not fit.
pub(super) fn children(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
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
    /// Its identifier.
    id: u32,
    /// The offset of its body.
    body: u64,
    /// The length of its body; the rest of the file if it is unknown.
    bytes: u64,
}

impl Element {
    /// Reads the header at an offset; `None` at the end of the file, or if it is invalid.
    fn read<R: ReadAt + ?Sized>(source: &R, at: u64) -> Result<Option<Self>, ReadError> {
        // An identifier and a size of the longest forms.
        let mut header = [0; 4 + 8];
        let available = usize::try_from(source.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let length = available.min(header.len());
        let header = &mut header[..length];
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
