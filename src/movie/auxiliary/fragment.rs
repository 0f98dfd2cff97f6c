//! Auxiliary information of samples in a fragment: `senc`, or `saiz` and `saio`, in `traf`.

use super::{Auxiliary, AuxiliaryFault, Format, Offsets, Sizes, rotates};
use crate::{
    extent::ReadError,
    movie::{
        SampleFault,
        boxes::{self, Header},
        window::Window,
    },
};

/// The auxiliary information of one track fragment, sample by sample. What it is told by lies in the
/// bytes of the `moof`, which whoever asks has in memory.
#[derive(Debug)]
pub(in crate::movie) struct AuxiliaryRun {
    format: Option<Format>,
    /// Where the `moof` lies in the file.
    moof: u64,
    told: Told,
}

#[derive(Debug)]
enum Told {
    /// It is not, and need not be.
    Nowhere,
    /// Something is wrong with it.
    Wrong(AuxiliaryFault),
    /// It stands here: the next entry and the end in the `moof`, and how many there are still.
    Here { at: usize, end: usize, left: u32, has_subsamples: bool },
    /// By `saiz` and `saio`, whose offsets count from `base`: which sample is next, which run began
    /// last, and where that of the next sample lies.
    There { sizes: Sizes, offsets: Offsets, base: u64, sample: u32, run: u32, at: u64 },
}

impl AuxiliaryRun {
    /// What the boxes of a `traf` say, in a `moof` that lies at `place` in the file. `base` is what its
    /// offsets count from.
    pub(in crate::movie) fn read(
        moof: &[u8],
        place: u64,
        traf: &[Header],
        base: u64,
        format: Option<Format>,
    ) -> Result<Self, ReadError> {
        let told = match format {
            Some(format) => Self::find(moof, traf, base, format)?.unwrap_or_else(Told::Wrong),
            None => Told::Nowhere,
        };
        Ok(Self { format, moof: place, told })
    }

    fn find(
        moof: &[u8],
        traf: &[Header],
        base: u64,
        format: Format,
    ) -> Result<Result<Told, AuxiliaryFault>, ReadError> {
        let window = &mut Window::new(moof, 64);
        if rotates(window, traf)? {
            return Ok(Err(AuxiliaryFault::KeyRotation));
        }
        if !format.is_protected {
            return Ok(Ok(Told::Nowhere));
        }
        if let Some(senc) = boxes::find(traf, b"senc") {
            if senc.body_len() < 8 {
                return Ok(Err(AuxiliaryFault::Lies));
            }
            // Other versions tell of several keys; the first flag, of defaults in older drafts.
            let [version, .., flags] = window.array::<4>(senc.body.start)?;
            if version != 0 || flags & 1 != 0 {
                return Ok(Err(AuxiliaryFault::Lies));
            }
            let left = window.u32(senc.body.start + 4)?;
            let place = |offset: u64| usize::try_from(offset).expect("it is in memory");
            let (at, end) = (place(senc.body.start + 8), place(senc.body.end));
            return Ok(Ok(Told::Here { at, end, left, has_subsamples: flags & 2 != 0 }));
        }
        Ok(match format.tables(window, traf)? {
            Ok(Some((sizes, offsets))) => {
                Ok(Told::There { sizes, offsets, base, sample: 0, run: 0, at: 0 })
            }
            Ok(None) if format.iv_bytes == 0 => Ok(Told::Nowhere),
            Ok(None) => Err(AuxiliaryFault::Missing),
            Err(fault) => Err(fault),
        })
    }

    /// That of the next sample of the fragment, which may be the first of its run (`trun`).
    pub(in crate::movie) fn next(
        &mut self,
        moof: &[u8],
        is_first: bool,
    ) -> Result<Auxiliary, SampleFault> {
        let Some(format) = self.format else {
            return Ok(Auxiliary::default());
        };
        match &mut self.told {
            Told::Nowhere => Ok(Auxiliary::default()),
            Told::Wrong(fault) => Err((*fault).into()),
            Told::Here { at, end, left, has_subsamples } => {
                *left = left.checked_sub(1).ok_or(AuxiliaryFault::Lies)?;
                let rest = moof.get(*at..*end).ok_or(AuxiliaryFault::Lies)?;
                let mut len = usize::from(format.iv_bytes);
                if *has_subsamples {
                    let count = rest.get(len..).and_then(<[u8]>::first_chunk);
                    let count = u16::from_be_bytes(*count.ok_or(AuxiliaryFault::Lies)?);
                    len += 2 + 6 * usize::from(count);
                }
                if len > rest.len() {
                    return Err(AuxiliaryFault::Lies.into());
                }
                let offset = self.moof.checked_add(*at as u64).ok_or(SampleFault::OutsideFile)?;
                *at += len;
                // One byte tells its length wherever it is told.
                let len = u8::try_from(len).map_err(|_| AuxiliaryFault::Lies)?;
                Ok(Auxiliary { offset, len, has_subsamples: *has_subsamples })
            }
            Told::There { sizes, offsets, base, sample, run, at } => {
                if *sample >= sizes.count {
                    return Err(AuxiliaryFault::Lies.into());
                }
                let len = match sizes.equal {
                    0 => {
                        let at = usize::try_from(sizes.start).ok().map(|at| at + *sample as usize);
                        *at.and_then(|at| moof.get(at)).ok_or(AuxiliaryFault::Lies)?
                    }
                    equal => equal,
                };
                *sample += 1;
                if is_first && *run < offsets.count {
                    let offset = offsets.read(&mut Window::new(moof, 8), *run);
                    let offset = offset.map_err(|_| AuxiliaryFault::Lies)?;
                    *at = base.checked_add(offset).ok_or(SampleFault::OutsideFile)?;
                    *run += 1;
                } else if is_first && offsets.count != 1 {
                    return Err(AuxiliaryFault::Lies.into());
                }
                let offset = *at;
                *at = at.checked_add(u64::from(len)).ok_or(SampleFault::OutsideFile)?;
                Ok(format.entry(offset, len)?)
            }
        }
    }
}
