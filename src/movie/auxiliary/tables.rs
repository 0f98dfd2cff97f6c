//! Auxiliary information of samples in tables: `saiz` and `saio` in `stbl`.

use super::{Auxiliary, AuxiliaryFault, Format, Offsets, Sizes, rotates};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        SampleFault,
        boxes::{self, Header},
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
    /// What the boxes of an `stbl` with so many samples in so many chunks say; `None` if none is needed.
    pub(in crate::movie) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        stbl: &[Header],
        format: Format,
        (samples, chunks): (u32, u32),
    ) -> Result<Result<Option<Self>, AuxiliaryFault>, ReadError> {
        if rotates(window, stbl)? {
            return Ok(Err(AuxiliaryFault::KeyRotation));
        }
        if !format.is_protected || samples == 0 {
            return Ok(Ok(None));
        }
        let (sizes, offsets) = match format.tables(window, stbl)? {
            Ok(Some(tables)) => tables,
            // All samples have one vector, and are encrypted as a whole.
            Ok(None) if format.iv_bytes == 0 && boxes::find(stbl, b"senc").is_none() => {
                return Ok(Ok(None));
            }
            Ok(None) => return Ok(Err(AuxiliaryFault::Missing)),
            Err(fault) => return Ok(Err(fault)),
        };
        let is_sound = sizes.count >= samples && (offsets.count == 1 || offsets.count == chunks);
        let tables = Self { format, sizes, offsets };
        Ok(if is_sound { Ok(Some(tables)) } else { Err(AuxiliaryFault::Lies) })
    }
}

/// Auxiliary information in tables, sample by sample.
#[derive(Debug)]
pub(in crate::movie) struct AuxiliaryWalk<'a, R: ?Sized> {
    of: AuxiliaryTables,
    sizes: Window<'a, R>,
    offsets: Window<'a, R>,
}

impl<'a, R: ReadAt + ?Sized> AuxiliaryWalk<'a, R> {
    /// Reads so many bytes of each table at a time.
    pub(in crate::movie) fn new(of: AuxiliaryTables, source: &'a R, span: usize) -> Self {
        Self { of, sizes: Window::new(source, span), offsets: Window::new(source, span) }
    }

    /// That of a sample in a chunk, of which it may be the first. `used` is how many bytes of it are
    /// behind us, since the last offset that is told: what a walk needs to go on.
    pub(in crate::movie) fn next(
        &mut self,
        sample: u32,
        (chunk, is_first): (u32, bool),
        used: &mut u32,
    ) -> Result<Result<Auxiliary, SampleFault>, ReadError> {
        let AuxiliaryTables { format, sizes, offsets } = self.of;
        let len = match sizes.equal {
            // That there are as many as samples was made sure of when the tables were read.
            0 => self.sizes.array::<1>(sizes.start + u64::from(sample))?[0],
            equal => equal,
        };
        let is_one = offsets.count == 1;
        if is_first && !is_one {
            *used = 0;
        }
        let entry = if is_one { 0 } else { chunk };
        if entry >= offsets.count {
            return Ok(Err(AuxiliaryFault::Lies.into()));
        }
        let start = offsets.read(&mut self.offsets, entry)?.checked_add(u64::from(*used));
        let end = start.and_then(|start| start.checked_add(u64::from(len)));
        let (Some(start), Some(end)) = (start, end) else {
            return Ok(Err(SampleFault::OutsideFile));
        };
        if end > self.sizes.source().len() {
            return Ok(Err(SampleFault::OutsideFile));
        }
        let Some(behind) = used.checked_add(u32::from(len)) else {
            return Ok(Err(SampleFault::TooMany));
        };
        *used = behind;
        Ok(format.entry(start, len).map_err(SampleFault::from))
    }
}
