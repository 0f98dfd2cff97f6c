//! Auxiliary information of samples in tables: `saiz` and `saio` in `stbl`.

use super::{Auxiliary, AuxiliaryFault, Format, Offsets, Sizes, has_key_rotation};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        SampleFault,
        mp4::boxes::{self, Header},
        window::Window,
    },
};

/// The auxiliary information of samples in tables.
#[derive(Clone, Copy, Debug)]
pub(in crate::movie) struct AuxiliaryTables {
    format: Format,
    sizes: Sizes,
    offsets: Offsets,
}

impl AuxiliaryTables {
    /// Reads the boxes of an `stbl` with these numbers of samples and chunks. `None` if the samples need no
    /// auxiliary information.
    pub(in crate::movie) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        stbl: &[Header],
        format: Format,
        (samples, chunks): (u32, u32),
    ) -> Result<Result<Option<Self>, AuxiliaryFault>, ReadError> {
        if has_key_rotation(window, stbl)? {
            return Ok(Err(AuxiliaryFault::KeyRotation));
        }
        if !format.is_protected || samples == 0 {
            return Ok(Ok(None));
        }
        let (sizes, offsets) = match format.tables(window, stbl)? {
            Ok(Some(tables)) => tables,
            // All samples share a constant vector and are encrypted as a whole.
            Ok(None) if format.iv_bytes == 0 && boxes::find(stbl, b"senc").is_none() => {
                return Ok(Ok(None));
            }
            Ok(None) => return Ok(Err(AuxiliaryFault::Missing)),
            Err(fault) => return Ok(Err(fault)),
        };
        let is_valid = sizes.count >= samples && (offsets.count == 1 || offsets.count == chunks);
        let tables = Self { format, sizes, offsets };
        Ok(if is_valid { Ok(Some(tables)) } else { Err(AuxiliaryFault::Invalid) })
    }
}

/// A walk over the auxiliary information in tables.
#[derive(Debug)]
pub(in crate::movie) struct AuxiliaryWalk<'a, R: ?Sized> {
    tables: AuxiliaryTables,
    sizes: Window<'a, R>,
    offsets: Window<'a, R>,
}

impl<'a, R: ReadAt + ?Sized> AuxiliaryWalk<'a, R> {
    /// Reads `span` bytes of each table at a time.
    pub(in crate::movie) fn new(tables: AuxiliaryTables, source: &'a R, span: usize) -> Self {
        Self { tables, sizes: Window::new(source, span), offsets: Window::new(source, span) }
    }

    /// The auxiliary information of a sample in a chunk, of which it may be the first. `used` counts the
    /// bytes of entries since the last declared offset, so that a walk can resume.
    pub(in crate::movie) fn next(
        &mut self,
        sample: u32,
        (chunk, is_first): (u32, bool),
        used: &mut u32,
    ) -> Result<Result<Auxiliary, SampleFault>, ReadError> {
        let AuxiliaryTables { format, sizes, offsets } = self.tables;
        let len = match sizes.equal {
            // `AuxiliaryTables::read` checked that there is a size for each sample.
            0 => self.sizes.array::<1>(sizes.start + u64::from(sample))?[0],
            equal => equal,
        };
        let is_contiguous = offsets.count == 1;
        if is_first && !is_contiguous {
            *used = 0;
        }
        let entry = if is_contiguous { 0 } else { chunk };
        if entry >= offsets.count {
            return Ok(Err(AuxiliaryFault::Invalid.into()));
        }
        let start = offsets.read(&mut self.offsets, entry)?.checked_add(u64::from(*used));
        let end = start.and_then(|start| start.checked_add(u64::from(len)));
        let (Some(start), Some(end)) = (start, end) else {
            return Ok(Err(SampleFault::OutsideFile));
        };
        if end > self.sizes.source().len() {
            return Ok(Err(SampleFault::OutsideFile));
        }
        let Some(next_used) = used.checked_add(u32::from(len)) else {
            return Ok(Err(SampleFault::TooMany));
        };
        *used = next_used;
        Ok(format.entry(start, len).map_err(SampleFault::from))
    }
}
