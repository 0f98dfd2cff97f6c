//! The whole file with its index in front (faststart).
//!
//! The boxes of `moov` are sent from the source file, except those that contain offsets of media data or
//! sample entries that need repair. Other boxes are copied without parsing, so that none is lost. Of a
//! QuickTime movie, the boxes that MP4 does not have are left out or converted.

mod quicktime;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

pub use quicktime::becomes_mp4;
use quicktime::{Mp4Form, mp4_form};

use super::{boxes::Writer, shifted::ShiftedOffsets, track_boxes};
use crate::{
    extent::{Extent, Extents, File, ReadAt, ReadError, Source},
    movie::{FourCc, Header, Movie, Track, children},
};

/// The path to boxes that change (ISO/IEC 14496-12 section 8.1 to 8.7).
const PARENTS: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];

/// The most parts of a new `moov`: a movie with a hundred tracks has some thousand.
const PARTS_MAX: usize = 1 << 14;

/// The most sample entries of a track that are written.
const ENTRIES_MAX: usize = 64;

/// A part of the new `moov`.
enum Part {
    /// Copied from the file.
    Copied(Range<u64>),
    /// New.
    Rewritten(Vec<u8>),
    /// A table of offsets: the range of its entries in the file, and their width.
    Offsets { entries: Range<u64>, width: u64, table: OffsetTable },
}

/// Kind of an offset table.
enum OffsetTable {
    /// Offsets of chunks: `stco` or `co64`.
    Chunks,
    /// Offsets of auxiliary information: `saio`, with its type fields.
    Auxiliary(Vec<u8>),
}

impl OffsetTable {
    /// The header of a table with `count` entries of `width` bytes.
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

/// A reordered file: the specification of its extents without the open file, so that it can be cached.
#[derive(Clone, Debug)]
pub struct Faststart(Vec<ExtentSpec>);

#[derive(Clone, Debug)]
enum ExtentSpec {
    /// A range of the file.
    File(Range<u64>),
    /// New bytes.
    Memory(Bytes),
    /// A table of offsets, computed on read: see [`ShiftedOffsets`].
    Offsets { entries: Range<u64>, width: u64, new_width: u64, shifts: Arc<[(u64, u64)]> },
}

impl Faststart {
    /// The extents for an open file of the same version.
    pub fn extents(&self, file: &Arc<File>) -> Result<Extents, ReadError> {
        let source: Arc<dyn Source> = Arc::clone(file) as _;
        let extent = |spec: &ExtentSpec| match spec.clone() {
            ExtentSpec::File(range) => Extent::Source { source: Arc::clone(&source), range },
            ExtentSpec::Memory(bytes) => Extent::Memory(bytes),
            ExtentSpec::Offsets { entries, width, new_width, shifts } => {
                let file = Arc::clone(file);
                let table = ShiftedOffsets { file, entries, width, new_width, shifts };
                Extent::whole(Arc::new(table))
            }
        };
        let mut extents = Extents::default();
        for extent in self.0.iter().map(extent).filter(|extent| !extent.is_empty()) {
            extents.push(extent).map_err(|_| ReadError::Changed)?;
        }
        Ok(extents)
    }

