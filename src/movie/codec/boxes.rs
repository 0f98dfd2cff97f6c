//! The boxes inside a sample entry: one level at a time, never by recursion, never more than
//! [`CHILDREN_MAX`].

use super::{FourCc, cursor::Cursor};

/// The most boxes that are looked at in one box. Real entries have fewer than ten.
const CHILDREN_MAX: usize = 64;

/// A box (ISO/IEC 14496-12 section 4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Child<'a> {
    pub kind: FourCc,
    /// With its header.
    pub whole: &'a [u8],
    /// Without its header.
    pub body: &'a [u8],
}

/// Boxes in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Boxes<'a>(pub &'a [u8]);

impl<'a> Boxes<'a> {
    /// The boxes, as far as they can be told apart. QuickTime ends a list with a size of zero, with
    /// or without a type behind it; it ends here, too.
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

    /// Whether the boxes fill all of the bytes, but for an end mark.
    pub(super) fn is_whole(self) -> bool {
        let filled: usize = self.iter().map(|child| child.whole.len()).sum();
        self.0[filled..].iter().all(|&byte| byte == 0)
    }
}

/// The box at the beginning of these bytes, if all of it is there.
pub(super) fn first(bytes: &[u8]) -> Option<Child<'_>> {
    let mut fields = Cursor(bytes);
    let (short_size, kind) = (fields.u32()?, fields.code()?);
    let size = if short_size == 1 { fields.u64()? } else { u64::from(short_size) };
    let whole = bytes.get(..usize::try_from(size).ok()?)?;
    let body = whole.get(bytes.len() - fields.0.len()..)?;
    Some(Child { kind, whole, body })
}

/// What follows the version and the flags of a full box (section 4.2), whatever these are.
pub(super) fn full_body(body: &[u8]) -> Option<&[u8]> {
    body.get(4..)
}

/// A box of this type. Only made of what was part of an entry, so its size fits.
pub(super) fn make(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
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
    fn boxes_end_at_a_mark_at_the_end_and_at_what_is_not_whole() {
        let two = [make(b"pasp", &[0; 8]), make(b"btrt", &[0; 12])].concat();
        for (tail, is_whole) in [
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
            assert_eq!(Boxes(&bytes).is_whole(), is_whole, "{tail:?}");
        }
    }

    #[test]
    fn a_size_may_have_64_bits() {
        let bytes = b"\0\0\0\x01wide\0\0\0\0\0\0\0\x12ab\0\0\0\x08free";
        assert_eq!(kinds(bytes), ["wide", "free"]);
        assert_eq!(Boxes(bytes).body(b"wide"), Some(&b"ab"[..]));
    }

    #[test]
    fn no_more_boxes_are_looked_at_than_a_real_entry_could_have() {
        let many = make(b"free", &[]).repeat(10_000);
        assert_eq!(kinds(&many).len(), CHILDREN_MAX);
    }
}
