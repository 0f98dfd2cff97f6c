//! Auxiliary information of samples in a fragment: `senc`, or `saiz` and `saio`, in `traf`.

use super::{Auxiliary, AuxiliaryFault, Format, Offsets, Sizes, has_key_rotation};
use crate::{
    extent::ReadError,
    movie::{
        SampleFault,
        mp4::boxes::{self, Header},
        window::Window,
    },
};

/// A walk over the auxiliary information of one track fragment. The caller holds the bytes of the `moof`
/// in memory.
#[derive(Debug)]
pub(in crate::movie) struct AuxiliaryRun {
    format: Option<Format>,
    /// Offset of the `moof` in the file.
    moof: u64,
    layout: Layout,
}

/// The location of a track fragment's auxiliary information.
#[derive(Debug)]
enum Layout {
    /// None, and the samples need none.
    None,
    /// Missing or invalid.
    Invalid(AuxiliaryFault),
    /// In `senc`: the next entry and the end in the `moof`, and the number of remaining entries.
    Inline { at: usize, end: usize, left: u32, has_subsamples: bool },
    /// By `saiz` and `saio`, with offsets that count from `base`: the next sample, the next run, and the
    /// offset of the next entry.
    Offsets { sizes: Sizes, offsets: Offsets, base: u64, sample: u32, run: u32, at: u64 },
}

impl AuxiliaryRun {
    /// Reads the boxes of a `traf`, in a `moof` at `moof_offset` in the file. Its offsets count from `base`.
    pub(in crate::movie) fn read(
        moof: &[u8],
        moof_offset: u64,
        traf: &[Header],
        base: u64,
        format: Option<Format>,
    ) -> Result<Self, ReadError> {
        let layout = match format {
            Some(format) => Self::find(moof, traf, base, format)?.unwrap_or_else(Layout::Invalid),
            None => Layout::None,
        };
        Ok(Self { format, moof: moof_offset, layout })
    }

    fn find(
        moof: &[u8],
        traf: &[Header],
        base: u64,
        format: Format,
    ) -> Result<Result<Layout, AuxiliaryFault>, ReadError> {
        let window = &mut Window::new(moof, 64);
        if has_key_rotation(window, traf)? {
            return Ok(Err(AuxiliaryFault::KeyRotation));
        }
        if !format.is_protected {
            return Ok(Ok(Layout::None));
        }
        if let Some(senc) = boxes::find(traf, b"senc") {
            if senc.body_len() < 8 {
                return Ok(Err(AuxiliaryFault::Invalid));
            }
            // Other versions have several keys; the first flag overrides defaults in older drafts.
            let [version, .., flags] = window.array::<4>(senc.body.start)?;
            if version != 0 || flags & 1 != 0 {
                return Ok(Err(AuxiliaryFault::Invalid));
            }
            let left = window.u32(senc.body.start + 4)?;
            let index = |offset: u64| usize::try_from(offset).expect("an offset in memory");
            let (at, end) = (index(senc.body.start + 8), index(senc.body.end));
            return Ok(Ok(Layout::Inline { at, end, left, has_subsamples: flags & 2 != 0 }));
        }
        Ok(match format.tables(window, traf)? {
            Ok(Some((sizes, offsets))) => {
                Ok(Layout::Offsets { sizes, offsets, base, sample: 0, run: 0, at: 0 })
            }
            Ok(None) if format.iv_bytes == 0 => Ok(Layout::None),
            Ok(None) => Err(AuxiliaryFault::Missing),
            Err(fault) => Err(fault),
        })
    }

    /// The auxiliary information of the fragment's next sample, which may be the first of its run (`trun`).
    pub(in crate::movie) fn next(
        &mut self,
        moof: &[u8],
        is_first: bool,
    ) -> Result<Auxiliary, SampleFault> {
        let Some(format) = self.format else {
            return Ok(Auxiliary::default());
        };
        match &mut self.layout {
            Layout::None => Ok(Auxiliary::default()),
            Layout::Invalid(fault) => Err((*fault).into()),
            Layout::Inline { at, end, left, has_subsamples } => {
                *left = left.checked_sub(1).ok_or(AuxiliaryFault::Invalid)?;
                let rest = moof.get(*at..*end).ok_or(AuxiliaryFault::Invalid)?;
                let mut len = usize::from(format.iv_bytes);
                if *has_subsamples {
                    let field = rest.get(len..).and_then(<[u8]>::first_chunk);
                    let count = u16::from_be_bytes(*field.ok_or(AuxiliaryFault::Invalid)?);
                    len += 2 + 6 * usize::from(count);
                }
                if len > rest.len() {
                    return Err(AuxiliaryFault::Invalid.into());
                }
                let offset = self.moof.checked_add(*at as u64).ok_or(SampleFault::OutsideFile)?;
                *at += len;
                // `saiz` stores a length in one byte, so packaging can write no longer entry.
                let len = u8::try_from(len).map_err(|_| AuxiliaryFault::Invalid)?;
                Ok(Auxiliary { offset, len, has_subsamples: *has_subsamples })
            }
            Layout::Offsets { sizes, offsets, base, sample, run, at } => {
                if *sample >= sizes.count {
                    return Err(AuxiliaryFault::Invalid.into());
                }
                let len = match sizes.equal {
                    0 => {
                        let at = usize::try_from(sizes.start).ok().map(|at| at + *sample as usize);
                        *at.and_then(|at| moof.get(at)).ok_or(AuxiliaryFault::Invalid)?
                    }
                    equal => equal,
                };
                *sample += 1;
                if is_first && *run < offsets.count {
                    let offset = offsets
                        .read(&mut Window::new(moof, 8), *run)
                        .map_err(|_| AuxiliaryFault::Invalid)?;
                    *at = base.checked_add(offset).ok_or(SampleFault::OutsideFile)?;
                    *run += 1;
                } else if is_first && offsets.count != 1 {
                    return Err(AuxiliaryFault::Invalid.into());
                }
                let offset = *at;
                *at = at.checked_add(u64::from(len)).ok_or(SampleFault::OutsideFile)?;
                Ok(format.entry(offset, len)?)
            }
        }
    }
}
