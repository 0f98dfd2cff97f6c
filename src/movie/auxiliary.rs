//! Auxiliary information (ISO/IEC 14496-12 section 8.7.8, ISO/IEC 23001-7 section 7): what each sample
//! needs to be decrypted, an initialization vector and which bytes of it are encrypted.
//!
//! It is never understood further than to find it and to tell its length: it is copied. Where it lies
//! is told by `saiz` and `saio`, in the sample table or in a fragment, or it stands in `senc` in the
//! fragment itself. Key rotation (`seig`) is refused: samples would have to carry their groups along.

use std::ops::Range;

use super::{
    FourCc, SampleFault,
    boxes::{self, Header},
    codec::Encryption,
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// Why samples of an encrypted track cannot be sent in segments.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuxiliaryFault {
    /// There is none where there has to be.
    #[error("it is encrypted, and nothing says how for each sample (senc, or saiz and saio)")]
    Missing,
    /// It contradicts itself or the samples.
    #[error("it is encrypted, and what says how for each sample makes no sense")]
    Lies,
    /// Its keys change on the way.
    #[error("it is encrypted with keys that change on the way (seig), which is not built here")]
    KeyRotation,
    /// Whether only parts of samples are encrypted changes on the way.
    #[error("it is encrypted, some samples in parts and some as a whole, which is not built here")]
    Mixed,
}

/// Where the auxiliary information of one sample lies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Auxiliary {
    /// Where in the file.
    pub offset: u64,
    /// How many bytes; 0 if the sample needs none.
    pub len: u8,
    /// Whether it tells parts of the sample, of which only some bytes are encrypted.
    pub has_subsamples: bool,
}

/// What a track's auxiliary information is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Format {
    scheme: FourCc,
    is_protected: bool,
    iv_bytes: u8,
}

impl Format {
    /// `None` if the track is not encrypted, or by no common scheme.
    pub(super) fn of(encryption: Option<&Encryption>) -> Option<Self> {
        let (scheme, defaults) = encryption?.common()?;
        let (is_protected, iv_bytes) = (defaults.is_protected, defaults.iv_bytes);
        Some(Self { scheme, is_protected, iv_bytes })
    }

    /// So many bytes at an offset, if an entry can be so long: a vector alone, or a vector, a count of
    /// 16 bits and as many fields of 48.
    fn entry(self, offset: u64, len: u8) -> Result<Auxiliary, AuxiliaryFault> {
        let has_subsamples = match len.checked_sub(self.iv_bytes) {
            Some(0) => false,
            Some(rest) if rest >= 2 && (rest - 2).is_multiple_of(6) => true,
            _ => return Err(AuxiliaryFault::Lies),
        };
        Ok(Auxiliary { offset, len, has_subsamples })
    }

    /// A pair of `saiz` and `saio` that are about encryption, as far as both are there.
    fn tables<R: ReadAt + ?Sized>(
        self,
        window: &mut Window<'_, R>,
        parts: &[Header],
    ) -> Result<Result<Option<(Sizes, Offsets)>, AuxiliaryFault>, ReadError> {
        let Some((saiz, sizes)) = self.of_scheme(window, parts, b"saiz")? else {
            return Ok(Ok(None));
        };
        let Some((saio, offsets)) = self.of_scheme(window, parts, b"saio")? else {
            return Ok(Ok(None));
        };
        if sizes.end - sizes.start < 5 || offsets.end - offsets.start < 4 {
            return Ok(Err(AuxiliaryFault::Lies));
        }
        let [equal] = window.array(sizes.start)?;
        let count = window.u32(sizes.start + 1)?;
        let sizes = Sizes { equal, count, start: sizes.start + 5 };
        let [version] = window.array(saio.body.start)?;
        let width = if version == 0 { 4 } else { 8 };
        let entries = window.u32(offsets.start)?;
        let offsets = Offsets { count: entries, width, start: offsets.start + 4 };
        let fits = (equal > 0 || u64::from(count) <= saiz.body.end - sizes.start)
            && u64::from(entries) * u64::from(width) <= saio.body.end - offsets.start;
        Ok(if fits { Ok(Some((sizes, offsets))) } else { Err(AuxiliaryFault::Lies) })
    }

    /// The first box of this kind whose type is not said or is the scheme, and where its fields begin.
    fn of_scheme<'h, R: ReadAt + ?Sized>(
        self,
        window: &mut Window<'_, R>,
        parts: &'h [Header],
        kind: &[u8; 4],
    ) -> Result<Option<(&'h Header, Range<u64>)>, ReadError> {
        for part in parts.iter().filter(|part| part.kind.0 == *kind && part.body_len() >= 4) {
            let [.., flags] = window.array::<4>(part.body.start)?;
            if flags & 1 == 0 {
                return Ok(Some((part, part.body.start + 4..part.body.end)));
            }
            if part.body_len() >= 12 && window.array(part.body.start + 4)? == self.scheme.0 {
                return Ok(Some((part, part.body.start + 12..part.body.end)));
            }
        }
        Ok(None)
    }
}

/// Whether samples are in groups that say how they are encrypted (ISO/IEC 23001-7 section 6).
fn rotates<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<bool, ReadError> {
    for part in parts.iter().filter(|part| matches!(&part.kind.0, b"sgpd" | b"sbgp")) {
        if part.body_len() >= 8 && window.array(part.body.start + 4)? == *b"seig" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `saiz`: that all are equally long, or how long each is, in a byte.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    equal: u8,
    count: u32,
    start: u64,
}

/// `saio`: where each chunk's or each run's begin, or where all of it begins.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    count: u32,
    width: u8,
    start: u64,
}

impl Offsets {
    fn read<R: ReadAt + ?Sized>(
        self,
        window: &mut Window<'_, R>,
        entry: u32,
    ) -> Result<u64, ReadError> {
        let at = self.start + u64::from(entry) * u64::from(self.width);
        Ok(match self.width {
            4 => u64::from(window.u32(at)?),
            _ => u64::from_be_bytes(window.array(at)?),
        })
    }
}

/// The auxiliary information of samples in tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuxiliaryTables {
    format: Format,
    sizes: Sizes,
    offsets: Offsets,
}

impl AuxiliaryTables {
    /// What the boxes of an `stbl` with so many samples in so many chunks say; `None` if none is needed.
    pub(super) fn read<R: ReadAt + ?Sized>(
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
pub(super) struct AuxiliaryWalk<'a, R: ?Sized> {
    of: AuxiliaryTables,
    sizes: Window<'a, R>,
    offsets: Window<'a, R>,
}

impl<'a, R: ReadAt + ?Sized> AuxiliaryWalk<'a, R> {
    /// Reads so many bytes of each table at a time.
    pub(super) fn new(of: AuxiliaryTables, source: &'a R, span: usize) -> Self {
        Self { of, sizes: Window::new(source, span), offsets: Window::new(source, span) }
    }

    /// That of a sample in a chunk, of which it may be the first. `used` is how many bytes of it are
    /// behind us, since the last offset that is told: what a walk needs to go on.
    pub(super) fn next(
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

/// The auxiliary information of one track fragment, sample by sample. What it is told by lies in the
/// bytes of the `moof`, which whoever asks has in memory.
#[derive(Debug)]
pub(super) struct AuxiliaryRun {
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
    pub(super) fn read(
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
    pub(super) fn next(&mut self, moof: &[u8], is_first: bool) -> Result<Auxiliary, SampleFault> {
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
