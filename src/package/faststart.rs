//! A file with its index in front: the whole of it, as a player wants to read it.
//!
//! The boxes of `moov` are sent from where they are, but for the few that tell where the media are and
//! how they are coded. No box is understood that need not be, so that none is lost.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{boxes::Writer, shifted::ShiftedOffsets};
use crate::{
    extent::{Extent, Extents, ReadAt, ReadError, Source, disk::File},
    movie::{FourCc, Header, Movie, children},
};

/// Boxes on the way to those that are changed (ISO/IEC 14496-12 section 8.1 to 8.7).
const PARENTS: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];

/// Parts that a new `moov` may have: those of a film with a hundred tracks are some thousand.
const PARTS_MAX: usize = 1 << 14;

/// A part of the new `moov`.
enum Part {
    /// As it is in the file.
    Kept(Range<u64>),
    /// Written anew.
    Made(Vec<u8>),
    /// Offsets in the file, whose table begins behind its header.
    Offsets { entries: Range<u64>, width: u64, of: Of },
}

/// What a table of offsets leads to.
enum Of {
    /// Chunks: `stco` or `co64`.
    Chunks,
    /// What it takes to decrypt samples, behind fields that say what it is: `saio`.
    Auxiliary(Vec<u8>),
}

impl Of {
    /// The header of a table of so many entries of 4 or 8 bytes.
    fn header(&self, count: u64, width: u64) -> Result<Vec<u8>, ReadError> {
        let fits = |number: u64| u32::try_from(number).map_err(|_| ReadError::Changed);
        let mut header = Writer::default();
        header.u32(fits(self.header_len() + count * width)?);
        match self {
            Self::Chunks => {
                header.bytes(if width == 8 { b"co64" } else { b"stco" });
                header.u32(0);
            }
            Self::Auxiliary(fields) => {
                header.bytes(b"saio");
                header.u32(if width == 8 { 1 << 24 } else { 0 } | u32::from(!fields.is_empty()));
                header.bytes(fields);
            }
        }
        header.u32(fits(count)?);
        Ok(header.into_bytes())
    }

    fn header_len(&self) -> u64 {
        16 + if let Self::Auxiliary(fields) = self { fields.len() as u64 } else { 0 }
    }
}

/// A file in another order: what it takes to send it, without the file itself, so that it can be kept.
#[derive(Clone, Debug)]
pub struct Faststart(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    /// As it is in the file.
    Kept(Range<u64>),
    /// Made.
    Memory(Bytes),
    /// A table of offsets, made as it is sent: see [`ShiftedOffsets`].
    Offsets { entries: Range<u64>, width: u64, made_width: u64, shifts: Arc<[(u64, u64)]> },
}

impl Faststart {
    /// As extents of the file that it was made of.
    pub fn extents(&self, file: &Arc<File>) -> Result<Extents, ReadError> {
        let source: Arc<dyn Source> = Arc::clone(file) as _;
        let extent = |piece: &Piece| match piece.clone() {
            Piece::Kept(range) => Extent::Source { source: Arc::clone(&source), range },
            Piece::Memory(bytes) => Extent::Memory(bytes),
            Piece::Offsets { entries, width, made_width, shifts } => {
                let file = Arc::clone(file);
                let table = ShiftedOffsets { file, entries, width, made_width, shifts };
                Extent::whole(Arc::new(table))
            }
        };
        let mut extents = Extents::default();
        for extent in self.0.iter().map(extent).filter(|extent| !extent.is_empty()) {
            extents.push(extent).map_err(|_| ReadError::Changed)?;
        }
        Ok(extents)
    }

    /// About how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        let made = |piece: &Piece| match piece {
            Piece::Memory(bytes) => bytes.len(),
            Piece::Kept(_) | Piece::Offsets { .. } => 0,
        };
        self.0.iter().map(|piece| size_of::<Piece>() + made(piece)).sum()
    }
}

