//! EBML (RFC 8794), the form of Matroska and WebM: elements with an identifier, a size and a body.
//!
//! Lookups follow fixed paths, as those of MP4 boxes do: nothing recurses, and no size
//! from a file reserves memory.

use std::ops::Range;

use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// The longest header of an element: an identifier of four bytes and a size of eight.
const HEADER_BYTES_MAX: u64 = 12;

/// An element of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Element {
    pub(super) id: u32,
    /// Offset of its header.
    pub(super) start: u64,
    /// Offset of its body.
    pub(super) body: u64,
    /// Length of its body in bytes, as the file says; `None` if it is unknown.
    pub(super) size: Option<u64>,
}

impl Element {
    /// Reads the header at an offset. `None` at the end of the file, or if it is invalid.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        start: u64,
    ) -> Result<Option<Self>, ReadError> {
        let left = window.source().len().saturating_sub(start).min(HEADER_BYTES_MAX);
        let length = usize::try_from(left).expect("twelve bytes at most");
        if length == 0 {
            return Ok(None);
        }
        let header = window.get(start, length)?;
        let parsed = id(header).and_then(|(id, rest)| Some((id, size(rest)?)));
        Ok(parsed.map(|(id, (size, rest))| {
            let body = start + (length - rest.len()) as u64;
            Self { id, start, body, size }
        }))
    }

    /// The body up to `limit`, which is the end of the parent or of the file.
    pub(super) fn body_within(&self, limit: u64) -> Range<u64> {
        let end = self.end().map_or(limit, |end| end.min(limit));
        self.body.min(end)..end
    }

    /// Offset behind the element, if its size is known.
    pub(super) fn end(&self) -> Option<u64> {
        self.size.map(|size| self.body.saturating_add(size))
    }
}

/// Reads a body of at most `bytes_max`; `None` if it is longer, or not wholly in the file.
pub(super) fn read_body<R: ReadAt + ?Sized>(
    source: &R,
    body: &Range<u64>,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    let length = body.end.saturating_sub(body.start);
    if length > bytes_max || body.end > source.len() {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).expect("the limit fits into memory")];
    source.read_exact_at(body.start, &mut bytes)?;
    Ok(Some(bytes))
}

/// The elements in a body, up to the first that does not fit.
pub(super) fn children(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (id, after_id) = id(rest)?;
        let (bytes, after_size) = size(after_id)?;
        let (body, after) = after_size.split_at_checked(usize::try_from(bytes?).ok()?)?;
        rest = after;
        Some((id, body))
    })
}

/// The body of the first child with this identifier.
pub(super) fn find(body: &[u8], wanted: u32) -> Option<&[u8]> {
    children(body).find(|(id, _)| *id == wanted).map(|(_, body)| body)
}

/// An unsigned number in a child.
pub(super) fn find_number(body: &[u8], wanted: u32) -> Option<u64> {
    find(body, wanted).and_then(number)
}

/// A floating-point number in a child.
pub(super) fn find_float(body: &[u8], wanted: u32) -> Option<f64> {
    find(body, wanted).and_then(float)
}

/// A text in a child, without the zeros that may follow it.
pub(super) fn find_text(body: &[u8], wanted: u32) -> Option<String> {
    find(body, wanted).map(text)
}

/// An unsigned number of at most eight bytes.
pub(super) fn number(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| body.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A signed number of at most eight bytes.
pub(super) fn signed(body: &[u8]) -> Option<i64> {
    let unsigned = number(body)?.cast_signed();
    let unused = 64 - 8 * u32::try_from(body.len()).ok()?;
    Some(if unused == 64 { 0 } else { unsigned << unused >> unused })
}

/// A number of four or eight bytes; an empty one is zero.
pub(super) fn float(body: &[u8]) -> Option<f64> {
    let value = match body.len() {
        0 => 0.0,
        4 => f32::from_be_bytes(body.try_into().ok()?).into(),
        _ => f64::from_be_bytes(body.try_into().ok()?),
    };
    value.is_finite().then_some(value)
}

/// A text without the zeros that may follow it.
pub(super) fn text(body: &[u8]) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    String::from_utf8_lossy(&body[..end]).into_owned()
}

/// An element identifier (RFC 8794 section 5), and what follows it.
fn id(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (id, rest) = bytes.split_at_checked(length).filter(|_| length <= 4)?;
    Some((id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)), rest))
}

/// An element size (RFC 8794 section 4), and what follows it; `None` inside if it is unknown.
fn size(bytes: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let (value, length, rest) = vint(bytes)?;
    let is_unknown = value == (1 << (7 * length)) - 1;
    Some((Some(value).filter(|_| !is_unknown), rest))
}

/// A number of variable size (RFC 8794 section 4): its value, its length in bytes, and what follows it.
pub(super) fn vint(bytes: &[u8]) -> Option<(u64, usize, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (marked, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    let value = marked.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((value & ((1 << (7 * length)) - 1), length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_one_to_eight_bytes_are_read() {
        for (bytes, size) in [
            (&[0x81][..], Some(1)),
            (&[0x40, 2], Some(2)),
            (&[0x10, 0, 0, 3], Some(3)),
            (&[1, 0, 0, 0, 0, 0, 0, 4], Some(4)),
            (&[0xFF], None),
            (&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], None),
        ] {
            assert_eq!(super::size(bytes).expect("a size").0, size, "{bytes:?}");
        }
        for invalid in [&[][..], &[0], &[0, 0xFF], &[0x40], &[1, 0, 0]] {
            assert_eq!(super::size(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn numbers_keep_their_sign() {
        assert_eq!(
            (signed(&[0xFF]), signed(&[0x80, 0]), signed(&[])),
            (Some(-1), Some(-32768), Some(0))
        );
        assert_eq!((signed(&[1; 9]), number(&[1; 9]), number(&[1, 0])), (None, None, Some(256)));
        assert_eq!(
            (float(&[]), float(&f32::NAN.to_be_bytes()), float(&[0; 3])),
            (Some(0.0), None, None)
        );
    }

    #[test]
    fn a_body_beyond_its_parent_is_cut() {
        let file = [0x42, 0x82, 0x8A, 1, 2, 3];
        let window = &mut Window::new(&file[..], 64);
        let element = Element::read(window, 0).expect("in memory").expect("an element");
        assert_eq!((element.id, element.body, element.size), (0x4282, 3, Some(10)));
        assert_eq!(element.body_within(6), 3..6);
        assert_eq!(element.body_within(2), 2..2);
        assert_eq!(Element::read(window, 6).expect("in memory"), None);
        assert_eq!(children(&file).next(), None);
    }
}