    /// Approximate memory use in bytes.
    pub fn bytes(&self) -> usize {
        let owned = |spec: &ExtentSpec| match spec {
            ExtentSpec::Memory(bytes) => bytes.len(),
            ExtentSpec::File(_) | ExtentSpec::Offsets { .. } => 0,
        };
        self.0.iter().map(|spec| size_of::<ExtentSpec>() + owned(spec)).sum()
    }
}

/// Moves the index of an MP4 with sample tables to the front. `None` if the file should be sent unchanged: its
/// index is in front and needs no repair, or has too many boxes.
pub fn faststart<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
) -> Result<Option<Faststart>, ReadError> {
    let Some(mp4) = movie.mp4() else { return Ok(None) };
    let moov = mp4.moov.whole();
    let is_in_front = mp4.mdat.is_none_or(|mdat| moov.end <= mdat);
    let needs_repair = movie.tracks.iter().any(|track| !track.entry.repairs.is_empty());
    let is_converted = becomes_mp4(movie);
    if is_in_front && !needs_repair && !is_converted {
        return Ok(None);
    }
    let mut parts = Vec::new();
    if !collect(movie, reader, &mp4.moov, is_converted, &mut parts)? {
        return Ok(None);
    }
    // If the index is in front, all that precedes it stays; otherwise only `ftyp` does.
    let type_end = file_type_end(reader)?;
    let head_end = if is_in_front { moov.start } else { type_end };
    let mut file_type = Writer::default();
    if is_converted {
        track_boxes::write_file_type(&mut file_type, &movie.tracks);
    }
    // The end of the old `ftyp`, and how much longer the new one is, as two's complement.
    let (old_end, growth) = match file_type.len() as u64 {
        0 => (0, 0),
        length => (type_end, length.wrapping_sub(type_end)),
    };
    let may_be_long = movie.file_len.saturating_add(2 * (moov.end - moov.start));
    let is_long = u32::try_from(may_be_long).is_err();
    let length = |part: &Part| match part {
        Part::Copied(range) => range.end - range.start,
        Part::Rewritten(bytes) => bytes.len() as u64,
        Part::Offsets { entries, width, table } => {
            let new_width = if is_long { 8 } else { *width };
            table.header_len() + (entries.end - entries.start) / width * new_width
        }
    };
    // Headers precede their contents; their sizes are known only now.
    let new_len: u64 = parts.iter().map(|node| length(&node.part)).sum();
    let moov_len = moov.end - moov.start;
    // Auxiliary information may be inside the index itself, so each copied part has its own shift.
    let mut part_shifts = vec![(old_end, growth), (head_end, new_len.wrapping_add(growth))];
    let mut at = head_end.wrapping_add(growth);
    for Node { part, .. } in &parts {
        if let Part::Copied(range) = part {
            part_shifts.push((range.start, at.wrapping_sub(range.start)));
        }
        at += length(part);
    }
    let after_moov = new_len.wrapping_sub(moov_len).wrapping_add(growth);
    part_shifts.push((moov.end.max(head_end), after_moov));
    let shifts: Arc<[_]> = part_shifts.into();
    let mut extents = vec![
        ExtentSpec::Memory(file_type.into_bytes().into()),
        ExtentSpec::File(old_end..head_end),
    ];
    for (place, Node { part, descendants }) in parts.iter().enumerate() {
        match part {
            Part::Copied(range) => extents.push(ExtentSpec::File(range.clone())),
            Part::Rewritten(bytes) if *descendants > 0 => {
                // A container: its size includes all its descendants.
                let contents = &parts[place..=place + descendants];
                let len: u64 = contents.iter().map(|node| length(&node.part)).sum();
                let size = u32::try_from(len).map_err(|_| ReadError::Changed)?;
                let header = [&size.to_be_bytes(), &bytes[4..]].concat();
                extents.push(ExtentSpec::Memory(header.into()));
            }
            Part::Rewritten(bytes) => extents.push(ExtentSpec::Memory(bytes.clone().into())),
            Part::Offsets { entries, width, table } => {
                let new_width = if is_long { 8 } else { *width };
                let count = (entries.end - entries.start) / width;
                extents.push(ExtentSpec::Memory(table.header(count, new_width)?.into()));
                let (entries, width, shifts) = (entries.clone(), *width, Arc::clone(&shifts));
                extents.push(ExtentSpec::Offsets { entries, width, new_width, shifts });
            }
        }
    }
    extents.push(ExtentSpec::File(head_end..moov.start.max(head_end)));
    extents.push(ExtentSpec::File(moov.end..movie.file_len));
    Ok(Some(Faststart(extents)))
}

/// A part, and the number of its descendants, which follow it in the list.
struct Node {
    part: Part,
    descendants: usize,
}