/// The whole of a file that has its samples in tables, with its index in front. `None` if it is so
/// already and nothing in it needs repair, or if its index has more boxes than make sense: then the file
/// is its own best form.
pub fn faststart<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
) -> Result<Option<Faststart>, ReadError> {
    let moov = movie.moov.whole();
    let is_in_front = movie.mdat.is_none_or(|mdat| moov.end <= mdat);
    let is_sound = movie.tracks.iter().all(|track| track.entry.repairs.is_empty());
    if is_in_front && is_sound {
        return Ok(None);
    }
    let mut parts = Vec::new();
    if !collect(movie, reader, &movie.moov, &mut parts)? {
        return Ok(None);
    }
    // Whatever stands before it in the file and is no media stays before it.
    let head_end = if is_in_front { moov.start } else { front(reader)? };
    let may_be_long = movie.file_len.saturating_add(2 * (moov.end - moov.start));
    let is_long = u32::try_from(may_be_long).is_err();
    let length = |part: &Part| match part {
        Part::Kept(range) => range.end - range.start,
        Part::Made(bytes) => bytes.len() as u64,
        Part::Offsets { entries, width, of } => {
            let made = if is_long { 8 } else { *width };
            of.header_len() + (entries.end - entries.start) / width * made
        }
    };
    // Ancestors come before what is in them; their sizes are known only now.
    let made_len: u64 = parts.iter().map(|part| length(&part.part)).sum();
    let moov_len = moov.end - moov.start;
    // What it takes to decrypt samples may lie in the index itself: each part of it moves for itself.
    let mut shifts = vec![(head_end, made_len)];
    let mut at = head_end;
    for Placed { part, .. } in &parts {
        if let Part::Kept(range) = part {
            shifts.push((range.start, at.wrapping_sub(range.start)));
        }
        at += length(part);
    }
    shifts.push((moov.end.max(head_end), made_len.wrapping_sub(moov_len)));
    let shifts: Arc<[_]> = shifts.into();
    let mut pieces = vec![Piece::Kept(0..head_end)];
    for (place, Placed { part, inside }) in parts.iter().enumerate() {
        match part {
            Part::Kept(range) => pieces.push(Piece::Kept(range.clone())),
            Part::Made(bytes) if *inside > 0 => {
                // A header: its size is that of all that is in it.
                let contents = &parts[place..=place + inside];
                let size: u64 = contents.iter().map(|part| length(&part.part)).sum();
                let size = u32::try_from(size).map_err(|_| ReadError::Changed)?;
                let header = [&size.to_be_bytes(), &bytes[4..]].concat();
                pieces.push(Piece::Memory(header.into()));
            }
            Part::Made(bytes) => pieces.push(Piece::Memory(bytes.clone().into())),
            Part::Offsets { entries, width, of } => {
                let made_width = if is_long { 8 } else { *width };
                let count = (entries.end - entries.start) / width;
                pieces.push(Piece::Memory(of.header(count, made_width)?.into()));
                let (entries, width, shifts) = (entries.clone(), *width, Arc::clone(&shifts));
                pieces.push(Piece::Offsets { entries, width, made_width, shifts });
            }
        }
    }
    pieces.push(Piece::Kept(head_end..moov.start.max(head_end)));
    pieces.push(Piece::Kept(moov.end..movie.file_len));
    Ok(Some(Faststart(pieces)))
}

/// A part, and how many of those behind it are in it.
struct Placed {
    part: Part,
    inside: usize,
}

