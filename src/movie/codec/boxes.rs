//! The boxes inside a sample entry: one level at a time, without recursion, at most [`CHILDREN_MAX`].

use super::{FourCc, cursor::Cursor};

/// The most boxes read in one box. Real entries have fewer than ten.
const CHILDREN_MAX: usize = 64;

/// A box (ISO/IEC 14496-12 section 4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Child<'a> {
    pub kind: FourCc,
    /// Including its header.
    pub whole: &'a [u8],
    /// Excluding its header.
    pub body: &'a [u8],
}

/// Consecutive boxes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Boxes<'a>(pub &'a [u8]);

impl<'a> Boxes<'a> {
    /// The boxes up to the first invalid one. QuickTime terminates a list with a size of zero, with or
    /// without a type after it.
    pub(super) fn iter(self) -> impl Iterator<Item = Child<'a>> {
        let mut rest = self.0;
        let next = move || {
            let child = first(rest)?;
            rest = &rest[child.whole.len()..];
            Some(child)
        };
        std::iter::from_fn(next).take(CHILDREN_MAX)
    }

    /// The body of the first box of a type.
    pub(super) fn body(self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.iter().find(|child| child.kind.0 == *kind).map(|child| child.body)
    }

    /// The offset of the body of the first box of a type.
    pub(super) fn body_offset(self, kind: &[u8; 4]) -> Option<usize> {
        let mut at = 0;
        for child in self.iter() {
            if child.kind.0 == *kind {
                return Some(at + child.whole.len() - child.body.len());
            }
            at += child.whole.len();
        }
        None
    }

    /// Whether the boxes fill all of the bytes, except for a terminator.
    pub(super) fn is_complete(self) -> bool {
        let filled: usize = self.iter().map(|child| child.whole.len()).sum();
        self.0[filled..].iter().all(|&byte| byte == 0)
    }
}

/// The box at the start of these bytes, if it is complete.
pub(super) fn first(bytes: &[u8]) -> Option<Child<'_>> {
    let mut fields = Cursor(bytes);
    let (short_size, kind) = (fields.u32()?, fields.code()?);
    let size = if short_size == 1 { fields.u64()? } else { u64::from(short_size) };
    let whole = bytes.get(..usize::try_from(size).ok()?)?;
    let body = whole.get(bytes.len() - fields.0.len()..)?;
    Some(Child { kind, whole, body })
}

/// The body of a full box (section 4.2) after its version and flags.
pub(super) fn full_body(body: &[u8]) -> Option<&[u8]> {
    body.get(4..)
}

/// Builds a box. Its body is part of an entry, so that its size fits.
pub(super) fn build(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("an entry is far below 4 GiB");
    [&size.to_be_bytes(), &kind[..], body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> Vec<String> {
        Boxes(bytes).iter().map(|child| child.kind.to_string()).collect()
    }

    #[test]
    fn boxes_end_at_a_terminator_or_an_incomplete_box() {
        let two = [build(b"pasp", &[0; 8]), build(b"btrt", &[0; 12])].concat();
        for (tail, is_complete) in [
            (&[][..], true),
            (&[0; 4], true),
            (&[0; 8], true),
            (&[0, 0, 0, 9, b'f', b'i', b'e', b'l'], false),
            (&[0, 0, 0, 7, b'f', b'i', b'e', b'l'], false),
            (&[0, 0, 0], true),
            (b"\0\0\0\x01wide\0\0\0\0\0\0\0\x08", false),
        ] {
            let bytes = [&two, tail].concat();
            assert_eq!(kinds(&bytes), ["pasp", "btrt"], "{tail:?}");
            assert_eq!(Boxes(&bytes).is_complete(), is_complete, "{tail:?}");
        }
    }

    #[test]
    fn sizes_of_64_bits_are_read() {
        let bytes = b"\0\0\0\x01wide\0\0\0\0\0\0\0\x12ab\0\0\0\x08free";
        assert_eq!(kinds(bytes), ["wide", "free"]);
        assert_eq!(Boxes(bytes).body(b"wide"), Some(&b"ab"[..]));
    }

    #[test]
    fn the_number_of_boxes_is_limited() {
        let many = build(b"free", &[]).repeat(10_000);
        assert_eq!(kinds(&many).len(), CHILDREN_MAX);
    }
}
