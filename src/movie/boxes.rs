//! Boxes (ISO/IEC 14496-12 section 4.2): what one is called and where its contents are.
//!
//! They are found by their headers alone and looked up by fixed paths. Nothing here recurses, so that
//! a file of a hundred thousand nested boxes is as cheap as any.

use std::ops::Range;

use super::{FourCc, window::Window};
use crate::extent::{ReadAt, ReadError};

/// Children of one box that are looked at; more are none that a player needs.
const CHILDREN_MAX: usize = 4096;

/// One box of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Its name.
    pub kind: FourCc,
    /// Where it begins.
    pub start: u64,
    /// Its contents, as offsets in the file.
    pub body: Range<u64>,
    /// Its size reaches past whatever it lies in; the body is clamped to that.
    pub is_cut: bool,
}

impl Header {
    /// The box that begins at an offset and ends before `end`. `None` if there is no room for one, or
    /// none that makes sense: its size is less than its own header.
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
            // To the end of the file: allowed at the top level only, and harmless elsewhere.
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

    /// All of it, header included.
    pub fn whole(&self) -> Range<u64> {
        self.start..self.body.end
    }

    /// The length of its contents, in bytes.
    pub fn body_len(&self) -> u64 {
        self.body.end - self.body.start
    }
}

/// The boxes in a part of a file, as far as they make sense.
pub(super) fn children<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    within: &Range<u64>,
) -> Result<Vec<Header>, ReadError> {
    let mut found = Vec::new();
    let mut at = within.start;
    while found.len() < CHILDREN_MAX
        && let Some(header) = Header::read(window, at, within.end)?
    {
        at = header.body.end;
        found.push(header);
    }
    Ok(found)
}

/// The first of some boxes with this name.
pub(super) fn find<'a>(boxes: &'a [Header], kind: &[u8; 4]) -> Option<&'a Header> {
    boxes.iter().find(|header| header.kind.0 == *kind)
}