/// Collects what the new form of a box consists of. Returns whether that is not too much.
fn collect<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
    parent: &Header,
    parts: &mut Vec<Placed>,
) -> Result<bool, ReadError> {
    let place = parts.len();
    let header = [&[0; 4], &parent.kind.0[..]].concat();
    parts.push(Placed { part: Part::Made(header), inside: 0 });
    // Whether the last part is a child of this box, and not of one in it.
    let mut is_own = false;
    for child in children(reader, &parent.body)? {
        if parts.len() >= PARTS_MAX {
            return Ok(false);
        }
        // The path is fixed, so that this goes five deep and no deeper.
        let below = PARENTS.iter().position(|kind| **kind == parent.kind.0);
        let next = below.and_then(|depth| PARENTS.get(depth + 1));
        let part = match &child.kind.0 {
            kind if next == Some(&kind) => {
                if !collect(movie, reader, &child, parts)? {
                    return Ok(false);
                }
                is_own = false;
                continue;
            }
            b"stco" | b"co64" if parent.kind == FourCc(*b"stbl") => {
                let width = if child.kind == FourCc(*b"co64") { 8 } else { 4 };
                let entries = entries(reader, &child, 8, width)?;
                Part::Offsets { entries, width, of: Of::Chunks }
            }
            b"saio" if parent.kind == FourCc(*b"stbl") && child.body_len() >= 8 => {
                let mut head = [0; 4];
                reader.read_exact_at(child.body.start, &mut head)?;
                let [version, .., flags] = head;
                let width = if version == 0 { 4 } else { 8 };
                let mut fields = vec![0; if flags & 1 != 0 { 8 } else { 0 }];
                let before = 8 + fields.len() as u64;
                if child.body_len() < before {
                    Part::Kept(child.whole())
                } else {
                    reader.read_exact_at(child.body.start + 4, &mut fields)?;
                    let entries = entries(reader, &child, before, width)?;
                    Part::Offsets { entries, width, of: Of::Auxiliary(fields) }
                }
            }
            b"stsd" if parent.kind == FourCc(*b"stbl") => repaired(movie, &child),
            _ => Part::Kept(child.whole()),
        };
        match (&part, parts.last_mut()) {
            // What is kept beside each other is kept as one.
            (Part::Kept(next), Some(Placed { part: Part::Kept(last), .. }))
                if is_own && last.end == next.start =>
            {
                last.end = next.end;
            }
            _ => parts.push(Placed { part, inside: 0 }),
        }
        is_own = true;
    }
    parts[place].inside = parts.len() - 1 - place;
    Ok(true)
}

/// The entries of a table that begins behind so many bytes of a box, of which the last four are its
/// count: as many as there is room for.
fn entries<R: ReadAt + ?Sized>(
    reader: &R,
    table: &Header,
    before: u64,
    width: u64,
) -> Result<Range<u64>, ReadError> {
    let start = table.body.start + before;
    let Some(room) = table.body_len().checked_sub(before) else {
        return Ok(start..start);
    };
    let mut count = [0; 4];
    reader.read_exact_at(start - 4, &mut count)?;
    let count = u64::from(u32::from_be_bytes(count)).min(room / width);
    Ok(start..start + count * width)
}

/// The sample entries of a track, repaired if they need to be.
fn repaired(movie: &Movie, stsd: &Header) -> Part {
    let is_in = |whole: &Range<u64>| whole.contains(&stsd.start);
    let track = movie.tracks.iter().find(|track| is_in(&track.whole));
    match track {
        Some(track) if !track.entry.repairs.is_empty() => {
            let mut writer = Writer::default();
            writer.full(b"stsd", 0, 0, |stsd| {
                stsd.u32(1);
                stsd.bytes(&track.entry.entry);
            });
            Part::Made(writer.into_bytes())
        }
        _ => Part::Kept(stsd.whole()),
    }
}

/// Where the file type box ends, in front of everything else; 0 if there is none.
fn front<R: ReadAt + ?Sized>(reader: &R) -> Result<u64, ReadError> {
    let mut head = [0; 8];
    reader.read_exact_at(0, &mut head)?;
    let [a, b, c, d, kind @ ..] = head;
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    let is_type = kind == *b"ftyp" && (8..=4096).contains(&size) && size <= reader.len();
    Ok(if is_type { size } else { 0 })
}
