//! Boxes (ISO/IEC 14496-12 section 4.2) in memory, read and rewritten without the product's own
//! reader, so that each checks the other.

use std::ops::Range;

/// A box, and its place.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its type.
    pub kind: [u8; 4],
    /// With its header.
    pub whole: Range<usize>,
    /// Without its header.
    pub content: Range<usize>,
}

/// The consecutive boxes that fill a range. Fails where they do not fill it.
pub fn list(bytes: &[u8], within: Range<usize>) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let short = || format!("a box at {at} does not lie in {within:?}");
        let head = bytes.get(at..at + 8).filter(|_| at + 8 <= within.end).ok_or_else(short)?;
        let kind: [u8; 4] = head[4..].try_into().unwrap();
        let (size, header) = match number(head) {
            0 => (within.end - at, 8),
            1 => {
                let large = bytes.get(at + 8..at + 16).ok_or_else(short)?;
                (u64::from_be_bytes(large.try_into().unwrap()).try_into().unwrap(), 16)
            }
            size => (size as usize, 8),
        };
        if size < header || size > within.end - at {
            return Err(format!("{} at {at}: a size of {size}", kind.escape_ascii()));
        }
        found.push(Found { kind, whole: at..at + size, content: at + header..at + size });
        at += size;
    }
    Ok(found)
}

/// All boxes at a path, such as `moov/trak/tkhd`.
pub fn all(bytes: &[u8], path: &str) -> Vec<Found> {
    let mut found = list(bytes, 0..bytes.len()).expect("boxes");
    let (first, deeper) = path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
    found.retain(|found| found.kind == first.as_bytes());
    for name in deeper.into_iter().flat_map(|path| path.split('/')) {
        let lists = found.into_iter().map(|found| list(bytes, found.content).expect("boxes"));
        found = lists.flatten().filter(|found| found.kind == name.as_bytes()).collect();
    }
    found
}

/// The payloads of all boxes at a path.
pub fn contents<'a>(bytes: &'a [u8], path: &str) -> Vec<&'a [u8]> {
    all(bytes, path).into_iter().map(|found| &bytes[found.content]).collect()
}

/// The first four bytes as a number.
pub fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// The same boxes, with 64-bit chunk offsets that are larger by `shift`. `mdat` must precede
/// `moov`, which grows.
pub fn with_wide_offsets(bytes: &[u8], shift: u64) -> Vec<u8> {
    let mut wide = Vec::new();
    for found in list(bytes, 0..bytes.len()).expect("boxes") {
        let content = &bytes[found.content];
        match &found.kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => {
                write(&mut wide, found.kind, &with_wide_offsets(content, shift));
            }
            b"stco" => {
                let (head, offsets) = content.split_at(8);
                let offsets = offsets
                    .chunks(4)
                    .map(|offset| u64::from(number(offset)) + shift)
                    .flat_map(u64::to_be_bytes);
                let content: Vec<u8> = head.iter().copied().chain(offsets).collect();
                write(&mut wide, *b"co64", &content);
            }
            _ => wide.extend_from_slice(&bytes[found.whole]),
        }
    }
    wide
}

fn write(out: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let size = u32::try_from(content.len() + 8).expect("a small box");
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&kind);
    out.extend_from_slice(content);
}

/// Rotates the video of the first track by 90 degrees (section 8.3.2, the matrix in `tkhd`).
pub fn turn_first_track(bytes: &mut [u8]) {
    let header = all(bytes, "moov/trak/tkhd").remove(0).content;
    // Times and duration are wider in version 1.
    let at = header.start + if bytes[header.start] == 0 { 40 } else { 52 };
    let height = number(&bytes[at + 40..]);
    let matrix = [0, 0x1_0000, 0, 0xffff_0000, 0, 0, height, 0, 0x4000_0000];
    let matrix: Vec<u8> = matrix.into_iter().flat_map(u32::to_be_bytes).collect();
    bytes[at..at + matrix.len()].copy_from_slice(&matrix);
}
