//! Auxiliary information of encrypted samples (ISO/IEC 14496-12 section 8.7.8, ISO/IEC 23001-7 section 7):
//! the initialization vector, and the encrypted byte ranges of the sample.
//!
//! Readers determine its position and length only; packaging copies it. `saiz` and `saio` locate it, in the
//! sample table or in a fragment; or `senc` in the fragment contains it. Key rotation (`seig`) is refused,
//! because samples would have to keep their groups.

mod fragment;
mod tables;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub(super) use self::{
    fragment::AuxiliaryRun,
    tables::{AuxiliaryTables, AuxiliaryWalk},
};
use super::boxes::Header;
use crate::{
    extent::{ReadAt, ReadError},
    movie::{FourCc, codec::Encryption, window::Window},
};

/// Why segments cannot carry an encrypted track.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuxiliaryFault {
    /// The auxiliary information is missing.
    #[error("it is encrypted without per-sample information (senc, or saiz and saio)")]
    Missing,
    /// The auxiliary information contradicts itself or the samples.
    #[error("it is encrypted with invalid per-sample information (senc, or saiz and saio)")]
    Invalid,
    /// The keys rotate.
    #[error("it is encrypted with rotating keys (seig), which is not supported")]
    KeyRotation,
    /// Some samples are encrypted as a whole, others in subsamples.
    #[error("it mixes whole-sample and subsample encryption, which is not supported")]
    Mixed,
}

/// Position of the auxiliary information of one sample.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Auxiliary {
    /// Offset in the file.
    pub offset: u64,
    /// Length in bytes; 0 if the sample needs none.
    pub len: u8,
    /// Whether the entry lists subsamples with clear and encrypted bytes.
    pub has_subsamples: bool,
}

/// Format of a track's auxiliary information.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Format {
    scheme: FourCc,
    is_protected: bool,
    iv_bytes: u8,
}

impl Format {
    /// `None` if the track is clear, or not encrypted by a scheme of Common Encryption.
    pub(super) fn from_encryption(encryption: Option<&Encryption>) -> Option<Self> {
        let (scheme, defaults) = encryption?.common()?;
        let (is_protected, iv_bytes) = (defaults.is_protected, defaults.iv_bytes);
        Some(Self { scheme, is_protected, iv_bytes })
    }

    /// The entry at an offset, if its length is valid: a vector alone, or a vector, a 16-bit count and
    /// that many 48-bit subsamples.
    fn entry(self, offset: u64, len: u8) -> Result<Auxiliary, AuxiliaryFault> {
        let has_subsamples = match len.checked_sub(self.iv_bytes) {
            Some(0) => false,
            Some(rest) if rest >= 2 && (rest - 2).is_multiple_of(6) => true,
            _ => return Err(AuxiliaryFault::Invalid),
        };
        Ok(Auxiliary { offset, len, has_subsamples })
    }

    /// The `saiz` and `saio` boxes of the encryption, if both exist.
    fn tables<R: ReadAt + ?Sized>(
        self,
        window: &mut Window<'_, R>,
        parts: &[Header],
    ) -> Result<Result<Option<(Sizes, Offsets)>, AuxiliaryFault>, ReadError> {
        let Some((saiz, sizes)) = self.find(window, parts, b"saiz")? else {
            return Ok(Ok(None));
        };
        let Some((saio, offsets)) = self.find(window, parts, b"saio")? else {
            return Ok(Ok(None));
        };
        if sizes.end - sizes.start < 5 || offsets.end - offsets.start < 4 {
            return Ok(Err(AuxiliaryFault::Invalid));
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
        Ok(if fits { Ok(Some((sizes, offsets))) } else { Err(AuxiliaryFault::Invalid) })
    }

    /// The first box of this kind that declares no type or the scheme's, and the range of its fields.
    fn find<'h, R: ReadAt + ?Sized>(
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

/// Whether sample groups override the encryption (ISO/IEC 23001-7 section 6).
fn has_key_rotation<R: ReadAt + ?Sized>(
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

/// `saiz`: the sizes of the entries.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Size of all entries; 0 if they differ.
    equal: u8,
    count: u32,
    /// Offset of the one-byte sizes.
    start: u64,
}

/// `saio`: the offset of the entries of each chunk or run, or one offset for all.
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