/// Collects the parts of the new form of a box. Returns false if there are too many.
fn collect<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
    parent: &Header,
    is_converted: bool,
    parts: &mut Vec<Node>,
) -> Result<bool, ReadError> {
    let place = parts.len();
    let header = [&[0; 4], &parent.kind.0[..]].concat();
    parts.push(Node { part: Part::Rewritten(header), descendants: 0 });
    // Whether the last part is a child of this box, and not a deeper descendant.
    let mut is_own = false;
    for child in children(reader, &parent.body)? {
        if parts.len() >= PARTS_MAX {
            return Ok(false);
        }
        // The path is fixed and five boxes deep, which bounds the recursion.
        let below = PARENTS.iter().position(|kind| **kind == parent.kind.0);
        let next = below.and_then(|depth| PARENTS.get(depth + 1));
        let part = match &child.kind.0 {
            kind if next == Some(&kind) => {
                if !collect(movie, reader, &child, is_converted, parts)? {
                    return Ok(false);
                }
                is_own = false;
                continue;
            }
            b"stco" | b"co64" if parent.kind == FourCc(*b"stbl") => {
                let width = if child.kind == FourCc(*b"co64") { 8 } else { 4 };
                let entries = table_entries(reader, &child, 8, width)?;
                Part::Offsets { entries, width, table: OffsetTable::Chunks }
            }
            b"saio" if parent.kind == FourCc(*b"stbl") && child.body_len() >= 8 => {
                let mut head = [0; 4];
                reader.read_exact_at(child.body.start, &mut head)?;
                let [version, .., flags] = head;
                let width = if version == 0 { 4 } else { 8 };
                let mut fields = vec![0; if flags & 1 != 0 { 8 } else { 0 }];
                let before = 8 + fields.len() as u64;
                if child.body_len() < before {
                    Part::Copied(child.whole())
                } else {
                    reader.read_exact_at(child.body.start + 4, &mut fields)?;
                    let entries = table_entries(reader, &child, before, width)?;
                    Part::Offsets { entries, width, table: OffsetTable::Auxiliary(fields) }
                }
            }
            b"stsd" if parent.kind == FourCc(*b"stbl") => sample_entries(movie, reader, &child)?,
            _ if is_converted => match mp4_form(movie, reader, parent.kind, &child)? {
                Mp4Form::Same => Part::Copied(child.whole()),
                Mp4Form::Nothing => {
                    is_own = false;
                    continue;
                }
                Mp4Form::Rewritten(bytes) => Part::Rewritten(bytes),
                Mp4Form::Container(header, body) => {
                    parts.push(Node { part: Part::Rewritten(header), descendants: 1 });
                    parts.push(Node { part: Part::Copied(body), descendants: 0 });
                    is_own = false;
                    continue;
                }
            },
            _ => Part::Copied(child.whole()),
        };
        match (&part, parts.last_mut()) {
            // Adjacent copied boxes become one part.
            (Part::Copied(next), Some(Node { part: Part::Copied(last), .. }))
                if is_own && last.end == next.start =>
            {
                last.end = next.end;
            }
            _ => parts.push(Node { part, descendants: 0 }),
        }
        is_own = true;
    }
    parts[place].descendants = parts.len() - 1 - place;
    Ok(true)
}

/// The range of the entries of a table. `before` bytes of the body precede them, and the last four of
/// these are the count, which is limited to the size of the box.
fn table_entries<R: ReadAt + ?Sized>(
    reader: &R,
    table: &Header,
    before: u64,
    width: u64,
) -> Result<Range<u64>, ReadError> {
    let start = table.body.start + before;
    let Some(available) = table.body_len().checked_sub(before) else {
        return Ok(start..start);
    };
    let mut count = [0; 4];
    reader.read_exact_at(start - 4, &mut count)?;
    let count = u64::from(u32::from_be_bytes(count)).min(available / width);
    Ok(start..start + count * width)
}

/// The sample entries of a track, repaired if necessary. Those that samples name are equal, and keep their
/// numbers.
fn sample_entries<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
    stsd: &Header,
) -> Result<Part, ReadError> {
    let is_in = |whole: &Range<u64>| whole.contains(&stsd.start);
    let is_repaired = |track: &&Track| is_in(&track.whole) && !track.entry.repairs.is_empty();
    let Some(track) = movie.tracks.iter().find(is_repaired) else {
        return Ok(Part::Copied(stsd.whole()));
    };
    let entries = children(reader, &(stsd.body.start + 8..stsd.body.end))?.len();
    let count = entries.clamp(1, ENTRIES_MAX);
    let mut writer = Writer::default();
    writer.full(b"stsd", 0, 0, |stsd| {
        stsd.u32(u32::try_from(count).expect("a few"));
        (0..count).for_each(|_| stsd.bytes(&track.entry.entry));
    });
    Ok(Part::Rewritten(writer.into_bytes()))
}

/// The end of `ftyp` at the start of the file; 0 if there is none.
fn file_type_end<R: ReadAt + ?Sized>(reader: &R) -> Result<u64, ReadError> {
    let mut head = [0; 8];
    reader.read_exact_at(0, &mut head)?;
    let [a, b, c, d, kind @ ..] = head;
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    let is_type = kind == *b"ftyp" && (8..=4096).contains(&size) && size <= reader.len();
    Ok(if is_type { size } else { 0 })
}
