//! Box headers (ISO/IEC 14496-12 section 4.2): type and position of the body.
//!
//! Readers look boxes up by fixed paths. Nothing recurses, so that a hundred thousand nested boxes cost no
//! more than any other file.

use std::ops::Range;

use crate::{
    extent::{ReadAt, ReadError},
    movie::{FourCc, window::Window},
};

/// The most children that are read of one box; no real file has more.
const CHILDREN_MAX: usize = 4096;

/// One box of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Its type.
    pub kind: FourCc,
    /// Offset of its header in the file.
    pub start: u64,
    /// Its body, as offsets in the file.
    pub body: Range<u64>,
    /// Its size exceeds its parent; the body is clamped.
    pub is_cut: bool,
}

impl Header {
    /// The box at an offset, within `end`. `None` if no header fits, or the size is smaller than the header.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        start: u64,
        end: u64,
    ) -> Result<Option<Self>, ReadError> {
        if end.saturating_sub(start) < 8 {
            return Ok(None);
        }
        let [a, b, c, d, kind @ ..] = window.array::<8>(start)?;
        let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
            // To the end of the file: valid at the top level only, and harmless elsewhere.
            0 => (8, end - start),
            1 if end - start < 16 => return Ok(None),
            1 => (16, u64::from_be_bytes(window.array(start + 8)?)),
            size => (8, u64::from(size)),
        };
        if size < head {
            return Ok(None);
        }
        let stop = start.checked_add(size).filter(|&stop| stop <= end);
        let body = start + head..stop.unwrap_or(end);
        Ok(Some(Self { kind: FourCc(kind), start, body, is_cut: stop.is_none() }))
    }

    /// Header and body.
    pub fn whole(&self) -> Range<u64> {
        self.start..self.body.end
    }

    /// Length of the body in bytes.
    pub fn body_len(&self) -> u64 {
        self.body.end - self.body.start
    }
}

/// The boxes in a part of a file, up to the first invalid one.
pub(in crate::movie) fn children<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    within: &Range<u64>,
) -> Result<Vec<Header>, ReadError> {
    let mut headers = Vec::new();
    let mut at = within.start;
    while headers.len() < CHILDREN_MAX
        && let Some(header) = Header::read(window, at, within.end)?
    {
        at = header.body.end;
        headers.push(header);
    }
    Ok(headers)
}

/// The first box of this type.
pub(super) fn find<'a>(boxes: &'a [Header], kind: &[u8; 4]) -> Option<&'a Header> {
    boxes.iter().find(|header| header.kind.0 == *kind)
}
