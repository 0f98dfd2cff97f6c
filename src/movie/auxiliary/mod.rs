//! Auxiliary information (ISO/IEC 14496-12 section 8.7.8, ISO/IEC 23001-7 section 7): what each sample
//! needs to be decrypted, an initialization vector and which bytes of it are encrypted.
//!
//! It is never understood further than to find it and to tell its length: it is copied. Where it lies
//! is told by `saiz` and `saio`, in the sample table or in a fragment, or it stands in `senc` in the
//! fragment itself. Key rotation (`seig`) is refused: samples would have to carry their groups along.

mod fragment;
mod tables;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub(super) use self::{
    fragment::AuxiliaryRun,
    tables::{AuxiliaryTables, AuxiliaryWalk},
};
use super::{FourCc, boxes::Header, codec::Encryption, window::Window};
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
